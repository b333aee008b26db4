// SPDX-License-Identifier: MIT OR Apache-2.0
//! One sender: its stream, its incomplete record, and its answers.

mod answers;
mod next;

use std::io::{ErrorKind, Read as _};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use heka_core::net::{Interest, Stream, tls};
use heka_core::os::{Kind, detect, wait};
use heka_core::record::{More, Unread};
use heka_core::report::{self, Stop, stats};
use nix::poll::PollFlags;

use self::answers::Answers;
pub(crate) use self::next::Next;
use self::next::Unfinished;
use crate::cli::InputForm;
use crate::doors::Newcomer;
use crate::intake::Intake;
use crate::numbers::{self, Arrivals};
use crate::place::{News, Place};
use crate::relay::Relay;
use crate::source::{Source, Taken};
use crate::transport::Transport;

/// An unfinished record of up to this size is copied in front of the next read; a longer one is
/// kept in its own buffer.
pub(crate) const SHORT: usize = 16 * 1024;

/// A sender's connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: Stream,
    pub(crate) peer: String,
    way: Transport,
    /// Its number, if it is one of [`Programs`](crate::programs::Programs).
    pub(crate) program: Option<usize>,
    /// Number of bytes received.
    pub(crate) received: u64,
    /// The counts of its listener.
    pub(crate) arrivals: Arrivals,
    /// Time of the last activity.
    active: Instant,
    /// Events registered with the poller; `None` if not registered.
    pub(crate) interest: Option<Interest>,
    /// `None` until its first bytes show the format.
    source: Option<Source>,
    /// Whether nothing has arrived yet, so that TLS can be detected where it is not supported.
    may_begin_tls: bool,
    /// The beginning of an incomplete record, or records that wait for another turn.
    pub(crate) rest: Unread,
    /// Whether the last read filled its buffer: there may be more to read, or not.
    was_filled: bool,
    /// The state with which the next turn continues before anything is read.
    unfinished: Option<Unfinished>,
    /// Whether another turn is needed, even if there is nothing to read.
    pub(crate) is_busy: bool,
    /// Whether nothing more is read.
    pub(crate) is_ended: bool,
    /// Whether reading is paused because memory is short.
    pub(crate) is_paused: bool,
    /// Number of bytes counted for it in the memory of all senders.
    pub(crate) counted: usize,
    /// Since when its record, or the TLS handshake, is unfinished.
    begun: Option<Instant>,
    /// Size of the rest at which another attempt is worthwhile.
    need: usize,
    place: Place,
    /// Number of acknowledged records.
    pub(crate) acknowledged: u64,
    answers: Answers,
}

impl Connection {
    pub(crate) fn new(newcomer: Newcomer, form: InputForm, intake: &Intake) -> Self {
        let Newcomer { stream, peer, way, arrivals, program } = newcomer;
        let source = match form {
            InputForm::Auto => None,
            InputForm::Heka => Some(intake.sources.frames(way.is_local())),
            InputForm::Lines => Some(intake.sources.lines(&peer, way)),
            InputForm::Syslog => Some(intake.sources.syslog(&peer, way)),
            InputForm::Gelf => Some(intake.sources.gelf(&peer, way)),
            InputForm::Raw => Some(intake.sources.bytes(&peer, way)),
        };
        Self {
            begun: stream.is_tls().then(Instant::now),
            may_begin_tls: !stream.is_tls() && form != InputForm::Raw,
            stream,
            peer,
            way,
            program,
            received: 0,
            arrivals,
            active: Instant::now(),
            interest: Some(Interest::READ),
            source,
            rest: Unread::default(),
            was_filled: false,
            unfinished: None,
            is_busy: false,
            is_ended: false,
            is_paused: false,
            counted: 0,
            need: 0,
            place: Place::default(),
            acknowledged: 0,
            answers: Answers::default(),
        }
    }

    /// Takes its turn: accepts the complete records that were left the last time, then those of one
    /// read, or of several if TLS holds data back.
    ///
    /// # Errors
    /// Errors of the output, which end the tool.
    pub(crate) fn read(&mut self, buffer: &mut [u8], intake: &mut Intake) -> Result<Next, Stop> {
        self.active = Instant::now();
        let next = self.read_turn(buffer, intake)?;
        let is_unfinished = !self.rest.is_empty() || self.stream.is_handshaking();
        self.begun = self.begun.or(Some(self.active)).filter(|_| is_unfinished);
        Ok(next)
    }

    fn read_turn(&mut self, buffer: &mut [u8], intake: &mut Intake) -> Result<Next, Stop> {
        if self.place.is_left() {
            // Everything unacknowledged is sent again on the other connection.
            report::note(format_args!("{}: its sender has a new connection", self.peer));
            return Ok(Next::End);
        }
        if self.place.is_over() {
            return Ok(Next::End);
        }
        intake.turn.begin();
        if let Some(Unfinished { more, error }) = self.unfinished.take() {
            let next = self.take_rest(more, error, intake)?;
            let has_buffered = self.stream.has_buffered();
            self.is_busy = self.unfinished.is_some() || has_buffered || self.was_filled;
            return Ok(if self.place.is_over() { Next::End } else { next });
        }
        loop {
            let next = self.read_once(buffer, intake)?;
            if self.place.is_over() {
                return Ok(Next::End);
            }
            let has_buffered = self.stream.has_buffered();
            let is_over = intake.turn.is_over() || self.unfinished.is_some();
            if !matches!(next, Next::Continue) || intake.is_full() || is_over || !has_buffered {
                self.is_busy = self.unfinished.is_some() || has_buffered || self.was_filled;
                return Ok(next);
            }
        }
    }

    fn read_once(&mut self, buffer: &mut [u8], intake: &mut Intake) -> Result<Next, Stop> {
        if self.rest.len() > SHORT {
            return self.read_behind_rest(buffer, intake);
        }
        let kept = self.rest.len();
        let (front, room) = buffer.split_at_mut(kept.min(buffer.len()));
        front.copy_from_slice(self.rest.data());
        let len = match self.stream.read(room) {
            Ok(len) => len,
            Err(error) => return self.read_nothing(error, intake),
        };
        self.received += len as u64;
        stats::BYTES_IN.add(len as u64);
        self.was_filled = len > 0 && len == room.len();
        let more = match len {
            0 => More::Ended,
            _ if self.was_filled => More::Coming,
            _ => More::Idle,
        };
        let data = buffer.get(..kept + len).unwrap_or_default();
        if std::mem::take(&mut self.may_begin_tls) && tls::is_client_hello(data) {
            return Ok(self.refuse_tls());
        }
        if data.len() < self.need && more != More::Ended {
            self.rest.extend(data.get(kept..).unwrap_or_default());
            return Ok(Next::Continue);
        }
        let taken = self.split(data, more, intake)?;
        self.rest.set(data.get(taken.done..).unwrap_or_default());
        Ok(self.next(&taken, more, None))
    }

    fn read_behind_rest(&mut self, buffer: &mut [u8], intake: &mut Intake) -> Result<Next, Stop> {
        let len = match self.stream.read(buffer) {
            Ok(len) => len,
            Err(error) => return self.read_nothing(error, intake),
        };
        self.was_filled = false;
        self.received += len as u64;
        stats::BYTES_IN.add(len as u64);
        self.rest.extend(buffer.get(..len).unwrap_or_default());
        let more = if len == 0 { More::Ended } else { More::Idle };
        if self.rest.len() < self.need && more != More::Ended {
            return Ok(Next::Continue);
        }
        self.take_rest(more, None, intake)
    }

    /// Ends the connection of a sender that begins with TLS, with an answer that shows that TLS is
    /// not supported here.
    fn refuse_tls(&mut self) -> Next {
        self.answers.put_nothing();
        // A peer that has gone needs no answer.
        let _gone = self.send();
        Next::Broken(std::io::Error::other("speaks TLS to a port without it (tls:// has it)"))
    }

    fn read_nothing(&mut self, error: std::io::Error, intake: &mut Intake) -> Result<Next, Stop> {
        match error.kind() {
            ErrorKind::WouldBlock if std::mem::take(&mut self.was_filled) => {
                self.take_rest(More::Idle, None, intake)
            }
            ErrorKind::WouldBlock | ErrorKind::Interrupted => Ok(Next::Continue),
            _ => self.take_rest(More::Ended, Some(error), intake),
        }
    }

    /// Stops waiting for the unfinished record: what there is of it is accepted, in turns, as at
    /// the end of the stream.
    pub(crate) fn give_up(&mut self) {
        self.unfinished = Some(Unfinished { more: More::Ended, error: None });
        self.is_busy = true;
    }

    fn take_rest(
        &mut self,
        more: More,
        error: Option<std::io::Error>,
        intake: &mut Intake,
    ) -> Result<Next, Stop> {
        let rest = std::mem::take(&mut self.rest);
        let taken = self.split(rest.data(), more, intake)?;
        self.rest = rest;
        self.rest.consume(taken.done);
        Ok(self.next(&taken, more, error))
    }

    /// Returns how the connection continues after `len` of the available bytes were consumed.
    fn next(&mut self, taken: &Taken, more: More, error: Option<std::io::Error>) -> Next {
        if taken.is_cut {
            self.unfinished = Some(Unfinished { more, error });
            return Next::Continue;
        }
        match error {
            Some(error) => Next::Broken(error),
            None if more == More::Ended => Next::End,
            None => Next::Continue,
        }
    }

    /// Accepts the records at the front of `data`.
    fn split(&mut self, data: &[u8], more: More, intake: &mut Intake) -> Result<Taken, Stop> {
        if self.source.is_none() {
            self.source = match detect(data, more) {
                Some(Kind::Frames) => Some(intake.sources.frames(self.way.is_local())),
                Some(Kind::Text) => Some(intake.sources.lines(&self.peer, self.way)),
                None => None,
            };
        }
        let Some(source) = &mut self.source else { return Ok(Taken::default()) };
        let taken = intake.receive(source, &mut self.place, &self.peer, data, more)?;
        self.need = taken.need;
        if taken.done > 0 {
            // The rest is the beginning of another record, or of another part of a long one.
            self.begun = None;
        }
        Ok(taken)
    }

    /// Acknowledges everything received, once it is written, or once later stages have delivered it
    /// if they count.
    pub(crate) fn acknowledge(&mut self, relay: Option<&Relay>) -> std::io::Result<()> {
        // Acknowledgements that were not accepted yet are superseded by the next one.
        if self.answers.are_sent() {
            while let Some(news) = self.place.news(relay) {
                self.active = Instant::now();
                self.tell(&news);
            }
        }
        self.send()
    }

    /// Whether the sender waits for delivery by later stages.
    pub(crate) fn owes(&self) -> bool {
        self.place.owes() && !self.place.is_left()
    }

    /// Sends a sign of life to a waiting sender.
    pub(crate) fn reassure(&mut self) -> std::io::Result<()> {
        if self.answers.are_sent()
            && let Some(news) = self.place.repeat().filter(|_| self.owes())
        {
            self.tell(&news);
        }
        self.send()
    }

    /// Ends reading; the sender still gets its answers.
    pub(crate) fn end(&mut self) {
        self.is_ended = true;
        self.is_busy = false;
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_done(&self) -> bool {
        self.is_ended && !self.owes() && self.answers.are_sent() && !self.stream.wants_write()
    }

    fn tell(&mut self, news: &News) {
        let counter = match news.refused {
            Some(_) => &numbers::REFUSED,
            None => {
                self.acknowledged += news.count;
                &numbers::ACKNOWLEDGED
            }
        };
        counter.add(news.count);
        self.answers.put(news);
    }

    /// Writes answers, as much as the sender accepts now.
    pub(crate) fn send(&mut self) -> std::io::Result<()> {
        self.answers.send(&mut self.stream)
    }

    /// Returns the memory used for unfinished data.
    pub(crate) fn held(&self) -> usize {
        self.rest.capacity()
    }

    /// Resumes reading after memory has become available.
    pub(crate) fn resume(&mut self) {
        self.is_paused = false;
        self.active = Instant::now();
    }

    /// Whether a record has been unfinished for `limit`, with no more of it waiting to be read.
    ///
    /// # Errors
    /// A signal that requests the end.
    pub(crate) fn is_unfinished_for(&self, limit: Duration) -> Result<bool, Stop> {
        match self.begun {
            Some(begun) if begun.elapsed() >= limit && !self.is_busy => self.has_nothing_to_read(),
            _ => Ok(false),
        }
    }

    /// Whether no more data waits to be read.
    ///
    /// # Errors
    /// A signal that requests the end.
    pub(crate) fn has_nothing_to_read(&self) -> Result<bool, Stop> {
        let now = Some(Instant::now());
        let ready = wait(&[(self.stream.as_fd(), PollFlags::POLLIN)], now)?;
        Ok(ready.iter().all(PollFlags::is_empty))
    }

    /// Whether there was no activity for `limit`. Data that waits to be read is activity: a slow
    /// reader of the output may have prevented reading it.
    ///
    /// # Errors
    /// A signal that requests the end.
    pub(crate) fn idles(&self, limit: Duration) -> Result<bool, Stop> {
        let waits_for_us = self.owes() && self.answers.are_sent();
        if self.is_busy || waits_for_us || self.active.elapsed() < limit {
            return Ok(false);
        }
        self.has_nothing_to_read()
    }

    /// Returns the events to wait for: none while it waits for memory, as its end would be reported
    /// repeatedly.
    pub(crate) fn wanted(&self) -> Option<Interest> {
        let write = !self.answers.are_sent() || self.stream.wants_write();
        let read = !self.is_busy && !self.is_ended && !self.is_paused;
        (write || !self.is_paused).then_some(Interest { read, write })
    }
}

impl Drop for Connection {
    /// Ends the TLS session of a sender, after its answers.
    fn drop(&mut self) {
        if self.stream.is_tls() {
            // As far as possible without waiting.
            let _taken = self.send().and_then(|()| self.stream.shutdown_write());
        }
    }
}

#[cfg(test)]
mod tests;
