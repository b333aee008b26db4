// SPDX-License-Identifier: MIT OR Apache-2.0
//! One connection: who is at the other end, what has arrived of its next record, and which of its
//! two directions are still open.

use std::io;
use std::time::Instant;

use heka_core::report::{self, Cause as _, Stop, stats};
use heka_core::wire::{Field, More};
use nix::sys::socket::{getsockopt, sockopt};
use socket2::Socket;

use crate::audience::Standing;
use crate::envelope::{Envelope, put_string};
use crate::framing::{Found, Splitter};
use crate::link::{Link, Received};
use crate::packets::{self, Packet};
use crate::plan::Plan;
use crate::queue::Chunk;
use crate::sink::Sink;

/// Up to so much of an unfinished record is kept in memory of its own size; a longer one keeps the
/// buffer that it arrived in.
const SMALL: usize = 64 * 1024;

/// What is known of a peer.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// Its number: 0 for the first.
    pub(crate) number: u64,
    /// The socket, as it was asked for.
    pub(crate) path: String,
    /// Whether we serve it.
    pub(crate) is_server: bool,
    /// Process that connected (or listens).
    pub(crate) pid: Option<i32>,
    /// Its effective user.
    pub(crate) uid: Option<u32>,
    /// Its effective group.
    pub(crate) gid: Option<u32>,
}

impl Facts {
    /// Asks the system who is at the other end.
    pub(crate) fn of(socket: &Socket, number: u64, path: String, is_server: bool) -> Self {
        let credentials = getsockopt(socket, sockopt::PeerCredentials).ok();
        Self {
            number,
            path,
            is_server,
            pid: credentials.map(|credentials| credentials.pid()),
            uid: credentials.map(|credentials| credentials.uid()),
            gid: credentials.map(|credentials| credentials.gid()),
        }
    }

    /// The object that goes with each record, up to its data.
    pub(crate) fn to_json(&self) -> String {
        let mut path = Vec::new();
        put_string(&mut path, &self.path);
        let path = String::from_utf8(path).unwrap_or_default();
        let mut text = if self.is_server {
            format!("{{\"unix_socket_server\":{{\"path\":{path},\"peer\":{}", self.number)
        } else {
            format!("{{\"unix_socket_client\":{{\"peer\":{path}")
        };
        for (name, value) in self.numbers() {
            text += &format!(",\"{name}\":{value}");
        }
        text + "},"
    }

    /// The same as Fields of a message.
    pub(crate) fn to_fields(&self) -> Vec<Field> {
        let number = i64::try_from(self.number).unwrap_or(i64::MAX);
        let mut fields =
            vec![Field::string("path", self.path.clone()), Field::integer("peer", number)];
        fields.extend(self.numbers().map(|(name, value)| Field::integer(name, value)));
        fields
    }

    /// Process, user and group, as far as they are known.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = (&'static str, i64)> {
        [
            ("pid", self.pid.map(i64::from)),
            ("uid", self.uid.map(i64::from)),
            ("gid", self.gid.map(i64::from)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }
}

impl std::fmt::Display for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_server { write!(f, "peer {}", self.number) } else { f.write_str(&self.path) }
    }
}

/// State of the direction towards the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    /// Records go out.
    Open,
    /// What is queued goes out, then the end.
    Ending,
    /// The peer has been told that nothing follows, or takes nothing any more.
    Ended,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) facts: Facts,
    pub(crate) link: Link,
    envelope: Envelope,
    pub(crate) splitter: Splitter,
    /// What has arrived of an unfinished record.
    pub(crate) partial: Vec<u8>,
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
            splitter: Splitter::new(plan.wire, plan.max_record),
            partial: Vec::new(),
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

    /// Reads once and hands over the records that are whole then. `scratch` is lent for the time
    /// of the call; it holds [`scratch_len`] bytes.
    pub(crate) fn read(&mut self, sink: &mut Sink<'_>, scratch: &mut [u8]) -> Result<(), Stop> {
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
        front.copy_from_slice(&self.partial);
        let Some(len) = self.receive(room, sink)? else { return Ok(()) };
        let data = scratch.get(..kept + len).unwrap_or_default();
        let done = self.split(data, More::Coming, sink)?;
        self.partial.clear();
        self.partial.extend_from_slice(data.get(done..).unwrap_or_default());
        if self.partial.is_empty() && self.partial.capacity() > 0 {
            self.partial = Vec::new();
        }
        Ok(())
    }

    /// The same for a record that is long already: it stays where it is, and grows there.
    fn read_long(&mut self, sink: &mut Sink<'_>) -> Result<(), Stop> {
        let kept = self.partial.len();
        self.partial.resize(kept + sink.plan.read_size, 0);
        let received = self.link.receive(self.partial.get_mut(kept..).unwrap_or_default());
        let len = match received {
            Ok(Received::Bytes(len)) => len,
            _ => 0,
        };
        self.partial.truncate(kept + len);
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
            self.split(slot.get(..len).unwrap_or_default(), More::Ended, sink)?;
        }
        Ok(())
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

    /// The peer sends no more, or is not listened to any more: its last record needs no delimiter.
    pub(crate) fn end(&mut self, sink: &mut Sink<'_>) -> Result<(), Stop> {
        self.split_partial(More::Ended, sink)?;
        self.partial = Vec::new();
        self.receiving = false;
        self.readable = false;
        self.half_closed.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Hands over what can be of the unfinished record, given what follows it.
    fn split_partial(&mut self, more: More, sink: &mut Sink<'_>) -> Result<(), Stop> {
        if self.partial.is_empty() {
            return Ok(());
        }
        let mut partial = std::mem::take(&mut self.partial);
        let done = self.split(&partial, more, sink)?;
        partial.drain(..done);
        if partial.len() <= SMALL {
            partial.shrink_to_fit();
        }
        self.partial = partial;
        Ok(())
    }

    /// Hands over the whole records of `data`; tells how much of it is done with.
    fn split(&mut self, data: &[u8], more: More, sink: &mut Sink<'_>) -> Result<usize, Stop> {
        if sink.plan.copies_through
            && let Some(done) = self.splitter.whole(data)
        {
            let records = data.get(..done).unwrap_or_default();
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
        let mut at = 0;
        let mut echo = (Vec::new(), 0);
        let mut empty = sink.plan.wire.empty_packet(data).filter(|_| self.link.has_packets());
        loop {
            let rest = data.get(at..).unwrap_or_default();
            match empty.take().unwrap_or_else(|| self.splitter.next(rest, more)) {
                Found::Record(done, record) => {
                    at += done;
                    if let Some(record) = sink.receive(&self.facts, &mut self.envelope, record)?
                        && sink.plan.echo
                        && sink.encode(&mut echo.0, &record)
                    {
                        echo.1 += 1;
                        if self.link.has_packets() {
                            let (bytes, records) = std::mem::take(&mut echo);
                            self.echo(bytes, records, sink);
                        }
                    }
                }
                Found::Lost(done, cause) => {
                    at += done;
                    sink.lose(&self.facts, cause);
                }
                Found::Broken(cause) => {
                    sink.lose(&self.facts, format_args!("{cause}; connection closed"));
                    self.receiving = false;
                    self.hung_up = true;
                    at = data.len();
                    break;
                }
                Found::Partial(done) => {
                    at += done;
                    break;
                }
            }
        }
        self.echo(echo.0, echo.1, sink);
        Ok(at)
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
