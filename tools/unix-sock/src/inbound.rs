// SPDX-License-Identifier: MIT OR Apache-2.0
//! The direction from a peer: reading, in the way that suits the data.

use std::io;
use std::time::Instant;

use heka_core::net::Ready;
use heka_core::record::{More, Unread};
use heka_core::report::{self, Cause as _, Stop};
use nix::poll::PollFlags;

use crate::bulk;
use crate::facts::Facts;
use crate::intake::{Intake, Rest};
use crate::link::{Link, Received};
use crate::looks::Looks;
use crate::packets::{self, Packet};
use crate::plan::Plan;
use crate::sink::Sink;

/// An unfinished record of up to this size is kept in a buffer of its own size; a longer one stays
/// in the buffer in which it arrived.
const SMALL: usize = 64 * 1024;

/// State of the direction from the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receiving {
    /// There is nothing to read.
    Quiet,
    /// There may be data. (Set by the kernel's edges, cleared by a read that would block.)
    Readable,
    /// Not all available records have been forwarded; holds what follows them.
    Unfinished(More),
    /// The peer sends no more.
    Ended,
}

/// The state of a connection, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    /// Connected.
    Connected,
    /// The peer has closed both directions.
    HungUp,
    /// The peer has closed it without reading everything.
    Reset,
    /// It exceeded the idle timeout.
    Idle,
    /// It did not finish a record in time.
    Unfinished,
    /// It did not continue a record that others waited for.
    Slow,
}

/// The data from a peer.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) intake: Intake,
    pub(crate) receiving: Receiving,
    pub(crate) fate: Fate,
    /// Number of attempts to find bulk data before the next large read.
    tries: u8,
    looks: Looks,
}

impl Inbound {
    /// Creates the state for a peer that may have sent something.
    pub(crate) fn new(facts: &Facts, receiving: Receiving, plan: &Plan) -> Self {
        let (intake, looks) = (Intake::new(facts, plan), Looks::default());
        Self { intake, receiving, fate: Fate::Connected, tries: 0, looks }
    }

    /// Handles an event.
    pub(crate) fn note_event(&mut self, ready: Ready) {
        if ready.read {
            self.wake();
        }
        if ready.hung_up {
            self.worsen(Fate::HungUp);
        }
    }

    /// Notes that there may be data.
    pub(crate) fn wake(&mut self) {
        if self.receiving == Receiving::Quiet {
            self.receiving = Receiving::Readable;
        }
    }

    /// Notes a worse state of the connection.
    pub(crate) fn worsen(&mut self, fate: Fate) {
        self.fate = self.fate.max(fate);
    }

    /// Takes its turn: reads once and forwards the complete records, or those that the last turn
    /// left. `scratch` is lent for the call and has [`scratch_len`] bytes.
    pub(crate) fn read(
        &mut self,
        link: &mut Link,
        sink: &mut Sink<'_>,
        scratch: &mut [u8],
    ) -> Result<(), Stop> {
        sink.turn.begin();
        if let Receiving::Unfinished(more) = self.receiving {
            self.receiving = Receiving::Readable;
            return match more {
                More::Ended => self.end(link, sink),
                more => self.split_partial(link, more, sink),
            };
        }
        if link.has_packets() {
            return self.read_packets(link, sink, scratch);
        }
        if self.intake.partial.len() > SMALL {
            return self.read_long(link, sink);
        }
        if self.pass_bulk(link, sink, scratch)? {
            return Ok(());
        }
        let kept = self.intake.partial.len();
        let Some((front, room)) = scratch.split_at_mut_checked(kept) else { return Ok(()) };
        front.copy_from_slice(self.intake.partial.data());
        let Some(len) = self.receive(link, room, sink)? else { return Ok(()) };
        let data = scratch.get(..kept + len).unwrap_or_default();
        let split = self.intake.split(&link.facts, data, More::Coming, sink)?;
        self.intake.partial.set(data.get(split.done..).unwrap_or_default());
        self.settle(split.rest, More::Coming);
        Ok(())
    }

    /// Reads a record that is long already, in its own buffer, which grows.
    fn read_long(&mut self, link: &mut Link, sink: &mut Sink<'_>) -> Result<(), Stop> {
        let mut received = Ok(Received::Nothing);
        self.intake.partial.extend_with(sink.plan.read_size, |room| {
            received = link.receive(room);
            match received {
                Ok(Received::Bytes(len)) => len,
                _ => 0,
            }
        });
        if self.note(link, received, sink)?.is_some() {
            self.split_partial(link, More::Coming, sink)?;
        }
        Ok(())
    }

    /// Reads packets, each of which ends its last record.
    fn read_packets(
        &mut self,
        link: &mut Link,
        sink: &mut Sink<'_>,
        scratch: &mut [u8],
    ) -> Result<(), Stop> {
        let size = sink.plan.read_size;
        let packets = match link.receive_packets(scratch, size) {
            Ok(packets) => packets,
            Err(error) if self.fate == Fate::Reset => return self.broken(link, &error, sink),
            Err(error) => {
                // It is reported only once, and before the packets that came first.
                self.note_reset(link, &error);
                return Ok(());
            }
        };
        self.expect_packets(packets.len(), link);
        let has_ended = match link.has_ended(&packets, scratch.len() / size) {
            Ok(has_ended) => has_ended || (packets.is_empty() && self.fate == Fate::Reset),
            Err(error) => {
                self.note_reset(link, &error);
                true
            }
        };
        // After the end, the system returns empty packets forever.
        let real = packets.iter().rposition(|packet| !has_ended || packet.len > 0);
        if real.is_none() && has_ended {
            return self.end(link, sink);
        }
        let packets = packets.into_iter().take(real.map_or(0, |last| last + 1));
        let now = Instant::now();
        for (packet, slot) in packets.zip(scratch.chunks(size)) {
            self.take_packet(link, packet, now, slot, sink)?;
        }
        Ok(())
    }

    /// Handles a packet that was read into `slot` at time `now`.
    pub(crate) fn take_packet(
        &mut self,
        link: &mut Link,
        packet: Packet,
        now: Instant,
        slot: &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<(), Stop> {
        let len = packet.len;
        link.count_in(len, now);
        if packet.is_cut {
            let what = if sink.plan.has_datagrams() { "datagram" } else { "packet" };
            sink.lose(
                &link.facts,
                format_args!("{what} longer than {len} bytes, truncated (--buf-size)"),
            );
        }
        let data = slot.get(..len).unwrap_or_default();
        let rest = self.intake.split_packet(&link.facts, data, sink)?;
        self.settle(rest, More::Coming);
        Ok(())
    }

    /// Moves the waiting whole records to standard output, if they are many; `false` if they must
    /// be read instead.
    fn pass_bulk(
        &mut self,
        link: &mut Link,
        sink: &mut Sink<'_>,
        scratch: &mut [u8],
    ) -> Result<bool, Stop> {
        if self.tries == 0 || self.intake.progress.is_skipping() || !sink.can_carry()? {
            return Ok(false);
        }
        self.tries -= 1;
        let kept = self.intake.partial.len();
        let Some(len) = bulk::whole_records(link, kept, sink.plan, scratch) else {
            return Ok(false);
        };
        // From here on the stretch must be completed, by whatever means.
        sink.put_all(std::mem::take(&mut self.intake.partial).data())?;
        let passed = sink.carry(&link.facts, link, len - 1)?;
        link.count_in(passed, Instant::now());
        self.intake.progress.pass(len);
        self.expect_bulk(passed, sink.plan);
        self.read_rest(link, len - passed, sink, scratch)?;
        Ok(true)
    }

    /// Reads the `left` bytes that end a stretch. The peer can still change moved data, and
    /// out-of-band bytes make it shorter than it seemed; the end of its last record is written by
    /// this process, so that no other peer's record is affected.
    fn read_rest(
        &mut self,
        link: &mut Link,
        mut left: usize,
        sink: &mut Sink<'_>,
        scratch: &mut [u8],
    ) -> Result<(), Stop> {
        let mut last = None;
        while left > 0 {
            let most = left.min(scratch.len());
            let room = scratch.get_mut(..most).unwrap_or_default();
            // The data is available: nobody else reads it.
            let Some(len) = self.receive(link, room, sink)? else { break };
            let bytes = scratch.get(..len).unwrap_or_default();
            sink.put_all(bytes)?;
            last = bytes.last().copied();
            left -= len;
        }
        bulk::end_record(last, sink)
    }

    /// Expects more packets soon after many have arrived at once.
    fn expect_packets(&mut self, count: usize, link: &Link) {
        match count {
            0 if self.looks.find(link, PollFlags::POLLIN) => {}
            0 => self.receiving = Receiving::Quiet,
            packets::MANY.. => self.looks.expect(),
            _ => {}
        }
    }

    /// Expects more bulk data after much has arrived at once.
    fn expect_bulk(&mut self, len: usize, plan: &Plan) {
        if plan.receives_bulk && len >= bulk::BULK {
            self.tries = bulk::TRIES;
        }
    }

    /// Reads into `room`; `None` if nothing arrived. At the end the unfinished record is forwarded.
    fn receive(
        &mut self,
        link: &mut Link,
        room: &mut [u8],
        sink: &mut Sink<'_>,
    ) -> Result<Option<usize>, Stop> {
        let most = room.len().min(sink.plan.read_size);
        let received = link.receive(room.get_mut(..most).unwrap_or_default());
        self.note(link, received, sink)
    }

    /// Handles the result of a read: bytes for the caller, or none, in which case the received part
    /// of a record is all there is for now, or forever.
    fn note(
        &mut self,
        link: &mut Link,
        received: io::Result<Received>,
        sink: &mut Sink<'_>,
    ) -> Result<Option<usize>, Stop> {
        match received {
            Ok(Received::Bytes(len)) => {
                link.count_in(len, Instant::now());
                self.expect_bulk(len, sink.plan);
                return Ok(Some(len));
            }
            Ok(Received::Nothing) => {
                self.receiving = Receiving::Quiet;
                self.split_partial(link, More::Idle, sink)?;
            }
            Ok(Received::End) => self.end(link, sink)?,
            Err(error) => self.broken(link, &error, sink)?,
        }
        Ok(None)
    }

    fn broken(
        &mut self,
        link: &mut Link,
        error: &io::Error,
        sink: &mut Sink<'_>,
    ) -> Result<(), Stop> {
        self.note_reset(link, error);
        self.end(link, sink)
    }

    fn note_reset(&mut self, link: &mut Link, error: &io::Error) {
        self.worsen(Fate::Reset);
        report::note(format_args!("{}: {}", link.facts, error.cause()));
    }

    /// Handles the end of the peer's data: its last record needs no delimiter.
    fn end(&mut self, link: &mut Link, sink: &mut Sink<'_>) -> Result<(), Stop> {
        self.split_partial(link, More::Ended, sink)?;
        if !matches!(self.receiving, Receiving::Unfinished(_)) {
            self.intake.partial = Unread::default();
            self.receiving = Receiving::Ended;
        }
        Ok(())
    }

    /// Ends reading, without another turn.
    pub(crate) fn end_now(&mut self, link: &mut Link, sink: &mut Sink<'_>) -> Result<(), Stop> {
        loop {
            sink.turn.begin();
            self.end(link, sink)?;
            if self.receiving == Receiving::Ended {
                return Ok(());
            }
            self.receiving = Receiving::Readable;
        }
    }

    /// Forwards what is possible of the unfinished record, given what follows it.
    fn split_partial(
        &mut self,
        link: &mut Link,
        more: More,
        sink: &mut Sink<'_>,
    ) -> Result<(), Stop> {
        let rest = self.intake.split_partial(&link.facts, more, sink)?;
        self.settle(rest, more);
        Ok(())
    }

    /// Updates the state after records were forwarded; `more` follows them.
    fn settle(&mut self, rest: Rest, more: More) {
        match rest {
            Rest::Kept => {}
            Rest::Unfinished => self.receiving = Receiving::Unfinished(more),
            Rest::Lost => {
                self.receiving = Receiving::Ended;
                self.worsen(Fate::HungUp);
            }
        }
    }
}

/// Returns the required size of the buffer lent to [`Inbound::read`].
pub(crate) fn scratch_len(plan: &Plan) -> usize {
    if plan.has_packets() { packets::room(plan) } else { SMALL + plan.read_size }
}
