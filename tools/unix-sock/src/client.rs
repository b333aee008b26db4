// SPDX-License-Identifier: MIT OR Apache-2.0
//! The connecting side: one peer, and a new connection when it is lost.

use std::collections::VecDeque;
use std::fs::Permissions;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use heka_core::net::{Backoff, DialError, Dialer, FaultKind, Redial, UnixName, unacknowledged_len};
use heka_core::os::{Deadline, clock, wait};
use heka_core::report::words::{CLOSED, Count, IDLE};
use heka_core::report::{Status, Stop};
use nix::sys::socket::{UnixAddr, bind};
use socket2::Socket;

use crate::cli::Kind;
use crate::door::socket_type;
use crate::facts::Facts;
use crate::framing::SideBySide as _;
use crate::hub::Hub;
use crate::inbound::Fate;
use crate::peer::Peer;
use crate::plan::Plan;
use crate::queue::Chunk;
use crate::source::Source;

/// Data that the system accepted for the peer is lost, of unknown size.
const UNREAD: &str = "closed the connection before it had read everything";

/// Time for a peer to read the last datagrams.
const READER_GRACE: Duration = Duration::from_secs(1);
/// Maximum interval of checks: there is no event for it.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Passes records in both directions until either side ends.
pub(crate) fn run(
    plan: &Plan,
    name: &UnixName,
    backoff: Backoff,
    connect_timeout: Option<Duration>,
    end: Deadline,
) -> Result<Status, Stop> {
    let hub = Hub::new(plan, None)?;
    let mut client =
        Client { hub, name, connect_timeout, redial: Redial::new(backoff), end, own_path: None };
    let outcome = client.run();
    // Output produced before an error or a signal is written too.
    let finished = client.hub.finish();
    Ok(outcome?.and(finished?))
}

struct Client<'a> {
    hub: Hub<'a>,
    name: &'a UnixName,
    connect_timeout: Option<Duration>,
    redial: Redial,
    end: Deadline,
    /// The path at which datagrams are answered.
    own_path: Option<OwnPath>,
}

/// The path of a socket, which is removed with this value.
struct OwnPath(PathBuf);

impl OwnPath {
    /// Binds a socket to a name, so that it can be answered: a path, since some servers support
    /// nothing else; if that is not possible, a name chosen by the system.
    fn give(socket: &Socket) -> io::Result<Option<Self>> {
        let name = clock::random_uuid().map(|byte| format!("{byte:02x}")).concat();
        let name = format!("unix-sock.{name}");
        let path = std::env::temp_dir().join(name);
        let addr = UnixAddr::new(&path);
        if addr.is_ok_and(|addr| bind(socket.as_raw_fd(), &addr).is_ok()) {
            let own = Self(path);
            // The server may run as another user. As the socket is connected, it accepts no other
            // datagrams.
            std::fs::set_permissions(&own.0, Permissions::from_mode(0o666))?;
            return Ok(Some(own));
        }
        bind(socket.as_raw_fd(), &UnixAddr::new_unnamed())?;
        Ok(None)
    }
}

impl Drop for OwnPath {
    fn drop(&mut self) {
        // Another process may have removed it first.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What follows the end of a connection.
enum Next {
    /// Another connection, for these and further records.
    Connect(VecDeque<Chunk>),
    /// The end.
    End(Status),
}

impl Client<'_> {
    fn run(&mut self) -> Result<Status, Stop> {
        let mut unsent = VecDeque::new();
        loop {
            self.connect(unsent)?;
            match self.serve()? {
                Next::Connect(queue) => unsent = queue,
                Next::End(status) => return Ok(status),
            }
            self.pause(DialError::of(FaultKind::Closed, CLOSED))?;
        }
    }

    /// Connects, and continues with what a previous connection did not accept.
    fn connect(&mut self, unsent: VecDeque<Chunk>) -> Result<(), Stop> {
        let socket = loop {
            match self.dial() {
                Ok(socket) => break socket,
                Err(error) => {
                    let error = error.unless_stopped()?;
                    self.check_time()?;
                    self.pause(error)?;
                }
            }
        };
        self.redial.reset();
        let facts = Facts::of(&socket, 0, self.name.to_string(), false);
        let peer = self.hub.connect(socket, facts)?;
        for chunk in unsent {
            peer.link.push(chunk);
        }
        Ok(())
    }

    fn dial(&mut self) -> Result<Socket, DialError> {
        let kind = self.hub.plan.kind;
        let left = self.end.map(|end| end.saturating_duration_since(Instant::now()));
        let mut dialer = Dialer::default();
        dialer.settings.connect_timeout = self.connect_timeout.into_iter().chain(left).min();
        let socket = dialer.dial_unix(self.name, socket_type(kind))?;
        if kind == Kind::Dgram {
            self.own_path = OwnPath::give(&socket)?;
        }
        Ok(socket)
    }

    /// Waits before the next attempt; an error if there is none.
    fn pause(&mut self, error: DialError) -> Result<(), Stop> {
        self.redial.retry(self.name, error)?;
        self.redial.wait(self.hub.sink.out.as_mut(), self.end)?;
        self.check_time()
    }

    /// Serves one connection to its end.
    fn serve(&mut self) -> Result<Next, Stop> {
        loop {
            self.hub.turn(self.end)?;
            if let Some(peer) = self.hub.ended.pop() {
                return self.look_back(peer);
            }
            if self.hub.is_done() {
                return Ok(Next::End(Status::Done));
            }
            self.check_time()?;
        }
    }

    fn check_time(&self) -> Result<(), Stop> {
        if self.end.is_some_and(|end| end <= Instant::now()) {
            return Err(Stop::unreachable(format_args!("{}: timed out", self.name)));
        }
        Ok(())
    }

    /// Handles the end of a connection: normal, or with more to do.
    fn look_back(&mut self, mut peer: Peer) -> Result<Next, Stop> {
        let plan = self.hub.plan;
        let framing = plan.formats.wire;
        if peer.inbound.fate == Fate::Idle {
            return Err(Stop::unreachable(format_args!("{}: {IDLE}", self.name)));
        }
        let is_answered = match &self.hub.source {
            Some(source) => source.has_ended && source.has_given,
            None => plan.echo,
        };
        let has_unsent = !peer.link.is_drained();
        if self.redial.may_retry() && (!is_answered || has_unsent) && !self.hub.sink.has_enough() {
            if peer.inbound.fate == Fate::Reset {
                self.hub.sink.lose(self.name, UNREAD);
            }
            return Ok(Next::Connect(
                peer.link.take_queue(|records, sent| framing.record_start(records, sent)),
            ));
        }
        if has_unsent {
            let lost = Count(peer.link.abandon(), "record");
            return Err(Stop::unreachable(format_args!(
                "{}: {CLOSED}, {lost} not sent",
                self.name
            )));
        }
        if let Some(left) = self.hub.source.as_mut().and_then(Source::bulk_left) {
            let lost = Count(left, "byte");
            let cause = format_args!("{CLOSED}, {lost} not sent");
            return Err(Stop::unreachable(format_args!("{}: {cause}", self.name)));
        }
        if peer.inbound.fate == Fate::Reset {
            return Err(Stop::unreachable(format_args!("{}: {UNREAD}", self.name)));
        }
        if self.own_path.is_some() {
            self.await_reader(peer.link.socket())?;
        }
        Ok(Next::End(Status::Done))
    }

    /// Keeps the path briefly until the peer has read what was sent: ncat(1) connects to the path
    /// of a sender before it reads.
    fn await_reader(&self, socket: &Socket) -> Result<(), Stop> {
        let limit = Instant::now() + READER_GRACE;
        let limit = self.end.map_or(limit, |end| end.min(limit));
        let mut pause = Duration::from_millis(1);
        while Instant::now() < limit && unacknowledged_len(socket).is_ok_and(|len| len > 0) {
            wait(&[], Some(Instant::now() + pause))?;
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
        Ok(())
    }
}
