// SPDX-License-Identifier: MIT OR Apache-2.0
//! The listening socket: who comes in, who has to wait, who is turned away.

use std::io;
use std::os::fd::AsFd as _;
use std::time::Instant;

use heka_core::net::{Addr, ListenOptions, Listener, UnixName, inherited};
use heka_core::os::wait;
use heka_core::report::{self, Stop};
use nix::poll::PollFlags;
use nix::sys::stat::{Mode as Umask, umask};
use socket2::{Socket, Type};

use crate::cli::Kind;
use crate::facts::Facts;
use crate::plan::{Plan, Server};

/// A socket that connections come in by.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) listener: Listener,
    /// The socket, for people and for metadata.
    pub(crate) path: String,
    /// Somebody may be waiting.
    pub(crate) is_ready: bool,
    /// It has been told that somebody has to wait.
    pub(crate) has_told: bool,
    next_number: u64,
}

impl Door {
    /// Binds, listens, and tells on `--ready-fd` that it does.
    pub(crate) fn open(plan: &Plan, server: &Server) -> Result<Self, Stop> {
        let listener = match &plan.name {
            Some(name) => bind(name, plan.kind, server)?,
            None => take_over(plan.kind)?,
        };
        let path = match &listener.addr {
            Addr::Unix(name) | Addr::UnixGram(name) => name.to_string(),
            other => return Err(Stop::usage(format_args!("{other}: not a UNIX domain socket"))),
        };
        if let Some(fd) = server.ready_fd {
            fd.announce([listener.bound()])?;
        }
        report::note(format_args!("{path}: listening"));
        Ok(Self { listener, path, is_ready: true, has_told: false, next_number: 0 })
    }

    /// Takes one connection that may come in.
    ///
    /// # Errors
    /// The system's, out of descriptors among them.
    pub(crate) fn accept(&mut self, server: &Server) -> io::Result<Option<(Socket, Facts)>> {
        loop {
            let Some(accepted) = self.listener.accept()? else {
                self.is_ready = false;
                return Ok(None);
            };
            let number = self.next_number;
            let facts = Facts::of(&accepted.socket, number, self.path.clone(), true);
            if is_allowed(&facts, server) {
                self.next_number += 1;
                return Ok(Some((accepted.socket, facts)));
            }
            self.turn_away(&facts);
        }
    }

    /// Tells of a peer that is not served.
    pub(crate) fn turn_away(&mut self, facts: &Facts) {
        let (uid, gid) = (facts.uid.unwrap_or_default(), facts.gid.unwrap_or_default());
        let text = format_args!("{}: uid {uid}, gid {gid} turned away", self.path);
        report::repeated("turned away", text);
    }

    /// There is no room for more: tells so, if somebody wants in.
    pub(crate) fn keep_shut(&mut self, most: usize) -> Result<(), Stop> {
        if !self.has_told {
            let waiting = wait(&[(self.as_fd(), PollFlags::POLLIN)], Some(Instant::now()))?;
            self.is_ready = waiting.iter().any(|ready| !ready.is_empty());
            self.has_told = self.is_ready;
            if self.has_told {
                self.warn_full(&format!("{most} connections (--max-conns)"));
            }
        }
        Ok(())
    }

    /// Tells that connections have to wait.
    pub(crate) fn warn_full(&mut self, cause: &str) {
        let text = format_args!("{}: {cause}, more have to wait", self.path);
        report::repeated("waiting connections", text);
    }
}

/// Whether a peer is one of those that `--allow-uid` and `--allow-gid` name.
pub(crate) fn is_allowed(facts: &Facts, server: &Server) -> bool {
    let in_list =
        |list: &[u32], number: Option<u32>| number.is_some_and(|number| list.contains(&number));
    (server.users.is_empty() && server.groups.is_empty())
        || in_list(&server.users, facts.uid)
        || in_list(&server.groups, facts.gid)
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

/// Reading the umask means setting it; there is one thread yet.
fn current_umask() -> u32 {
    let mask = umask(Umask::empty());
    umask(mask);
    mask.bits()
}

fn take_over(kind: Kind) -> Result<Listener, Stop> {
    let mut sockets = inherited(None)?;
    let Some(listener) = sockets.pop().filter(|_| sockets.is_empty()) else {
        return Err(Stop::usage("expected the path of a socket, or one socket in LISTEN_FDS"));
    };
    if listener.socket().r#type().ok() != Some(socket_type(kind)) {
        return Err(Stop::usage("the socket in LISTEN_FDS is of another --type"));
    }
    Ok(listener)
}

/// The system's number for a kind of socket.
pub(crate) fn socket_type(kind: Kind) -> Type {
    match kind {
        Kind::Stream => Type::STREAM,
        Kind::Dgram => Type::DGRAM,
        Kind::Seqpacket => Type::SEQPACKET,
    }
}

impl std::os::fd::AsFd for Door {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.listener.as_fd()
    }
}
