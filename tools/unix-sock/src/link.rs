// SPDX-License-Identifier: MIT OR Apache-2.0
//! The connection to a peer, with the queue of pending output. Nothing here blocks.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use heka_core::report::stats;
use nix::poll::PollFlags;
use nix::sys::socket::UnixAddr;
use socket2::{Socket, Type};

use crate::facts::Facts;
use crate::framing::SideBySide as _;
use crate::looks::Looks;
use crate::packets::{self, Packet};
use crate::queue::{Chunk, Queue};
use heka_core::record::Framing;

/// Maximum number of chunks per write.
const MAX_SLICES: usize = 64;

/// A connection to a peer, and its queue.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) facts: Facts,
    way: Way,
    queue: Queue,
    /// Number of bytes of the first chunk that are written.
    sent: usize,
    /// Whether a write may succeed. (Set by the kernel's edges, cleared by a write that would
    /// block.)
    pub(crate) writable: bool,
    /// Polls for room before waiting for it, if the connection has packets.
    looks: Looks,
    /// Number of bytes received.
    pub(crate) received: u64,
    /// Time of the last transfer, in either direction.
    pub(crate) moved: Instant,
}

/// The transport of records.
#[derive(Debug)]
pub(crate) enum Way {
    /// A connection without record boundaries.
    Stream(Socket),
    /// A connection on which each write and each read is a packet.
    Packets(Socket),
    /// The socket shared by all senders of datagrams, and the name of this one's, if any.
    Shared(Rc<Socket>, Option<UnixAddr>),
}

/// The result of a read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// This number of bytes.
    Bytes(usize),
    /// Nothing at the moment.
    Nothing,
    /// The peer will send no more.
    End,
}

impl Link {
    /// Takes over a non-blocking socket.
    pub(crate) fn new(way: Way, facts: Facts) -> Self {
        let (queue, looks, moved) = (Queue::default(), Looks::default(), Instant::now());
        Self { facts, way, queue, sent: 0, writable: true, looks, received: 0, moved }
    }

    /// Like [`Link::new`], for a connection of either type.
    pub(crate) fn connected(socket: Socket, facts: Facts) -> Self {
        let is_stream = socket.r#type().is_ok_and(|kind| kind == Type::STREAM);
        Self::new(if is_stream { Way::Stream(socket) } else { Way::Packets(socket) }, facts)
    }

    /// Whether reads and writes keep record boundaries.
    pub(crate) fn has_packets(&self) -> bool {
        !matches!(self.way, Way::Stream(_))
    }

    /// Whether other peers share the socket, in which case no event reports room for this one.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self.way, Way::Shared(..))
    }

    /// Returns the name to which datagrams are sent, if any.
    pub(crate) fn addr(&self) -> Option<UnixAddr> {
        match self.way {
            Way::Shared(_, addr) => addr,
            Way::Stream(_) | Way::Packets(_) => None,
        }
    }

    /// Returns the socket.
    pub(crate) fn socket(&self) -> &Socket {
        match &self.way {
            Way::Stream(socket) | Way::Packets(socket) => socket,
            Way::Shared(socket, _) => socket,
        }
    }

    /// Ends writing to the peer, which may have gone already.
    pub(crate) fn end(&self) {
        if !self.is_shared() {
            let _ = self.socket().shutdown(Shutdown::Write);
        }
    }

    /// Reads once from a stream.
    ///
    /// # Errors
    /// Any I/O error: the connection is broken.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        match self.socket().read(buffer) {
            Ok(0) => Ok(Received::End),
            Ok(len) => Ok(Received::Bytes(len)),
            Err(error) if is_for_later(&error) => Ok(Received::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Reads the available packets, each to the next multiple of `size` in `room`; none if there
    /// are none at the moment.
    ///
    /// # Errors
    /// Any I/O error: the connection is broken.
    pub(crate) fn receive_packets(&self, room: &mut [u8], size: usize) -> io::Result<Vec<Packet>> {
        match packets::receive(self.socket(), room, size).map_err(io::Error::from) {
            Err(error) if is_for_later(&error) => Ok(Vec::new()),
            other => other,
        }
    }

    /// Whether a connection of packets has ended, given the result of the last read with room for
    /// `most` packets: at the end, empty packets arrive forever, but only then is there no room
    /// left.
    ///
    /// # Errors
    /// Any I/O error: it has ended, and was broken.
    pub(crate) fn has_ended(&self, packets: &[Packet], most: usize) -> io::Result<bool> {
        let is_possible =
            packets.len() == most && packets.last().is_some_and(|packet| packet.len == 0);
        if is_possible { packets::has_ended(self.socket()) } else { Ok(false) }
    }

    /// Counts bytes received at time `now`.
    pub(crate) fn count_in(&mut self, len: usize, now: Instant) {
        self.moved = now;
        self.received += len as u64;
        stats::BYTES_IN.add(len as u64);
    }

    /// Queues records.
    pub(crate) fn push(&mut self, chunk: Chunk) {
        self.queue.push(chunk);
    }

    /// Writes what the peer accepts of `records` immediately, if nothing is queued; the rest is
    /// queued. This is the path of bulk data: most of it is never copied.
    ///
    /// # Errors
    /// As [`Link::flush`]; all of `records` is queued then.
    pub(crate) fn pass(&mut self, records: &[u8], framing: Framing) -> io::Result<()> {
        let mut sent = 0;
        let mut outcome = Ok(());
        self.moved = Instant::now();
        while self.queue.is_empty() && !self.has_packets() && sent < records.len() {
            match self.socket().write(records.get(sent..).unwrap_or_default()) {
                Ok(len) => {
                    stats::BYTES_OUT.add(len as u64);
                    sent += len;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.writable = false;
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
            // From the beginning of the record that is cut, in case the connection is lost and
            // another one gets the rest.
            let start = framing.last_start(records.get(..sent).unwrap_or_default());
            self.push(Chunk::of(records.get(start..).unwrap_or_default(), framing));
            if is_first {
                self.sent = sent - start;
            }
        }
        outcome
    }

    /// Returns the memory of the queue in bytes.
    pub(crate) fn cost(&self) -> usize {
        self.queue.cost()
    }

    /// Whether nothing is queued.
    pub(crate) fn is_drained(&self) -> bool {
        self.queue.is_empty()
    }

    /// Writes what the peer accepts. A packet that is too long for the system is dropped, and its
    /// length is passed to `too_long`.
    ///
    /// # Errors
    /// Any I/O error: nothing more can be written to this peer.
    pub(crate) fn flush(&mut self, mut too_long: impl FnMut(&Facts, usize)) -> io::Result<()> {
        while self.writable && !self.queue.is_empty() {
            let outcome = if self.has_packets() { self.send_packets() } else { self.send_bytes() };
            match outcome {
                Ok(()) => {
                    self.looks.expect();
                    // For senders of datagrams, only receiving counts.
                    if !self.is_shared() {
                        self.moved = Instant::now();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_full(&error) => {
                    self.writable = self.has_packets() && self.look_for_room();
                }
                Err(error) if error.raw_os_error() == Some(nix::Error::EMSGSIZE as i32) => {
                    too_long(&self.facts, self.queue.pop_packet());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn look_for_room(&mut self) -> bool {
        let socket = match &self.way {
            Way::Stream(socket) | Way::Packets(socket) => socket,
            Way::Shared(socket, _) => &**socket,
        };
        self.looks.find(socket, PollFlags::POLLOUT)
    }

    fn send_bytes(&mut self) -> io::Result<()> {
        let mut chunks = self.queue.iter().map(AsRef::as_ref);
        let first = chunks.next().unwrap_or_default();
        let unsent = first.get(self.sent..).unwrap_or_default();
        let slices: Vec<IoSlice<'_>> =
            std::iter::once(unsent).chain(chunks).take(MAX_SLICES).map(IoSlice::new).collect();
        let len = self.socket().write_vectored(&slices)?;
        stats::BYTES_OUT.add(len as u64);
        self.sent += len;
        while let Some(first) = self.queue.first().map(Bytes::len).filter(|len| *len <= self.sent) {
            self.sent -= first;
            self.queue.pop();
        }
        Ok(())
    }

    fn send_packets(&mut self) -> io::Result<()> {
        let mut len = 0;
        for _ in 0..packets::send(self.socket(), self.queue.packets(), self.addr())? {
            len += self.queue.pop_packet() as u64;
        }
        stats::BYTES_OUT.add(len);
        Ok(())
    }

    /// Drops the queue; returns the number of records in it.
    pub(crate) fn abandon(&mut self) -> u64 {
        self.sent = 0;
        self.queue.abandon()
    }

    /// Takes the queue, to send it over another connection. `start` returns the start of the record
    /// that was cut, given the chunk and how much of it was written.
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

/// Whether the same call may succeed later.
fn is_for_later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Whether the peer, or the system, has no room at the moment.
fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || error.raw_os_error() == Some(nix::Error::ENOBUFS as i32)
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket().as_fd()
    }
}
