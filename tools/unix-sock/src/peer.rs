// SPDX-License-Identifier: MIT OR Apache-2.0
//! One connection: who is at the other end, what has arrived of its next record, and which of its
//! two directions are still open.

use std::io;
use std::time::Instant;

use heka_core::record::Unread;
use heka_core::report::{self, Cause as _, Stop, stats};
use socket2::Socket;

use crate::audience::Standing;
use crate::envelope::Envelope;
use crate::facts::Facts;
use crate::framing::is_empty_record;
use crate::link::{Link, Received};
use crate::packets::{self, Packet};
use crate::plan::Plan;
use crate::queue::Chunk;
use crate::sink::Sink;
use heka_core::record::{Found, More, Progress};

/// Up to so much of an unfinished record is kept in memory of its own size; a longer one keeps the
/// buffer that it arrived in.
const SMALL: usize = 64 * 1024;

/// State of the direction towards the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    /// Records go out.
    Open,
    /// What is queued goes out, then the end.
    Ending,
    /// The peer has been told that nothing follows, or no longer takes anything.
    Ended,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) facts: Facts,
    pub(crate) link: Link,
    envelope: Envelope,
    pub(crate) progress: Progress,
    /// What has arrived of an unfinished record, or records that wait for another turn.
    pub(crate) partial: Unread,
    /// Not all records were handed over that are there; what follows them.
    unfinished: Option<More>,
    /// There may be something to read. (Set by the kernel's edges, cleared by a read in vain.)
    pub(crate) readable: bool,
    /// A write may succeed. Likewise.
    pub(crate) writable: bool,
    /// The peer may send more.
    pub(crate) receiving: bool,
    pub(crate) sending: Sending,
    /// The peer is gone altogether.
    pub(crate) hung_up: bool,
    /// The connection broke with something unread at the peer.
    pub(crate) was_reset: bool,
    /// It ended because nothing moved on it.
    pub(crate) is_idle: bool,
    /// How often to look for bulk before the next large read.
    pub(crate) tries: u8,
    /// When a byte moved last.
    pub(crate) moved: Instant,
    /// When one direction ended.
    pub(crate) half_closed: Option<Instant>,
}

impl Peer {
    /// Takes over a connected, non-blocking socket.
    pub(crate) fn new(socket: Socket, facts: Facts, plan: &Plan) -> Self {
        Self {
            envelope: Envelope::new(plan.form, &facts),
            facts,
            link: Link::new(socket, plan.has_packets()),
            progress: Progress::default(),
            partial: Unread::default(),
            unfinished: None,
            readable: true,
            writable: true,
            receiving: true,
            sending: Sending::Open,
            hung_up: false,
            was_reset: false,
            is_idle: false,
            tries: 0,
            moved: Instant::now(),
            half_closed: None,
        }
    }

    /// Whether its last turn was not enough.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.unfinished.is_some()
    }

    /// Whether nothing can happen on it any more.
    pub(crate) fn is_over(&self) -> bool {
        !self.receiving && (self.sending == Sending::Ended || self.hung_up)
    }

    /// What can be sent to it.
    pub(crate) fn standing(&self, plan: &Plan) -> Standing {
        match self.sending {
            Sending::Open => Standing::open(self.link.cost(), plan),
            Sending::Ending | Sending::Ended => Standing::Closed,
        }
    }

    /// Has its turn: reads once and hands over the records that are whole then, or those that the
    /// last turn left. `scratch` is lent for the time of the call; it holds [`scratch_len`] bytes.
    pub(crate) fn read(&mut self, sink: &mut Sink<'_>, scratch: &mut [u8]) -> Result<(), Stop> {
        sink.turn.begin();
        match self.unfinished.take() {
            Some(More::Ended) => return self.end(sink),
            Some(more) => return self.split_partial(more, sink),
            None => {}
        }
        if self.link.has_packets() {
            return self.read_packets(sink, scratch);
        }
        if self.partial.len() > SMALL {
            return self.read_long(sink);
        }
        if self.pass_bulk(sink, scratch)? {
            return Ok(());
        }
        let kept = self.partial.len();
        let Some((front, room)) = scratch.split_at_mut_checked(kept) else { return Ok(()) };
        front.copy_from_slice(self.partial.data());
        let Some(len) = self.receive(room, sink)? else { return Ok(()) };
        let data = scratch.get(..kept + len).unwrap_or_default();
        let done = self.split(data, More::Coming, sink)?;
        self.partial.set(data.get(done..).unwrap_or_default());
        Ok(())
    }

    /// The same for a record that is long already: it stays where it is, and grows there.
    fn read_long(&mut self, sink: &mut Sink<'_>) -> Result<(), Stop> {
        let (link, mut received) = (&mut self.link, Ok(Received::Nothing));
        self.partial.extend_with(sink.plan.read_size, |room| {
            received = link.receive(room);
            match received {
                Ok(Received::Bytes(len)) => len,
                _ => 0,
            }
        });
        if self.note(received, sink)?.is_some() {
            self.split_partial(More::Coming, sink)?;
        }
        Ok(())
    }

    /// The same for packets, of which each ends its last record.
    fn read_packets(&mut self, sink: &mut Sink<'_>, scratch: &mut [u8]) -> Result<(), Stop> {
        let size = sink.plan.read_size;
        let packets = match self.link.receive_packets(scratch, size) {
            Ok(packets) => packets,
            Err(error) if self.was_reset => return self.broken(&error, sink),
            Err(error) => {
                // It is told once, and before the packets that came first.
                self.note_reset(&error);
                return Ok(());
            }
        };
        self.readable = !packets.is_empty();
        let has_ended = match self.link.has_ended(&packets, scratch.len() / size) {
            Ok(has_ended) => has_ended || (packets.is_empty() && self.was_reset),
            Err(error) => {
                self.note_reset(&error);
                true
            }
        };
        // After the end the system gives empty packets for ever.
        let real = packets.iter().rposition(|packet| !has_ended || packet.len > 0);
        if real.is_none() && has_ended {
            return self.end(sink);
        }
        let packets = packets.into_iter().take(real.map_or(0, |last| last + 1));
        for (Packet { len, is_cut }, slot) in packets.zip(scratch.chunks(size)) {
            self.count(len);
            if is_cut {
                sink.lose(&self.facts, format_args!("packet cut to {len} bytes (--buf-size)"));
            }
            self.split_packet(slot.get(..len).unwrap_or_default(), sink)?;
        }
        Ok(())
    }

    /// Hands over the records of a packet, which is not kept for another turn.
    fn split_packet(&mut self, mut packet: &[u8], sink: &mut Sink<'_>) -> Result<(), Stop> {
        loop {
            let done = self.split(packet, More::Ended, sink)?;
            if self.unfinished.take().is_none() {
                return Ok(());
            }
            packet = packet.get(done..).unwrap_or_default();
            sink.turn.begin();
        }
    }

    /// Something has come.
    pub(crate) fn count(&mut self, len: usize) {
        self.moved = Instant::now();
        stats::BYTES_IN.add(len as u64);
    }

    /// Reads into `room`; `None` if nothing came. At the end the unfinished record is handed over.
    pub(crate) fn receive(
        &mut self,
        room: &mut [u8],
        sink: &mut Sink<'_>,
    ) -> Result<Option<usize>, Stop> {
        let most = room.len().min(sink.plan.read_size);
        let received = self.link.receive(room.get_mut(..most).unwrap_or_default());
        self.note(received, sink)
    }

    /// Takes note of what a read gave: bytes that are the caller's, or none, and then what has
    /// arrived of a record is all that there is for now, or for ever.
    fn note(
        &mut self,
        received: io::Result<Received>,
        sink: &mut Sink<'_>,
    ) -> Result<Option<usize>, Stop> {
        match received {
            Ok(Received::Bytes(len)) => {
                self.count(len);
                self.expect_bulk(len, sink.plan);
                return Ok(Some(len));
            }
            Ok(Received::Nothing) => {
                self.readable = false;
                self.split_partial(More::Idle, sink)?;
            }
            Ok(Received::End) => self.end(sink)?,
            Err(error) => self.broken(&error, sink)?,
        }
        Ok(None)
    }

    fn broken(&mut self, error: &io::Error, sink: &mut Sink<'_>) -> Result<(), Stop> {
        self.note_reset(error);
        self.end(sink)
    }

    fn note_reset(&mut self, error: &io::Error) {
        self.was_reset = true;
        self.hung_up = true;
        report::note(format_args!("{}: {}", self.facts, error.cause()));
    }

    /// The peer sends no more: its last record needs no delimiter.
    fn end(&mut self, sink: &mut Sink<'_>) -> Result<(), Stop> {
        self.split_partial(More::Ended, sink)?;
        if self.unfinished.is_none() {
            self.partial = Unread::default();
            self.receiving = false;
            self.readable = false;
            self.half_closed.get_or_insert_with(Instant::now);
        }
        Ok(())
    }

    /// It is not listened to any more, and has no other turn.
    pub(crate) fn end_now(&mut self, sink: &mut Sink<'_>) -> Result<(), Stop> {
        loop {
            sink.turn.begin();
            self.end(sink)?;
            if self.unfinished.take().is_none() {
                return Ok(());
            }
        }
    }

    /// Hands over what can be of the unfinished record, given what follows it.
    fn split_partial(&mut self, more: More, sink: &mut Sink<'_>) -> Result<(), Stop> {
        if self.partial.is_empty() {
            return Ok(());
        }
        let partial = std::mem::take(&mut self.partial);
        let done = self.split(partial.data(), more, sink)?;
        self.partial = partial;
        self.partial.consume(done);
        Ok(())
    }

    /// Hands over the whole records of `data`; tells how much of it is done with.
    fn split(&mut self, data: &[u8], more: More, sink: &mut Sink<'_>) -> Result<usize, Stop> {
        let splitter = &sink.plan.wire_splitter;
        if sink.plan.copies_through
            && let Some(records) = splitter.records(data, &mut self.progress, more).whole()
        {
            let done = records.len();
            sink.turn.spend_record(done);
            sink.receive_all(&self.facts, records)?;
            if sink.plan.echo && self.sending == Sending::Open && done > 0 {
                self.link.push(Chunk::of(records, sink.plan.wire));
            }
            if more != More::Ended {
                return Ok(done);
            }
            let rest = data.get(done..).unwrap_or_default();
            return Ok(done + self.split_each(rest, more, sink)?);
        }
        self.split_each(data, more, sink)
    }

    fn split_each(&mut self, data: &[u8], more: More, sink: &mut Sink<'_>) -> Result<usize, Stop> {
        let mut echo = (Vec::new(), 0);
        if self.link.has_packets() && is_empty_record(sink.plan.wire, data) {
            self.take(&[], &mut echo, sink)?;
        }
        let mut progress = std::mem::take(&mut self.progress);
        let mut records = sink.plan.wire_splitter.records(data, &mut progress, more);
        let mut is_broken = false;
        while let Some(found) = records.next_within(&mut sink.turn) {
            match found {
                Found::Record(record) => self.take(record.text, &mut echo, sink)?,
                Found::Frame(frame) => self.take(frame.bytes, &mut echo, sink)?,
                Found::Damage(damage) if damage.is_final() => {
                    sink.lose(&self.facts, format_args!("{damage}; connection closed"));
                    is_broken = true;
                }
                Found::Damage(damage) => sink.lose(&self.facts, damage),
            }
        }
        let at = records.done();
        self.progress = progress;
        if is_broken {
            self.receiving = false;
            self.hung_up = true;
        } else if sink.turn.is_over() {
            self.unfinished = Some(more);
            // Without a word of the system there is something to do.
            self.readable = true;
        }
        self.echo(echo.0, echo.1, sink);
        Ok(if is_broken { data.len() } else { at })
    }

    /// Hands over a record, and gathers what is sent back.
    fn take(
        &mut self,
        record: &[u8],
        echo: &mut (Vec<u8>, u64),
        sink: &mut Sink<'_>,
    ) -> Result<(), Stop> {
        if let Some(record) = sink.receive(&self.facts, &mut self.envelope, record)?
            && sink.plan.echo
            && sink.encode(&mut echo.0, &record)
        {
            echo.1 += 1;
            if self.link.has_packets() {
                let (bytes, records) = std::mem::take(echo);
                self.echo(bytes, records, sink);
            }
        }
        Ok(())
    }

    fn echo(&mut self, bytes: Vec<u8>, records: u64, sink: &Sink<'_>) {
        if sink.plan.echo && records > 0 && self.sending == Sending::Open {
            self.link.push(Chunk { bytes: bytes.into(), records });
        }
    }
}

/// How long the buffer must be that [`Peer::read`] is lent.
pub(crate) fn scratch_len(plan: &Plan) -> usize {
    if plan.has_packets() { packets::room(plan) } else { SMALL + plan.read_size }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn what_takes_long_to_read_takes_many_turns() {
        let args = ["unix-sock", "--listen", "s", "--framing=heka", "--send-only"];
        let plan = Cli::parse_from(args).plan().unwrap();
        let mut sink = Sink::open(&plan).unwrap();
        let (mut near, far) = UnixStream::pair().unwrap();
        far.set_nonblocking(true).unwrap();
        let far = Socket::from(far);
        let facts = Facts::of(&far, 0, "s".to_owned(), true);
        let mut peer = Peer::new(far, facts, &plan);
        let mut scratch = vec![0; scratch_len(&plan)];
        // Headers in each other's messages, all of them longer than what comes.
        let headers = b"\x7a\x07\x1e\x04\x08\xc0\x84\x3d\x1f".repeat(7000);
        near.write_all(&headers[2..]).unwrap();
        for _ in 0..8 {
            peer.read(&mut sink, &mut scratch).unwrap();
            near.write_all(&headers).unwrap();
        }
        drop(near);
        let mut turns = 0;
        while peer.receiving {
            assert!(peer.readable);
            peer.read(&mut sink, &mut scratch).unwrap();
            turns += u32::from(peer.is_unfinished());
        }
        assert!(turns > 2, "{turns}");
        assert!(peer.partial.is_empty());
    }
}
