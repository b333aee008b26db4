// SPDX-License-Identifier: MIT OR Apache-2.0
//! The direction from a peer: reading, in the way that suits what comes.

use std::io;
use std::time::Instant;

use heka_core::net::Ready;
use heka_core::record::{More, Unread};
use heka_core::report::{self, Cause as _, Stop};

use crate::bulk;
use crate::facts::Facts;
use crate::intake::{Intake, Rest};
use crate::link::{Link, Received};
use crate::packets::{self, Packet};
use crate::plan::Plan;
use crate::sink::Sink;

/// Up to this much of an unfinished record is kept in memory of its own size; a longer one keeps
/// the buffer that it arrived in.
const SMALL: usize = 64 * 1024;

/// State of the direction from the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receiving {
    /// There is nothing to read.
    Quiet,
    /// There may be something. (Set by the kernel's edges, cleared by a read in vain.)
    Readable,
    /// Not all records were handed over that are there; what follows them.
    Unfinished(More),
    /// The peer sends no more.
    Ended,
}

/// What is worst of what has happened to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    /// Nothing.
    Connected,
    /// The peer is gone altogether.
    HungUp,
    /// It went with something unread.
    Reset,
    /// Nothing moved for too long.
    Idle,
    /// It did not finish a record in time.
    Unfinished,
    /// It did not go on with a record that others waited for.
    Slow,
}

/// What comes from a peer.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) intake: Intake,
    pub(crate) receiving: Receiving,
    pub(crate) fate: Fate,
    /// How often to look for bulk before the next large read, or for packets before waiting.
    tries: u8,
}

impl Inbound {
    /// From a peer that may have sent something.
    pub(crate) fn new(facts: &Facts, receiving: Receiving, plan: &Plan) -> Self {
        Self { intake: Intake::new(facts, plan), receiving, fate: Fate::Connected, tries: 0 }
    }

    /// Takes note of an event.
    pub(crate) fn note_event(&mut self, ready: Ready) {
        if ready.read {
            self.wake();
        }
        if ready.hung_up {
            self.worsen(Fate::HungUp);
        }
    }

    /// There may be something to read.
    pub(crate) fn wake(&mut self) {
        if self.receiving == Receiving::Quiet {
            self.receiving = Receiving::Readable;
        }
    }

    /// Something has happened to the connection.
    pub(crate) fn worsen(&mut self, fate: Fate) {
        self.fate = self.fate.max(fate);
    }

    /// Has its turn: reads once and hands over the records that are whole then, or those that the
    /// last turn left. `scratch` is lent for the time of the call; it holds [`scratch_len`] bytes.
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

    /// The same for a record that is long already: it stays where it is, and grows there.
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

    /// The same for packets, of which each ends its last record.
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
                // It is reported once, and before the packets that came first.
                self.note_reset(link, &error);
                return Ok(());
            }
        };
        self.expect_packets(packets.len());
        let has_ended = match link.has_ended(&packets, scratch.len() / size) {
            Ok(has_ended) => has_ended || (packets.is_empty() && self.fate == Fate::Reset),
            Err(error) => {
                self.note_reset(link, &error);
                true
            }
        };
        // After the end the system gives empty packets forever.
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

    /// Takes a packet that has been read to `slot` at that time.
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
            sink.lose(&link.facts, format_args!("{what} cut to {len} bytes (--buf-size)"));
        }
        let data = slot.get(..len).unwrap_or_default();
        let rest = self.intake.split_packet(&link.facts, data, sink)?;
        self.settle(rest, More::Coming);
        Ok(())
    }

    /// Lets the whole records that wait pass to standard output, if they are many; `false` if they
    /// are to be read instead.
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
        // From here on the stretch has to come to its end, whatever way it takes.
        sink.put_all(std::mem::take(&mut self.intake.partial).data())?;
        let passed = sink.carry(&link.facts, link, len - 1)?;
        link.count_in(passed, Instant::now());
        self.intake.progress.pass(len);
        self.expect_bulk(passed, sink.plan);
        self.read_rest(link, len - passed, sink, scratch)?;
        Ok(true)
    }

    /// Reads the `left` bytes that end a stretch. What was carried a peer can still change, and out
    /// of band bytes make it shorter than it seemed: the end of its last record is ours, so that
    /// no other peer's record is touched.
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
            // They are there: nobody else takes them.
            let Some(len) = self.receive(link, room, sink)? else { break };
            let bytes = scratch.get(..len).unwrap_or_default();
            sink.put_all(bytes)?;
            last = bytes.last().copied();
            left -= len;
        }
        bulk::end_record(last, sink)
    }

    /// So many have come at once: there may be more right away.
    fn expect_packets(&mut self, count: usize) {
        match count {
            0 if self.tries == 0 => self.receiving = Receiving::Quiet,
            0 => {
                self.tries -= 1;
                std::thread::yield_now();
            }
            packets::MANY.. => self.tries = packets::LOOKS,
            _ => {}
        }
    }

    /// So much has come at once: there may be more like that.
    fn expect_bulk(&mut self, len: usize, plan: &Plan) {
        if plan.receives_bulk && len >= bulk::BULK {
            self.tries = bulk::TRIES;
        }
    }

    /// Reads into `room`; `None` if nothing came. At the end the unfinished record is handed over.
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

    /// Takes note of what a read gave: bytes that are the caller's, or none, and then what has
    /// arrived of a record is all that there is for now, or forever.
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

    /// The peer sends no more: its last record needs no delimiter.
    fn end(&mut self, link: &mut Link, sink: &mut Sink<'_>) -> Result<(), Stop> {
        self.split_partial(link, More::Ended, sink)?;
        if !matches!(self.receiving, Receiving::Unfinished(_)) {
            self.intake.partial = Unread::default();
            self.receiving = Receiving::Ended;
        }
        Ok(())
    }

    /// It is no longer read, and has no other turn.
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

    /// Hands over what can be of the unfinished record, given what follows it.
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

    /// Some records have been handed over, and `more` follows them.
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

/// How long the buffer must be that [`Inbound::read`] is lent.
pub(crate) fn scratch_len(plan: &Plan) -> usize {
    if plan.has_packets() { packets::room(plan) } else { SMALL + plan.read_size }
}
