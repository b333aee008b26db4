// SPDX-License-Identifier: MIT OR Apache-2.0
//! One connection to a peer: the data written to it, and how much of that the peer has.

use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use crate::numbers;
use heka_core::net::{Addr, DialError, Dialer, Stream};
use heka_core::report::stats;
use heka_core::report::words::CLOSED;
use nix::poll::PollFlags;

use crate::peer::answers::Answers;
use crate::peer::arrival::{self, Arrival};
use crate::peer::over::{End, Over};
use crate::peer::pace::Pace;
use crate::peer::phase::{Hearing, Writing};
use crate::peer::pipe::Pipe;
use crate::peer::sides::Sides;
use crate::place::{Identity, Place};
use crate::plan::{Ack, Delivery};
use crate::window::Window;

/// Size of a read of answers, and how many of them are read per turn.
const ANSWER_SIZE: usize = 16 * 1024;
const ANSWERS: usize = 16;

/// A connection.
#[derive(Debug)]
pub(crate) struct Link {
    pipe: Pipe,
    pub(crate) name: String,
    ack: Ack,
    /// Number of bytes of records written.
    written: u64,
    arrival: Arrival,
    /// Buffer for reading.
    buffer: Box<[u8]>,
    pub(crate) answers: Answers,
    place: Place,
    /// Number of the last record that was acknowledged when the connection was made.
    pub(crate) first: u64,
    /// Number of the last record for this connection.
    last: u64,
    pace: Pace,
    pub(super) sides: Sides,
    /// Whether a message did not fit into a datagram.
    pub(crate) has_lost: bool,
    /// Whether the peer may have sent more than was read.
    has_more: bool,
}

impl Link {
    pub(crate) fn connect(
        dialer: &Dialer,
        addr: &Addr,
        delivery: &Delivery,
    ) -> Result<Self, DialError> {
        let pipe = Pipe::connect(dialer, addr, delivery)?;
        let ack = delivery.ack_of(addr);
        Ok(Self {
            pipe,
            name: addr.to_string(),
            ack,
            written: 0,
            arrival: Arrival::new(ack, matches!(addr, Addr::Unix(_) | Addr::Exec(_))),
            buffer: vec![0; ANSWER_SIZE].into(),
            answers: Answers::new(delivery.refused),
            place: Place::new(None, 0),
            first: 0,
            last: u64::MAX,
            pace: Pace::new(delivery.rate),
            sides: Sides::new(delivery, addr),
            has_lost: false,
            has_more: false,
        })
    }

    /// Begins to send the records of `window`, at most `count` of them unless that is 0.
    /// `inherited` is the last record that an earlier run may have sent.
    pub(crate) fn begin(
        &mut self,
        window: &Window,
        identity: Option<&Identity>,
        inherited: u64,
        count: u64,
    ) {
        self.first = window.acknowledged();
        self.last = if count == 0 { u64::MAX } else { self.first.saturating_add(count) };
        self.answers.begin(self.first);
        let identity = identity.filter(|_| self.ack == Ack::Peer).cloned();
        self.place = Place::new(identity, window.sent().max(inherited));
    }

    /// Returns the version of TLS, if it is used.
    pub(crate) fn tls_version(&self) -> Option<&'static str> {
        self.pipe.stream().and_then(Stream::tls_version)
    }

    /// Whether the peer may be one that never acknowledges: none has on this connection or before.
    fn may_lack_ack(&self, window: &Window) -> bool {
        let is_heard = self.place.identity.as_ref().is_some_and(Identity::is_heard);
        self.ack == Ack::Peer && !is_heard && window.acknowledged() == self.first
    }

    /// Whether a connection that ended in this way may leave acknowledged data unread.
    pub(crate) fn hides_unread(&self, end: End) -> bool {
        match end {
            End::Broken => self.arrival.hides_unread(),
            // A program that fails may have lost what it has read.
            End::Failed => self.ack != Ack::Peer,
            _ => false,
        }
    }

    /// Returns since when the peer has accepted everything and acknowledged nothing, if this ended
    /// the connection.
    pub(crate) fn silent_since(&self, end: End, window: &Window) -> Option<Instant> {
        let is_silent = window.acknowledged() == self.first;
        is_silent.then(|| self.sides.silent_since(end, self.answers.awaited_since())).flatten()
    }

    /// Takes the stream's identity, with what was learned about its receiver.
    pub(crate) fn take_identity(&mut self) -> Option<Identity> {
        self.place.identity.take()
    }

    /// Returns the events to wait for.
    pub(crate) fn wanted(&self, window: &Window) -> PollFlags {
        let mut wanted = PollFlags::empty();
        if self.sides.parting_due().is_some() {
            return wanted;
        }
        let unsent = self.place.is_pending() || self.pipe.wants_write();
        wanted.set(PollFlags::POLLIN, self.sides.hearing != Hearing::Ended);
        let has_next = window.has_unwritten() && self.pace.due(window).is_none();
        wanted.set(PollFlags::POLLOUT, unsent || (self.sides.closing().is_none() && has_next));
        wanted
    }

    /// Reads and writes as much as possible without waiting. `at_end` says that the window will get
    /// no more.
    ///
    /// # Errors
    /// The reason why the connection has ended.
    pub(crate) fn converse(
        &mut self,
        window: &mut Window,
        delivery: &Delivery,
        at_end: bool,
    ) -> Result<(), Over> {
        if self.sides.are_parting(&mut self.pipe)? {
            return Ok(());
        }
        let talk = self.talk(window, delivery, at_end);
        self.sides.part(talk)?;
        self.sides.are_parting(&mut self.pipe).map(drop)
    }

    fn talk(&mut self, window: &mut Window, delivery: &Delivery, at_end: bool) -> Result<(), Over> {
        let acknowledged = window.acknowledged();
        match self.sides.writing {
            Writing::Closed(_) => self.part(window)?,
            _ => self.write(window, at_end)?,
        }
        // The kernel itself watches for data that it waits for.
        let owes = self.ack == Ack::Peer && window.unacknowledged() > 0;
        self.sides.hearing = self.sides.hearing.after(owes, window.acknowledged() > acknowledged);
        let asked = self.answers.awaited_since();
        self.sides.check_answer(asked, || self.may_lack_ack(window))?;
        self.sides.check_patience(delivery.write_timeout, || self.may_lack_ack(window))?;
        if self.sides.writing == Writing::Open && self.has_written_all(window, at_end) {
            self.close()?;
        }
        match self.sides.writing {
            Writing::Closed(since)
                if (!at_end || window.has_unwritten()) && self.sides.are_over(since) =>
            {
                Err(self.sides.left())
            }
            _ => Ok(()),
        }
    }

    /// Watches a peer to which nothing more is written.
    fn part(&mut self, window: &mut Window) -> Result<(), Over> {
        self.sides.look(&mut self.pipe)?;
        self.look(window)?;
        if self.sides.has_exited() && window.acknowledged() < window.written_until() {
            return Err(Over::new(End::Peer, CLOSED));
        }
        Ok(())
    }

    /// Whether nothing more will be sent on this connection.
    fn has_written_all(&self, window: &Window, at_end: bool) -> bool {
        let is_all = at_end && !window.has_unwritten();
        is_all || (self.last < window.last() && window.written_until() >= self.last)
    }

    /// Reads from the peer without waiting: acknowledgements, its end, a reset.
    fn look(&mut self, window: &mut Window) -> Result<(), Over> {
        self.has_more = self.sides.hearing != Hearing::Ended;
        for _ in 0..ANSWERS {
            self.has_more = self.has_more && self.hear(window)?;
        }
        let is_closing = self.sides.closing().is_some();
        let has_ended = self.sides.hearing == Hearing::Ended;
        if has_ended || is_closing || !window.has_unwritten() {
            // Otherwise this is done after the write.
            self.acknowledge(window)?;
        }
        // A peer that has closed its side does not read either, as far as can be known.
        if !has_ended || (is_closing && !self.is_left_over(window)?) {
            return Ok(());
        }
        if window.acknowledged() >= self.last {
            return Err(Over::new(End::Ours, "closed"));
        }
        let over = Over::new(End::Peer, CLOSED);
        Err(over.suspecting(is_closing && self.may_lack_ack(window)))
    }

    /// Reads once, and returns whether there may be more.
    fn hear(&mut self, window: &mut Window) -> Result<bool, Over> {
        match self.pipe.read(&mut self.buffer) {
            Ok(0) => self.sides.hearing = Hearing::Ended,
            Ok(len) => {
                self.heard(len, window)?;
                // TLS may hold more data, or its end, which the socket does not report.
                return Ok(self.ack != Ack::Peer || len == self.buffer.len() || self.pipe.is_tls());
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(self.broken(window, error)),
        }
        Ok(self.sides.hearing != Hearing::Ended)
    }

    /// Processes the first `len` bytes of the buffer, which the peer has sent.
    fn heard(&mut self, len: usize, window: &mut Window) -> Result<(), Over> {
        let heard = self.buffer.get(..len).unwrap_or_default();
        if self.answers.begin_with_alert(heard) && !self.pipe.is_tls() {
            return Err(Over::mistaken(&self.name));
        }
        if self.ack == Ack::Peer {
            self.answers.take(heard, &self.name, window, self.place.identity.as_mut())?;
            // A peer that waits for later stages repeats its last answer.
            self.sides.hearing = Hearing::Quiet;
        }
        Ok(())
    }

    /// Whether the peer, which has closed its side, will not acknowledge the rest.
    fn is_left_over(&self, window: &Window) -> Result<bool, Over> {
        if window.unacknowledged() == 0 || window.has_unwritten() {
            return Ok(false);
        }
        // Its kernel may still acknowledge, or answer with a reset.
        if let (Ack::Kernel, Some(stream)) = (self.ack, self.pipe.stream())
            && let Some(error) = stream.socket().take_error()?
        {
            return Err(error.into());
        }
        Ok(self.ack == Ack::Peer)
    }

    /// Passes to the window how much the peer has.
    fn acknowledge(&mut self, window: &mut Window) -> Result<(), Over> {
        if let Some(len) = self.arrival.arrived(self.pipe.stream(), self.written)? {
            window.acknowledge_bytes(len);
        }
        Ok(())
    }

    /// Passes to the window how much the peer has by now, as far as the system knows.
    pub(crate) fn look_again(&mut self, window: &mut Window) {
        if let Some(len) = self.arrival.arrived_at_last(self.pipe.stream(), self.written) {
            window.acknowledge_bytes(len);
        }
    }

    /// Handles a broken connection: passes to the window what the peer has, as far as it is known.
    fn broken(&mut self, window: &mut Window, error: std::io::Error) -> Over {
        if let Ok(len @ 1..) = self.pipe.read(&mut self.buffer)
            && let Err(over) = self.heard(len, window)
        {
            return over;
        }
        self.look_again(window);
        error.into()
    }

    /// Writes as much as the peer accepts now. `at_end` says that the window will get no more.
    fn write(&mut self, window: &mut Window, at_end: bool) -> Result<(), Over> {
        self.look(window)?;
        loop {
            let told = self.tell_place(window, at_end);
            let (last, lost) = (self.pace.last(window, self.last), &mut self.has_lost);
            match told.and_then(|()| self.pipe.write(window, last, &self.name, lost)) {
                Ok(0) => return self.flush(),
                Ok(len) => {
                    self.written += len as u64;
                    self.sides.wrote();
                    stats::BYTES_OUT.add(len as u64);
                    numbers::RESENT.add(self.pace.pass(window, len));
                    self.mark();
                    self.acknowledge(window)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.sides.writing.block();
                    return self.acknowledge(window);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broken(window, error)),
            }
        }
    }

    /// Sends the number of the next record, if it is time to.
    fn tell_place(&mut self, window: &Window, at_end: bool) -> std::io::Result<()> {
        if self.answers.may_be_asked()
            && self.place.is_due(window, self.last, self.written, self.sides.idle_since(), at_end)
        {
            self.place.tell(window.written_until(), self.written)?;
            self.answers.ask();
        }
        let Some(stream) = self.pipe.stream_mut() else { return Ok(()) };
        while self.place.is_pending() {
            self.place.write(stream)?;
            self.sides.writing = Writing::Open;
        }
        Ok(())
    }

    /// Returns when to send the number again even if there is nothing to write.
    fn tells_again(&self, window: &Window) -> Option<Instant> {
        let may_ask = self.sides.closing().is_none() && self.answers.are_heard();
        may_ask.then(|| self.place.again_at(window, self.sides.idle_since())).flatten()
    }

    fn flush(&mut self) -> Result<(), Over> {
        let flushed = self.pipe.flush();
        self.sides.settle(flushed, Writing::Open)?;
        self.mark();
        Ok(())
    }

    fn mark(&mut self) {
        if let Some(stream) = self.pipe.stream() {
            self.arrival.note(stream, self.written);
        }
    }

    /// Ends writing on this connection.
    pub(crate) fn close(&mut self) -> Result<(), Over> {
        if self.sides.closing().is_some() {
            return Ok(());
        }
        // TLS must announce the end too, and does so when there is room.
        let closed = self.pipe.close();
        self.sides.settle(closed, Writing::Closed(Instant::now()))
    }

    /// Whether nothing has been written for `limit`, and everything is acknowledged.
    pub(crate) fn idles(&self, window: &Window, limit: Duration) -> bool {
        window.unacknowledged() == 0 && self.sides.is_idle_for(limit)
    }

    /// Returns when to check again even without events. `is_awaited` says that somebody waits for
    /// acknowledgements.
    pub(crate) fn deadline(
        &self,
        window: &Window,
        delivery: &Delivery,
        is_awaited: bool,
    ) -> Option<Instant> {
        if let Some(due) = self.sides.parting_due() {
            return Some(due);
        }
        let now = Instant::now();
        let outstanding = window.unacknowledged() > 0;
        let polled =
            (outstanding && self.ack == Ack::Kernel).then(|| now + arrival::period(is_awaited));
        let paced = self.pace.due(window);
        let sides = self.sides.deadline(outstanding, delivery);
        let answer = self.sides.answer_due(self.answers.awaited_since());
        [self.has_more.then_some(now), polled, paced, self.tells_again(window), sides, answer]
            .into_iter()
            .flatten()
            .min()
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}
