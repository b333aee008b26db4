// SPDX-License-Identifier: MIT OR Apache-2.0
//! One connection to a peer: what was written to it, and how much of that the peer has.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use crate::window::Window;
use heka_core::net::{Addr, DialError, Dialer, Stream, tls};
use heka_core::report::{self, stats};
use nix::poll::PollFlags;
use socket2::Socket;

use crate::cli::{Ack, Delivery};
use crate::peer::answers::Answers;
use crate::peer::arrival::Arrival;
use crate::peer::over::{End, Over, UNCONFIRMING};
use crate::place::{Identity, Place};

/// Several messages share a datagram up to this size, which fits an Ethernet frame.
const SHARED_DATAGRAM: usize = 1400;
/// Answers of a peer are read in pieces of this size, and so many of them before it is our turn.
const ANSWER_SIZE: usize = 16 * 1024;
const ANSWERS: usize = 16;

#[derive(Debug)]
enum Pipe {
    Stream(Box<Stream>),
    Datagram(Socket),
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Link {
    pipe: Pipe,
    pub(crate) name: String,
    ack: Ack,
    /// Bytes of records that were written.
    written: u64,
    arrival: Arrival,
    /// What is read goes here first.
    buffer: Box<[u8]>,
    answers: Answers,
    place: Place,
    /// Number of the last record that was confirmed when the connection was made.
    pub(crate) first: u64,
    /// Since when the peer takes nothing.
    pub(crate) stuck: Option<Instant>,
    /// Since when the peer confirms nothing though it should.
    pub(crate) awaiting: Option<Instant>,
    /// When something was written last.
    pub(crate) active: Instant,
    /// Set when nothing more will be written on this connection, and since when.
    pub(crate) closing: Option<Instant>,
    peer_closed: bool,
    /// The peer has said something.
    has_answered: bool,
    /// A message did not fit a datagram.
    pub(crate) has_lost: bool,
    /// The peer may have said more than was read.
    pub(crate) has_more: bool,
}

impl Link {
    pub(crate) fn connect(
        dialer: &Dialer,
        addr: &Addr,
        delivery: &Delivery,
    ) -> Result<Self, DialError> {
        let pipe = if addr.is_datagram() {
            let socket = dialer.dial_datagram(addr)?;
            socket.set_nonblocking(true)?;
            Pipe::Datagram(socket)
        } else {
            let stream = dialer.dial(addr)?;
            stream.set_nonblocking(true)?;
            let is_ip = matches!(addr, Addr::Tcp(_) | Addr::Tls(_));
            if let (true, Some(limit)) = (is_ip, delivery.write_timeout) {
                // The system's own patience with a peer that is gone is a quarter of an hour.
                stream.socket().set_tcp_user_timeout(Some(limit))?;
            }
            Pipe::Stream(Box::new(stream))
        };
        let ack = if addr.is_datagram() { Ack::None } else { delivery.ack };
        Ok(Self {
            pipe,
            name: addr.to_string(),
            ack,
            written: 0,
            arrival: Arrival::new(matches!(addr, Addr::Unix(_))),
            buffer: vec![0; ANSWER_SIZE].into(),
            answers: Answers::new(delivery.refused),
            place: Place::new(None, 0),
            first: 0,
            has_lost: false,
            stuck: None,
            awaiting: None,
            active: Instant::now(),
            closing: None,
            peer_closed: false,
            has_answered: false,
            has_more: false,
        })
    }

    /// The records of `window` go out on it from now on. No record after `inherited` was sent by an
    /// earlier run.
    pub(crate) fn begin(&mut self, window: &Window, identity: Option<&Identity>, inherited: u64) {
        self.first = window.confirmed();
        self.answers.begin(self.first);
        let identity = identity.filter(|_| self.ack == Ack::Peer).cloned();
        self.place = Place::new(identity, window.sent().max(inherited));
    }

    /// Whether the peer may be one that never confirms: nobody has on this connection or before.
    pub(crate) fn may_lack_ack(&self, window: &Window) -> bool {
        let is_heard = self.place.identity.as_ref().is_some_and(Identity::is_heard);
        self.ack == Ack::Peer && !is_heard && window.confirmed() == self.first
    }

    /// The stream, with what was learned about its receiver.
    pub(crate) fn take_identity(&mut self) -> Option<Identity> {
        self.place.identity.take()
    }

    /// What to wait for.
    pub(crate) fn wanted(&self, window: &Window) -> PollFlags {
        let unsent = self.place.is_pending()
            || matches!(&self.pipe, Pipe::Stream(stream) if stream.wants_write());
        let mut wanted = PollFlags::empty();
        if !self.peer_closed {
            wanted |= PollFlags::POLLIN;
        }
        if unsent || (self.closing.is_none() && window.has_unwritten()) {
            wanted |= PollFlags::POLLOUT;
        }
        wanted
    }

    /// Reads what the peer says, without waiting: confirmations, its end, a reset.
    pub(crate) fn look(&mut self, window: &mut Window) -> Result<(), Over> {
        self.has_more = !self.peer_closed;
        let mut reads = 0;
        while self.has_more && reads < ANSWERS {
            self.has_more = self.hear(window)?;
            reads += 1;
        }
        let is_written_next = self.closing.is_none() && window.has_unwritten();
        if self.peer_closed || !is_written_next {
            // Otherwise that is asked behind the write.
            self.confirm(window)?;
        }
        // A peer that says nothing more does not read any more either, as far as we can know.
        let is_gone = self.peer_closed && (self.closing.is_none() || self.is_left_over(window)?);
        if !is_gone {
            return Ok(());
        }
        let mut over = Over::new(End::Peer, "closed the connection");
        if self.closing.is_some() && self.may_lack_ack(window) {
            over.hint = Some(UNCONFIRMING.to_owned());
        }
        Err(over)
    }

    /// Reads once, and tells whether there may be more.
    fn hear(&mut self, window: &mut Window) -> Result<bool, Over> {
        let read = match &mut self.pipe {
            Pipe::Stream(stream) => stream.read(&mut self.buffer),
            Pipe::Datagram(socket) => socket.read(&mut self.buffer).map(|len| len.max(1)),
        };
        match read {
            Ok(0) => self.peer_closed = true,
            Ok(len) if self.is_refused_by_tls(len) => return Err(self.mistaken()),
            Ok(len) if self.ack == Ack::Peer => {
                let heard = self.buffer.get(..len).unwrap_or_default();
                let identity = self.place.identity.as_mut();
                self.answers.take(heard, &self.name, window, identity)?;
                // TLS may hold more, also its end, that no socket tells of.
                return Ok(len == self.buffer.len() || self.is_tls());
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(self.broken(window, error)),
        }
        Ok(!self.peer_closed)
    }

    /// Whether the first answer, of `len` bytes, is one of TLS though we speak none.
    fn is_refused_by_tls(&mut self, len: usize) -> bool {
        let is_first = !std::mem::replace(&mut self.has_answered, true);
        is_first && !self.is_tls() && tls::is_alert(self.buffer.get(..len).unwrap_or_default())
    }

    fn mistaken(&self) -> Over {
        let hint = Some(format!("write it tls://{}", self.name.trim_start_matches("tcp://")));
        Over { end: End::Tls, cause: "speaks TLS".to_owned(), hint }
    }

    fn is_tls(&self) -> bool {
        matches!(&self.pipe, Pipe::Stream(stream) if stream.is_tls())
    }

    /// Whether the peer, which has closed its side, will not confirm what is written any more.
    fn is_left_over(&self, window: &Window) -> Result<bool, Over> {
        if window.unconfirmed() == 0 || window.has_unwritten() {
            return Ok(false);
        }
        // Its kernel may still acknowledge, or answer with a reset.
        if let (Ack::Kernel, Pipe::Stream(stream)) = (self.ack, &self.pipe)
            && let Some(error) = stream.socket().take_error()?
        {
            return Err(error.into());
        }
        Ok(self.ack == Ack::Peer)
    }

    /// Tells the window what the peer has.
    fn confirm(&mut self, window: &mut Window) -> Result<(), Over> {
        let arrived = match (self.ack, &self.pipe) {
            (Ack::Peer, _) => None,
            (Ack::Kernel, Pipe::Stream(stream)) => self.arrival.arrived(stream, self.written)?,
            (Ack::None, _) | (Ack::Kernel, Pipe::Datagram(_)) => Some(self.written),
        };
        if let Some(len) = arrived {
            window.confirm_bytes(len);
        }
        Ok(())
    }

    /// The connection broke: tells the window what the peer has nevertheless.
    fn broken(&mut self, window: &mut Window, error: std::io::Error) -> Over {
        if let Pipe::Stream(stream) = &mut self.pipe
            && let Ok(len @ 1..) = stream.read(&mut self.buffer)
            && self.is_refused_by_tls(len)
        {
            // That was said before, and not read yet.
            return self.mistaken();
        }
        match &self.pipe {
            Pipe::Stream(stream) if self.ack == Ack::Kernel => {
                let arrived = self.arrival.arrived_at_last(stream, self.written);
                window.confirm_bytes(arrived.unwrap_or(0));
            }
            // There is nobody to ask, so nothing can fail.
            _ => drop(self.confirm(window)),
        }
        error.into()
    }

    /// Notes whether the peer has confirmed anything since `confirmed`, or has nothing to. What the
    /// kernel waits for it watches itself.
    pub(crate) fn note_progress(&mut self, window: &Window, confirmed: u64) {
        if self.ack != Ack::Peer || window.unconfirmed() == 0 {
            self.awaiting = None;
        } else if self.awaiting.is_none() || window.confirmed() > confirmed {
            self.awaiting = Some(Instant::now());
        }
    }

    /// Writes what there is to write, as much as the peer takes now, but no record after `last`.
    /// `at_end` if the window will get no more.
    pub(crate) fn write(
        &mut self,
        window: &mut Window,
        last: u64,
        at_end: bool,
    ) -> Result<(), Over> {
        self.look(window)?;
        loop {
            let told = self.tell_place(window, last, at_end);
            match told.and_then(|()| self.write_some(window, last)) {
                Ok(0) => return self.flush(),
                Ok(len) => {
                    self.written += len as u64;
                    self.stuck = None;
                    self.active = Instant::now();
                    stats::BYTES_OUT.add(len as u64);
                    stats::counter("resent").add(window.written(len));
                    self.mark();
                    self.confirm(window)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.stuck.get_or_insert_with(Instant::now);
                    return self.confirm(window);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broken(window, error)),
            }
        }
    }

    /// Tells the peer which record comes next, if it is time to.
    fn tell_place(&mut self, window: &Window, last: u64, at_end: bool) -> std::io::Result<()> {
        if self.place.is_due(window, last, self.written, self.idle_since(), at_end) {
            self.place.tell(window.written_until(), self.written)?;
        }
        let Pipe::Stream(stream) = &mut self.pipe else {
            return Ok(());
        };
        while self.place.is_pending() {
            self.place.write(stream)?;
            self.stuck = None;
        }
        Ok(())
    }

    /// When to tell it again though there is nothing to write.
    pub(crate) fn tells_again(&self, window: &Window) -> Option<Instant> {
        let is_open = self.closing.is_none();
        is_open.then(|| self.place.again_at(window, self.idle_since())).flatten()
    }

    /// Since when nothing was confirmed, or written if nothing has to be confirmed.
    fn idle_since(&self) -> Instant {
        self.awaiting.unwrap_or(self.active)
    }

    fn write_some(&mut self, window: &mut Window, last: u64) -> std::io::Result<usize> {
        match &mut self.pipe {
            Pipe::Stream(stream) => match window.unwritten_until(last) {
                [] => Ok(0),
                bytes => stream.write(bytes),
            },
            Pipe::Datagram(socket) => match window.unwritten_records(SHARED_DATAGRAM) {
                [] => Ok(0),
                records => match socket.send(records) {
                    Err(error) if error.raw_os_error() == Some(nix::libc::EMSGSIZE) => {
                        let len = records.len();
                        let name = &self.name;
                        report::repeated(
                            format_args!("{name}: too long"),
                            format_args!(
                                "{name}: a message of {len} bytes does not fit a datagram, dropped"
                            ),
                        );
                        stats::SKIPPED.add(1);
                        self.has_lost = true;
                        Ok(len)
                    }
                    other => other,
                },
            },
        }
    }

    fn flush(&mut self) -> Result<(), Over> {
        if let Pipe::Stream(stream) = &mut self.pipe {
            match stream.flush() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.stuck.get_or_insert_with(Instant::now);
                }
                other => {
                    other?;
                    self.stuck = None;
                }
            }
            self.mark();
        }
        Ok(())
    }

    fn mark(&mut self) {
        if let Pipe::Stream(stream) = &self.pipe {
            self.arrival.note(stream, self.written);
        }
    }

    /// Says that nothing more will come on this connection.
    pub(crate) fn close(&mut self) -> Result<(), Over> {
        if self.closing.is_some() {
            return Ok(());
        }
        if let Pipe::Stream(stream) = &mut self.pipe {
            match stream.shutdown_write() {
                // The peer was faster.
                Err(error) if error.kind() == ErrorKind::NotConnected => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // TLS has to say so too, and does when there is room.
                    self.stuck.get_or_insert_with(Instant::now);
                    return Ok(());
                }
                other => other?,
            }
        }
        self.closing = Some(Instant::now());
        Ok(())
    }

    /// Whether the peer has closed its side, or never will because it has none.
    pub(crate) fn is_closed_by_peer(&self) -> bool {
        self.peer_closed || matches!(self.pipe, Pipe::Datagram(_))
    }

    /// Whether only polling tells what the peer has.
    pub(crate) fn is_polled(&self) -> bool {
        self.ack == Ack::Kernel
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.pipe {
            Pipe::Stream(stream) => stream.as_fd(),
            Pipe::Datagram(socket) => socket.as_fd(),
        }
    }
}
