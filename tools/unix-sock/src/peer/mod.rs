// SPDX-License-Identifier: MIT OR Apache-2.0
//! A peer, and the state of each of the two directions.

use std::io;
use std::os::fd::AsFd as _;
use std::time::Instant;

use heka_core::net::Ready;
use heka_core::os::wait;
use heka_core::report::words::Count;
use heka_core::report::{self, Cause as _, Stop};
use nix::poll::PollFlags;

use crate::audience::Standing;
use crate::cli::{Kind, QueueFull};
use crate::inbound::{Fate, Inbound, Receiving};
use crate::link::Link;
use crate::packets::Packet;
use crate::plan::Plan;
use crate::queue::Chunk;
use crate::sink::Sink;

/// State of the direction to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    /// Records are sent.
    Open,
    /// Queued records are sent, then the end.
    Ending,
    /// The end was sent, or the peer no longer accepts anything.
    Ended,
}

/// A peer.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) link: Link,
    pub(crate) inbound: Inbound,
    pub(crate) sending: Sending,
    /// When one direction ended.
    half_closed: Option<Instant>,
    /// Offset of the unfinished record, and when it was first seen.
    unfinished: Option<(u64, Instant)>,
}

impl Peer {
    /// Creates a peer at the other end of a link.
    pub(crate) fn new(link: Link, plan: &Plan) -> Self {
        // Datagrams arrive on a shared socket.
        let (receiving, sending) = match (link.is_shared(), link.addr()) {
            (false, _) => (Receiving::Readable, Sending::Open),
            (true, Some(_)) => (Receiving::Quiet, Sending::Open),
            (true, None) => (Receiving::Quiet, Sending::Ended),
        };
        let inbound = Inbound::new(&link.facts, receiving, plan);
        Self { link, inbound, sending, half_closed: None, unfinished: None }
    }

    /// Returns its number.
    pub(crate) fn number(&self) -> u64 {
        self.link.facts.number
    }

    /// Handles an event.
    pub(crate) fn note_event(&mut self, ready: Ready) {
        self.inbound.note_event(ready);
        self.link.writable |= ready.write || ready.broken;
    }

    /// Takes its turn to be read.
    pub(crate) fn read(&mut self, sink: &mut Sink<'_>, scratch: &mut [u8]) -> Result<(), Stop> {
        self.inbound.read(&mut self.link, sink, scratch)?;
        self.echo(sink);
        self.unfinished = self.unfinished_record();
        if self.has_ended() {
            self.half_closed.get_or_insert_with(Instant::now);
        }
        Ok(())
    }

    /// Returns the size of its unfinished record.
    pub(crate) fn unfinished_len(&self) -> usize {
        self.inbound.intake.partial.len()
    }

    fn unfinished_record(&self) -> Option<(u64, Instant)> {
        let len = self.unfinished_len() as u64;
        let begin = self.link.received.saturating_sub(len);
        let known = self.unfinished.filter(|(known, _)| *known == begin);
        (len > 0).then(|| known.unwrap_or_else(|| (begin, Instant::now())))
    }

    /// Returns when its time for the unfinished record is up.
    pub(crate) fn record_deadline(&self, plan: &Plan) -> Option<Instant> {
        plan.record_timeout.zip(self.unfinished).map(|(limit, (_, since))| since + limit)
    }

    /// Handles one of its datagrams, received at time `now`.
    pub(crate) fn take_packet(
        &mut self,
        packet: Packet,
        now: Instant,
        slot: &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<(), Stop> {
        self.inbound.take_packet(&mut self.link, packet, now, slot, sink)?;
        self.echo(sink);
        Ok(())
    }

    /// Ends reading.
    pub(crate) fn end(&mut self, sink: &mut Sink<'_>) -> Result<(), Stop> {
        self.inbound.end_now(&mut self.link, sink)?;
        self.echo(sink);
        self.write(sink);
        Ok(())
    }

    /// Whether nothing more can happen on it.
    pub(crate) fn is_over(&self) -> bool {
        let is_deaf = self.sending == Sending::Ended || self.inbound.fate >= Fate::HungUp;
        self.has_ended() && is_deaf
    }

    /// Returns whether it can be sent to.
    pub(crate) fn standing(&self, plan: &Plan) -> Standing {
        match self.sending {
            Sending::Open => Standing::open(self.link.cost(), plan),
            Sending::Ending | Sending::Ended => Standing::Closed,
        }
    }

    /// Whether there may be data for which there is room, other peers aside.
    pub(crate) fn wants_reading(&self, plan: &Plan) -> bool {
        let echo_fits = !plan.echo || self.link.cost() < plan.queue_size;
        self.is_readable() && echo_fits
    }

    /// Whether it has sent data that was not read in its turn, because standard output is blocked.
    fn is_held_up(&self, plan: &Plan) -> Result<bool, Stop> {
        if !self.wants_reading(plan) {
            return Ok(false);
        }
        let unread = wait(&[(self.link.as_fd(), PollFlags::POLLIN)], Some(Instant::now()))?;
        Ok(unread.iter().any(|ready| ready.contains(PollFlags::POLLIN)))
    }

    /// Returns when it exceeds a time limit, and its state then.
    pub(crate) fn deadline(&mut self, plan: &Plan) -> Result<Option<(Instant, Fate)>, Stop> {
        if self.is_held_up(plan)? {
            // The time during which it waits for this process does not count.
            self.link.moved = Instant::now();
            self.half_closed = self.half_closed.map(|_| self.link.moved);
            self.unfinished = self.unfinished.map(|(begin, _)| (begin, self.link.moved));
        }
        let idle = plan.idle_timeout.map(|idle| (self.link.moved + idle, Fate::Idle));
        let since = self.half_closed.filter(|_| self.link.is_drained());
        let linger =
            plan.linger.zip(since).map(|(linger, since)| (since + linger, self.inbound.fate));
        let record = self.record_deadline(plan).map(|end| (end, Fate::Unfinished));
        Ok(idle.into_iter().chain(linger).chain(record).min())
    }

    /// Whether it sends no more.
    pub(crate) fn has_ended(&self) -> bool {
        self.inbound.receiving == Receiving::Ended
    }

    /// Whether there may be data to read.
    pub(crate) fn is_readable(&self) -> bool {
        matches!(self.inbound.receiving, Receiving::Readable | Receiving::Unfinished(_))
    }

    /// Whether one direction has ended.
    pub(crate) fn is_half_closed(&self) -> bool {
        self.half_closed.is_some()
    }

    /// Queues the records to echo.
    fn echo(&mut self, sink: &mut Sink<'_>) {
        if !sink.plan.echo {
            return;
        }
        for echo in self.inbound.intake.echo.take() {
            if self.link.is_shared() {
                // A peer that does not read must not keep the others from being read.
                let is_full = self.standing(sink.plan) == Standing::Full;
                let is_left = is_full && sink.plan.queue_full != QueueFull::Block;
                self.push(echo.chunk, is_left, sink);
            } else if self.sending == Sending::Open {
                self.link.push(echo.chunk);
            }
        }
    }

    /// Queues records, unless it accepts none or `is_left` says to drop them.
    pub(crate) fn push(&mut self, chunk: Chunk, is_left: bool, sink: &mut Sink<'_>) {
        let (facts, is_shared) = (&self.link.facts, self.link.is_shared());
        if self.sending != Sending::Open {
            let why = if is_shared { "has no name" } else { "takes no more" };
            sink.lose_unsent(chunk.records, facts, why);
        } else if !is_left {
            self.link.push(chunk);
        } else if sink.plan.queue_full == QueueFull::Close {
            let records = self.link.abandon() + chunk.records;
            let lost = Count(records, "record");
            let what = match is_shared {
                true => format!("forgotten with {lost}"),
                false => format!("connection closed, {lost} not sent"),
            };
            sink.lose_slow(records, &self.link.facts, what);
            self.sending = Sending::Ended;
            self.inbound.receiving = Receiving::Ended;
        } else {
            let lost = Count(chunk.records, "record");
            sink.lose_slow(chunk.records, facts, format_args!("{lost} dropped"));
        }
    }

    /// Writes what the peer accepts, then ends writing if that is due.
    pub(crate) fn write(&mut self, sink: &mut Sink<'_>) {
        let flushed = self.link.flush(|facts, len| {
            sink.lose(
                facts,
                format_args!("a record of {len} bytes does not fit a packet, dropped"),
            );
        });
        if let Err(error) = flushed {
            return self.fail(sink, &error);
        }
        if self.sending == Sending::Ending && self.link.is_drained() {
            self.sending = Sending::Ended;
            self.half_closed = Some(Instant::now());
            self.link.end();
        }
    }

    /// Handles a write error. The peer may have sent something before it went.
    pub(crate) fn fail(&mut self, sink: &mut Sink<'_>, error: &io::Error) {
        let is_reset = error.kind() == io::ErrorKind::ConnectionReset;
        self.inbound.worsen(if is_reset { Fate::Reset } else { Fate::HungUp });
        if sink.plan.kind == Kind::Dgram {
            // There is no connection whose end could be read.
            report::note(format_args!("{}: {}", self.link.facts, error.cause()));
            self.inbound.receiving = Receiving::Ended;
        } else {
            self.inbound.wake();
        }
        if sink.plan.server().is_some() {
            self.sending = Sending::Ended;
            let records = self.link.abandon();
            sink.lose_unsent(records, &self.link.facts, error.cause());
        } else {
            self.link.writable = false;
        }
    }
}

#[cfg(test)]
mod tests;
