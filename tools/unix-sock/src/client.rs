// SPDX-License-Identifier: MIT OR Apache-2.0
//! The connecting side: one peer, and another connection when it is lost.

use std::collections::VecDeque;
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use heka_core::net::{Backoff, DialError, Dialer, Loss, Redial, UnixName};
use heka_core::os::Deadline;
use heka_core::report::words::Count;
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

/// What the system took for the peer is gone, and nobody knows how much that was.
const UNREAD: &str = "closed by the peer before it had read everything";

/// Passes records both ways until one of the sides has enough.
pub(crate) fn run(
    plan: &Plan,
    name: &UnixName,
    backoff: Backoff,
    connect_timeout: Option<Duration>,
    end: Deadline,
) -> Result<Status, Stop> {
    let hub = Hub::new(plan, None)?;
    let mut client = Client { hub, name, connect_timeout, redial: Redial::new(backoff), end };
    let outcome = client.run();
    // Also what came before an error or a signal is written.
    let finished = client.hub.finish();
    Ok(outcome?.and(finished?))
}

struct Client<'a> {
    hub: Hub<'a>,
    name: &'a UnixName,
    connect_timeout: Option<Duration>,
    redial: Redial,
    end: Deadline,
}

/// What follows the end of a connection.
enum Next {
    /// Another one, for these records and what follows them.
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
            self.pause("connection lost")?;
        }
    }

    /// Connects, and goes on with what another connection did not take.
    fn connect(&mut self, unsent: VecDeque<Chunk>) -> Result<(), Stop> {
        let socket = loop {
            match self.dial() {
                Ok(socket) => break socket,
                Err(DialError::Failed { cause, .. }) => {
                    self.check_time()?;
                    self.pause(&cause)?;
                }
                Err(stopped @ DialError::Stopped(_)) => return Err(stopped.into_stop(self.name)),
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

    fn dial(&self) -> Result<Socket, DialError> {
        let kind = self.hub.plan.kind;
        let left = self.end.map(|end| end.saturating_duration_since(Instant::now()));
        let mut dialer = Dialer::default();
        dialer.settings.connect_timeout = self.connect_timeout.into_iter().chain(left).min();
        let socket = dialer.dial_unix(self.name, socket_type(kind))?;
        if kind == Kind::Dgram {
            // A name of its own, so that it can be answered.
            bind(socket.as_raw_fd(), &UnixAddr::new_unnamed()).map_err(std::io::Error::from)?;
        }
        Ok(socket)
    }

    /// Waits before the next attempt; an error if there may be none.
    fn pause(&mut self, cause: &str) -> Result<(), Stop> {
        if !self.redial.schedule(&Loss::of(format_args!("{}: {cause}", self.name))) {
            return Err(Stop::unreachable(format_args!("{}: {cause}", self.name)));
        }
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

    /// A connection has ended: in order, or is there more to do?
    fn look_back(&mut self, mut peer: Peer) -> Result<Next, Stop> {
        let plan = self.hub.plan;
        let framing = plan.wire;
        if peer.inbound.fate == Fate::Idle {
            return Err(Stop::unreachable(format_args!("{}: nothing moved in time", self.name)));
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
                "{}: closed by the peer, {lost} not sent",
                self.name
            )));
        }
        if let Some(left) = self.hub.source.as_mut().and_then(Source::bulk_left) {
            let lost = Count(left, "byte");
            let cause = format_args!("closed by the peer, {lost} not sent");
            return Err(Stop::unreachable(format_args!("{}: {cause}", self.name)));
        }
        if peer.inbound.fate == Fate::Reset {
            return Err(Stop::unreachable(format_args!("{}: {UNREAD}", self.name)));
        }
        Ok(Next::End(Status::Done))
    }
}
