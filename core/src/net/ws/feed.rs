// SPDX-License-Identifier: MIT OR Apache-2.0
//! The loop around a connection: messages to its caller, records to their reader, pings on time.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use nix::poll::PollFlags;

use super::socket::MAX_QUEUED;
use super::{Closed, Kind, Options, Socket, Step};
use crate::os::{Backlog, Deadline, Wanted, wait, wait_at_the_end};
use crate::report::Stop;
use crate::report::words::Span;

/// After this many messages the clock, the other descriptors and signals are looked at.
const BATCH: u32 = 512;

/// What [`Socket::receive`] came back with.
#[derive(Debug)]
pub enum Received {
    /// A message; its bytes are [`Socket::data`].
    Message(Kind),
    /// The connection is over.
    Closed(Closed),
    /// All messages of ours are on their way.
    Sent,
    /// The caller's own descriptor can be read.
    Input,
    /// The caller's deadline has passed.
    Deadline,
}

/// Who was heard when, and when to ask.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    next_ping: Deadline,
    /// The first ping since anything came.
    pinged: Option<Instant>,
    last_message: Instant,
    bytes_in: u64,
    bytes_out: u64,
    heard_message: bool,
    batch: u32,
}

impl Clock {
    pub(super) fn new(options: &Options) -> Self {
        let now = Instant::now();
        Self {
            next_ping: options.ping_interval.map(|interval| now + interval),
            pinged: None,
            last_message: now,
            bytes_in: 0,
            bytes_out: 0,
            heard_message: false,
            batch: 0,
        }
    }

    #[inline]
    pub(super) fn heard_message(&mut self) {
        self.heard_message = true;
    }
}

/// Why the connection is not read at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    /// The reader of the output is stuck: the peer cannot help it.
    Output,
    /// The peer does not take what we send.
    Peer,
}

impl<S: Read + Write + AsFd> Socket<S> {
    /// Waits for the next thing that its caller has to look at. Meanwhile `out` is written as its
    /// reader takes it, pings are answered and sent, and silence is noticed. `input` is watched as
    /// long as the peer takes what is sent.
    ///
    /// While `out` holds more than [`Options::max_backlog`] the connection is not read. Pings of
    /// the peer can then not be seen, so it gets a pong at every interval without having asked.
    /// Nor is it read while the peer accepts none of what is sent, but that counts as silence.
    ///
    /// After [`Socket::close`] the end comes soon, and no signal is in its way (a second one ends
    /// the process): what was read before it is written, and the limit of the backlog holds.
    ///
    /// # Errors
    /// A signal, the end of `out`'s reader, or a failed write to it.
    pub fn receive(
        &mut self,
        out: &mut Backlog,
        input: Option<BorrowedFd<'_>>,
        deadline: Deadline,
    ) -> Result<Received, Stop> {
        loop {
            let pause = self.pause(out);
            if self.clock.batch < BATCH {
                self.clock.batch += 1;
                let step = if pause.is_some() { Step::Blocked } else { self.step() };
                match step {
                    Step::Closed(closed) => return Ok(Received::Closed(closed)),
                    Step::Message(kind) => return Ok(Received::Message(kind)),
                    Step::Again => continue,
                    Step::Blocked => {}
                }
            }
            // With no message in hand: whatever comes of it, none is lost.
            let blocked = self.clock.batch < BATCH;
            self.clock.batch = 0;
            if let Some(received) = self.look_around(out, input, deadline, blocked, pause)? {
                return Ok(received);
            }
        }
    }

    fn pause(&self, out: &Backlog) -> Option<Pause> {
        if self.is_draining() {
            None
        } else if out.pending() > self.options.max_backlog {
            Some(Pause::Output)
        } else if self.is_open() && self.outgoing.len() > MAX_QUEUED {
            Some(Pause::Peer)
        } else {
            None
        }
    }

    /// Serves clock, descriptors and signals; waits for them if nothing else is to be done.
    fn look_around(
        &mut self,
        out: &mut Backlog,
        input: Option<BorrowedFd<'_>>,
        deadline: Deadline,
        blocked: bool,
        pause: Option<Pause>,
    ) -> Result<Option<Received>, Stop> {
        if blocked {
            out.try_flush()?;
        }
        let now = Instant::now();
        if let Some(closed) = self.tick(now, pause) {
            return Ok(Some(Received::Closed(closed)));
        }
        let until = if blocked && !self.outgoing.has_just_sent() {
            self.earliest(deadline)
        } else {
            Some(now)
        };
        let input = input.filter(|_| self.is_sent() && self.is_open());
        let (fd, flags) = self.wanted();
        let flags = if pause.is_some() { flags & PollFlags::POLLOUT } else { flags };
        // poll reports a dead socket even if nothing is wanted of it: during a pause it would do
        // so again and again.
        let mut wanted: Vec<Wanted<'_>> = Vec::with_capacity(3);
        wanted.extend(input.map(|fd| (fd, PollFlags::POLLIN)));
        wanted.extend(out.wanted());
        if !flags.is_empty() {
            wanted.push((fd, flags));
        }
        let ready =
            if self.is_open() { wait(&wanted, until)? } else { wait_at_the_end(&wanted, until)? };
        let input_ready = input.is_some() && ready.first().is_some_and(|ready| !ready.is_empty());
        let out_ready =
            ready.get(usize::from(input.is_some())).copied().unwrap_or(PollFlags::empty());
        if out.wanted().is_some() && !out_ready.is_empty() {
            if out.pending() == 0 && out_ready.contains(PollFlags::POLLERR) {
                return Err(Stop::BrokenPipe);
            }
            out.try_flush()?;
        }
        self.flush();
        if input_ready {
            return Ok(Some(Received::Input));
        }
        // The input first: its end must be known before the answer comes.
        if self.outgoing.take_just_sent() {
            return Ok(Some(Received::Sent));
        }
        let passed = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        Ok(passed.then_some(Received::Deadline))
    }

    /// The first point in time at which something has to be done.
    fn earliest(&self, deadline: Deadline) -> Deadline {
        let silent = self.clock.pinged.zip(self.options.ping_timeout);
        let idle = self.options.idle_timeout.map(|limit| self.clock.last_message + limit);
        let all = [
            deadline,
            self.clock.next_ping,
            silent.map(|(pinged, limit)| pinged + limit),
            idle,
            self.ends_at(),
        ];
        all.into_iter().flatten().min()
    }

    /// Does what is due at this time.
    fn tick(&mut self, now: Instant, pause: Option<Pause>) -> Option<Closed> {
        let (bytes_in, bytes_out) = (self.inbound.total, self.outgoing.total);
        let heard = std::mem::replace(&mut self.clock.bytes_in, bytes_in) != bytes_in;
        // While something waits for room, a peer that makes room is alive.
        let took = std::mem::replace(&mut self.clock.bytes_out, bytes_out) != bytes_out;
        let took = took && self.outgoing.is_waiting();
        let stuck = pause == Some(Pause::Output);
        if heard || took || stuck {
            self.clock.pinged = None;
        }
        let excused = stuck || (took && pause == Some(Pause::Peer));
        if std::mem::take(&mut self.clock.heard_message) || excused {
            self.clock.last_message = now;
        }
        if let Some(until) = self.ends_at() {
            // Nobody is asked any longer; the end has a time of its own.
            self.clock.next_ping = None;
            return (now >= until).then(|| self.end("no answer"));
        }
        if let (Some(pinged), Some(limit)) = (self.clock.pinged, self.options.ping_timeout)
            && now >= pinged + limit
        {
            let cause = match pause {
                Some(Pause::Peer) => "the server takes nothing that is sent for",
                _ => "no answer to a ping for",
            };
            return Some(Closed::lost(format!("{cause} {}", Span(limit))));
        }
        if let Some(limit) = self.options.idle_timeout
            && now >= self.clock.last_message + limit
        {
            self.close(1001, "");
            return Some(Closed::lost(format!("no message for {}", Span(limit))));
        }
        if self.clock.next_ping.is_some_and(|next| now >= next) {
            self.clock.next_ping = self.options.ping_interval.map(|interval| now + interval);
            if stuck {
                self.pong();
            } else {
                self.clock.pinged.get_or_insert(now);
                if self.is_sent() {
                    self.ping();
                }
            }
        }
        None
    }
}
