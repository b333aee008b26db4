// SPDX-License-Identifier: MIT OR Apache-2.0
//! The listening socket: which connections are accepted, delayed or rejected.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use heka_core::net::{Accepted, Addr, ListenOptions, Listener, UnixName, inherited_sockets};
use heka_core::os::{Deadline, wait};
use heka_core::report::{self, Cause as _, Explain as _, Stop};
use nix::poll::PollFlags;
use nix::sys::socket::UnixCredentials;
use nix::sys::stat::{Mode as Umask, umask};
use socket2::{Domain, Socket, Type};

use crate::cli::Kind;
use crate::facts::Facts;
use crate::plan::{Plan, Server};

/// Name of an inherited socket in messages.
const GIVEN: &str = "the socket in LISTEN_FDS";

/// The source of peers.
#[derive(Debug)]
pub(crate) enum Entrance {
    /// A listening socket.
    Door(Door),
    /// An existing connection.
    Connection(Socket, Facts),
}

impl Entrance {
    /// Binds and listens, or takes over an inherited socket.
    pub(crate) fn open(plan: &Plan, server: &Server, given: Option<Socket>) -> Result<Self, Stop> {
        let listener = match (given, &plan.name) {
            (Some(socket), _) => {
                let is_connected = socket.peer_addr().is_ok();
                if is_connected {
                    let path = socket.local_addr().at(GIVEN)?;
                    let facts = Facts::of(&socket, 0, UnixName::of(&path).to_string(), true);
                    return Ok(Self::Connection(socket, facts));
                }
                Listener::adopt(socket, GIVEN, None)?
            }
            (None, Some(name)) => bind(name, plan.kind, server)?,
            (None, None) => return Err(Stop::usage("no PATH given")),
        };
        Door::open(listener, server).map(Self::Door)
    }
}

/// Returns the inherited socket, and whether it is standard input.
///
/// # Errors
/// If there is none, or several.
pub(crate) fn given_socket(kind: Kind) -> Result<(Socket, bool), Stop> {
    let mut sockets = inherited_sockets()?;
    let (socket, is_stdin) = match (sockets.pop(), sockets.is_empty()) {
        (Some(socket), true) => (Some(socket), false),
        (Some(_), false) => (None, false),
        (None, _) => (stdin_socket(), true),
    };
    let Some(socket) = socket else {
        return Err(Stop::usage("no PATH given, nor one socket in LISTEN_FDS"));
    };
    if socket.r#type().ok() != Some(socket_type(kind)) {
        return Err(Stop::usage(format_args!("{GIVEN} is of another --type")));
    }
    Ok((socket, is_stdin))
}

fn stdin_socket() -> Option<Socket> {
    let socket = Socket::from(std::io::stdin().as_fd().try_clone_to_owned().ok()?);
    socket.domain().is_ok_and(|domain| domain == Domain::UNIX).then_some(socket)
}

/// Pause after the system had no descriptor for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A socket that accepts connections, or receives datagrams.
#[derive(Debug)]
pub(crate) struct Door {
    listener: Listener,
    /// The socket, for people and for metadata.
    pub(crate) path: String,
    phase: Phase,
    next_number: u64,
}

/// The state of waiting peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// None.
    Quiet,
    /// There may be one.
    Ready,
    /// One is waiting without room for it, which has been reported.
    Full,
    /// The system had no room; holds the time of the next attempt.
    Paused(Instant),
    /// There may be datagrams that had to wait for standard output.
    HeldUp,
}

impl Door {
    /// Starts listening, and notifies `--ready-fd`.
    fn open(listener: Listener, server: &Server) -> Result<Self, Stop> {
        let path = match &listener.addr {
            Addr::Unix(name) | Addr::UnixGram(name) => name.to_string(),
            other => return Err(Stop::usage(format_args!("{other}: not a UNIX domain socket"))),
        };
        if let Some(fd) = server.ready_fd {
            fd.announce([listener.bound()])?;
        }
        report::note(format_args!("{path}: listening"));
        Ok(Self { listener, path, phase: Phase::Ready, next_number: 0 })
    }

    /// Returns the socket.
    pub(crate) fn socket(&self) -> &Socket {
        self.listener.socket()
    }

    /// Notes that a peer may be waiting.
    pub(crate) fn wake(&mut self) {
        if !self.is_held_up() {
            self.phase = Phase::Ready;
        }
    }

    /// Notes that waiting peers have to wait for standard output.
    pub(crate) fn hold_up(&mut self) {
        self.phase = Phase::HeldUp;
    }

    /// Whether a peer has waited for standard output, and may still be waiting.
    pub(crate) fn is_held_up(&self) -> bool {
        self.phase == Phase::HeldUp
    }

    /// Notes that no peer is waiting.
    pub(crate) fn settle(&mut self) {
        self.phase = Phase::Quiet;
    }

    /// Notes that a peer has gone, so that there may be room.
    pub(crate) fn make_room(&mut self) {
        if let Phase::Paused(_) = self.phase {
            self.phase = Phase::Ready;
        }
    }

    /// Whether there may be a waiting peer that can be accepted.
    pub(crate) fn is_ready(&self) -> bool {
        match self.phase {
            Phase::Quiet => false,
            Phase::Ready | Phase::Full | Phase::HeldUp => true,
            Phase::Paused(until) => until <= Instant::now(),
        }
    }

    /// Returns when to check again.
    pub(crate) fn deadline(&self) -> Deadline {
        match self.phase {
            Phase::Paused(until) => Some(until),
            _ => None,
        }
    }

    /// Accepts one connection that is allowed.
    pub(crate) fn accept(&mut self, server: &Server) -> Option<(Socket, Facts)> {
        while self.is_ready() {
            let accepted = match self.listener.accept() {
                Ok(accepted) => accepted,
                // No descriptors or memory: later, or when a connection has ended.
                Err(error) => {
                    self.warn_full(format_args!("cannot accept a connection: {}", error.cause()));
                    self.phase = Phase::Paused(Instant::now() + ACCEPT_PAUSE);
                    return None;
                }
            };
            let Some(Accepted { socket, .. }) = accepted else {
                self.settle();
                return None;
            };
            let facts = Facts::of(&socket, self.next_number, self.path.clone(), true);
            if self.admits(facts.uid.zip(facts.gid), server) {
                self.next_number += 1;
                return Some((socket, facts));
            }
        }
        None
    }

    /// Whether `--allow-uid` and `--allow-gid` permit a peer with this user and group; reports it
    /// if not.
    pub(crate) fn admits(&self, peer: Option<(u32, u32)>, server: &Server) -> bool {
        let admits = server.admits(peer);
        if !admits {
            report::repeated("refused connections", refused(&self.path, peer));
        }
        admits
    }

    /// Returns the facts about a new sender of datagrams.
    pub(crate) fn introduce(&mut self, credentials: Option<UnixCredentials>) -> Facts {
        let number = self.next_number;
        self.next_number += 1;
        Facts {
            number,
            path: self.path.clone(),
            is_server: true,
            pid: credentials.map(|credentials| credentials.pid()),
            uid: credentials.map(|credentials| credentials.uid()),
            gid: credentials.map(|credentials| credentials.gid()),
        }
    }

    /// Reports that there is no room, if a peer is waiting.
    pub(crate) fn keep_shut(&mut self, most: usize) -> Result<(), Stop> {
        if self.phase == Phase::Ready {
            let waiting = wait(&[(self.as_fd(), PollFlags::POLLIN)], Some(Instant::now()))?;
            self.phase = Phase::Quiet;
            if waiting.iter().any(|ready| !ready.is_empty()) {
                self.phase = Phase::Full;
                let cause = format_args!("{most} connections: further ones wait (--max-conns)");
                self.warn_full(cause);
            }
        }
        Ok(())
    }

    /// Reports that connections have to wait.
    fn warn_full(&mut self, cause: std::fmt::Arguments<'_>) {
        let text = format_args!("{}: {cause}", self.path);
        report::repeated("waiting connections", text);
    }
}

/// Describes a peer that is rejected.
pub(crate) fn refused(path: &str, peer: Option<(u32, u32)>) -> String {
    let (uid, gid) = peer.unwrap_or_default();
    format!("{path}: uid {uid}, gid {gid}, refused")
}

fn bind(name: &UnixName, kind: Kind, server: &Server) -> Result<Listener, Stop> {
    let addr = match kind {
        Kind::Dgram => Addr::UnixGram(name.clone()),
        Kind::Stream | Kind::Seqpacket => Addr::Unix(name.clone()),
    };
    let options = ListenOptions {
        backlog: i32::from(server.backlog),
        mode: server.mode.map(|mode| mode.apply(0o777 & !current_umask())),
        owner: server.owner,
        force: server.force,
        unlink: server.unlink,
        unix_type: socket_type(kind),
        ..ListenOptions::default()
    };
    Listener::bind(&addr, &options)
}

/// Returns the umask, which can only be read by setting it; there is only one thread so far.
fn current_umask() -> u32 {
    let mask = umask(Umask::empty());
    umask(mask);
    mask.bits()
}

/// Returns the system's socket type.
pub(crate) fn socket_type(kind: Kind) -> Type {
    match kind {
        Kind::Stream => Type::STREAM,
        Kind::Dgram => Type::DGRAM,
        Kind::Seqpacket => Type::SEQPACKET,
    }
}

impl AsFd for Door {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}
