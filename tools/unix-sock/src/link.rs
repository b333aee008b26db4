// SPDX-License-Identifier: MIT OR Apache-2.0
//! A connected socket with the queue of what is to be written to it. Nothing here blocks.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};

use bytes::Bytes;
use heka_core::report::stats;
use socket2::Socket;

use crate::framing::SideBySide as _;
use crate::packets::{self, Packet};
use crate::queue::{Chunk, Queue};
use heka_core::record::Framing;

/// How many chunks one write takes.
const MAX_SLICES: usize = 64;

/// A socket and its queue.
#[derive(Debug)]
pub(crate) struct Link {
    socket: Socket,
    /// Each write is a packet, each read is one.
    packets: bool,
    queue: Queue,
    /// How much of the first chunk is written.
    sent: usize,
}

/// What a read gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// So many bytes.
    Bytes(usize),
    /// Nothing right now.
    Nothing,
    /// The peer will send no more.
    End,
}

/// How a write went.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Nothing is left.
    All,
    /// The peer takes no more right now.
    Blocked,
    /// A packet of so many bytes is longer than the system sends; it was dropped.
    TooLong(usize),
}

impl Link {
    /// Takes over a connected, non-blocking socket.
    pub(crate) fn new(socket: Socket, packets: bool) -> Self {
        Self { socket, packets, queue: Queue::default(), sent: 0 }
    }

    /// Whether reads and writes keep record bounds.
    pub(crate) fn has_packets(&self) -> bool {
        self.packets
    }

    /// The socket.
    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Reads once from a stream.
    ///
    /// # Errors
    /// The system's: the connection is broken.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        match (&self.socket).read(buffer) {
            Ok(0) => Ok(Received::End),
            Ok(len) => Ok(Received::Bytes(len)),
            Err(error) if is_for_later(&error) => Ok(Received::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Reads the packets that are there, each to the next multiple of `size` in `room`; none if
    /// there are none right now.
    ///
    /// # Errors
    /// The system's: the connection is broken.
    pub(crate) fn receive_packets(&self, room: &mut [u8], size: usize) -> io::Result<Vec<Packet>> {
        match packets::receive(&self.socket, room, size).map_err(io::Error::from) {
            Err(error) if is_for_later(&error) => Ok(Vec::new()),
            other => other,
        }
    }

    /// Whether a connection of packets has ended, given what the last read brought with room for
    /// `most`: its end looks like empty packets without end, but only then is there no room left.
    ///
    /// # Errors
    /// The system's: it has ended, and was broken.
    pub(crate) fn has_ended(&self, packets: &[Packet], most: usize) -> io::Result<bool> {
        let is_possible =
            packets.len() == most && packets.last().is_some_and(|packet| packet.len == 0);
        if is_possible { packets::has_ended(&self.socket) } else { Ok(false) }
    }

    /// Puts records behind those that wait.
    pub(crate) fn push(&mut self, chunk: Chunk) {
        self.queue.push(chunk);
    }

    /// Writes what the peer takes of `records` right away, if nothing waits before them; the rest
    /// is queued. This is what bulk goes through: most of it is never copied.
    ///
    /// # Errors
    /// As [`Link::flush`]; all of `records` is queued then.
    pub(crate) fn pass(&mut self, records: &[u8], framing: Framing) -> io::Result<bool> {
        let mut sent = 0;
        let mut outcome = Ok(true);
        while self.queue.is_empty() && !self.packets && sent < records.len() {
            match (&self.socket).write(records.get(sent..).unwrap_or_default()) {
                Ok(len) => {
                    stats::BYTES_OUT.add(len as u64);
                    sent += len;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    outcome = Ok(false);
                    break;
                }
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        if sent < records.len() {
            let is_first = self.queue.is_empty();
            // From the beginning of the record that is cut, for the case that the connection is
            // lost and another one gets the rest.
            let start = framing.last_start(records.get(..sent).unwrap_or_default());
            self.push(Chunk::of(records.get(start..).unwrap_or_default(), framing));
            if is_first {
                self.sent = sent - start;
            }
        }
        outcome
    }

    /// What the queue holds in memory, in bytes.
    pub(crate) fn cost(&self) -> usize {
        self.queue.cost()
    }

    /// Whether nothing waits to be written.
    pub(crate) fn is_drained(&self) -> bool {
        self.queue.is_empty()
    }

    /// Writes what the peer takes.
    ///
    /// # Errors
    /// The system's: nothing more can be written to this peer.
    pub(crate) fn flush(&mut self) -> io::Result<Flushed> {
        while let Some(len) = self.queue.first().map(Bytes::len) {
            let outcome = if self.packets { self.send_packets() } else { self.send_bytes() };
            match outcome {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Flushed::Blocked);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(nix::Error::EMSGSIZE as i32) => {
                    self.forget(0);
                    return Ok(Flushed::TooLong(len));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Flushed::All)
    }

    fn send_bytes(&mut self) -> io::Result<()> {
        let mut chunks = self.queue.iter().map(AsRef::as_ref);
        let first = chunks.next().unwrap_or_default();
        let unsent = first.get(self.sent..).unwrap_or_default();
        let slices: Vec<IoSlice<'_>> =
            std::iter::once(unsent).chain(chunks).take(MAX_SLICES).map(IoSlice::new).collect();
        let len = (&self.socket).write_vectored(&slices)?;
        self.forget(len);
        Ok(())
    }

    fn send_packets(&mut self) -> io::Result<()> {
        let packets = self.queue.iter().take(packets::MOST);
        for _ in 0..packets::send(&self.socket, packets)? {
            self.forget(self.queue.first().map_or(0, Bytes::len));
        }
        Ok(())
    }

    /// Drops what is written.
    fn forget(&mut self, len: usize) {
        stats::BYTES_OUT.add(len as u64);
        self.sent += len;
        while let Some(first) = self.queue.first() {
            // A packet goes whole, also an empty one.
            if !self.packets && self.sent < first.len() {
                return;
            }
            self.sent = self.sent.saturating_sub(first.len());
            self.queue.pop();
            if self.packets {
                return;
            }
        }
    }

    /// Gives up what waits; tells how many records that is.
    pub(crate) fn abandon(&mut self) -> u64 {
        self.sent = 0;
        self.queue.abandon()
    }

    /// Takes what waits, to be sent over another connection. `start` tells where the record
    /// begins that was cut, given the chunk and how much of it was written.
    pub(crate) fn take_queue(&mut self, start: impl Fn(&[u8], usize) -> usize) -> VecDeque<Chunk> {
        let mut queue = self.queue.take();
        let sent = std::mem::take(&mut self.sent);
        if let Some(first) = queue.front_mut() {
            let start = start(&first.bytes, sent);
            first.bytes = first.bytes.slice(start.min(first.bytes.len())..);
        }
        queue
    }
}

/// Whether the same call may do better another time.
fn is_for_later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
