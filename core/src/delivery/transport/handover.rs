// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages from the broker that have been written to standard output and are not yet known to be
//! safe.

use std::collections::VecDeque;
use std::time::Instant;

use super::{Answers, Converter, Origin};
use crate::os::{Backlog, Output, Wanted, clock, wait_at_the_end};
use crate::report::{Stop, stats};
use crate::wire::{Header, put_frame};
use nix::poll::PollFlags;

/// Maximum number of bytes pending for the reader before reading from the broker pauses.
const MOST_PENDING: usize = 1024 * 1024;
/// Maximum number of messages before reading pauses until all are written, if there are no answers
/// about safety.
const MOST_OPEN: usize = 4096;

/// A broker's message that is not known to be safe.
#[derive(Debug)]
struct Open<T> {
    /// Number of its last record.
    last: u64,
    len: usize,
    what: T,
}

/// Messages handed over, each with the data needed to acknowledge it to the broker.
#[derive(Debug)]
pub struct Handover<T> {
    out: Backlog,
    converter: Converter,
    /// heka-listen's answers; without them, written messages are safe.
    answers: Option<Answers>,
    open: VecDeque<Open<T>>,
    /// Size in bytes of the messages in `open`, and its limit.
    bytes: usize,
    limit: usize,
    /// Number of the last record handed over, and of the last one that is safe.
    last: u64,
    safe: u64,
    is_written: bool,
}

impl<T> Handover<T> {
    /// Hands over to `out`, about `limit` bytes at a time. With `has_answers`, standard input says
    /// what is safe, and the output begins with the frame that requests that.
    ///
    /// # Errors
    /// If standard input is closed.
    pub fn new(
        out: Output,
        converter: Converter,
        limit: usize,
        has_answers: bool,
    ) -> Result<Self, Stop> {
        let mut out = Backlog::new(out);
        let answers = has_answers.then(Answers::new).transpose()?;
        if answers.is_some() {
            let id = clock::random_uuid();
            let header = Header { stream_id: Some(&id), sequence: Some(0), ..Header::default() };
            // A header of a few bytes always fits.
            let _fits = put_frame(out.buffer(), header, &[]);
        }
        let (open, is_written) = (VecDeque::new(), false);
        Ok(Self { out, converter, answers, open, bytes: 0, limit, last: 0, safe: 0, is_written })
    }

    /// Hands over a message; [`Handover::next_safe`] returns `what` once it is safe.
    pub fn put(&mut self, payload: &[u8], origin: &impl Origin, what: T) {
        let count = self.converter.put(self.out.buffer(), payload, origin);
        stats::MESSAGES.add(count);
        stats::BYTES_IN.add(payload.len() as u64);
        self.last += count;
        self.bytes += payload.len();
        self.open.push_back(Open { last: self.last, len: payload.len(), what });
    }

    /// Whether there is room for more.
    pub fn has_room(&self) -> bool {
        let pending = self.out.pending();
        // Without answers, everything has to be written from time to time.
        let may_be_told = self.answers.is_some() || self.open.len() < MOST_OPEN;
        pending < MOST_PENDING && (pending == 0 || may_be_told) && self.bytes < self.limit
    }

    /// Writes as much as the reader accepts, and reads its answers; `false` if the reader has gone.
    ///
    /// # Errors
    /// If writing or reading fails.
    pub fn serve(&mut self) -> Result<bool, Stop> {
        self.is_written = self.out.try_flush()?;
        self.hear()
    }

    fn hear(&mut self) -> Result<bool, Stop> {
        match &mut self.answers {
            None if self.is_written => self.safe = self.last,
            None => {}
            Some(answers) => {
                let is_there = answers.take()?;
                self.safe = answers.done();
                return Ok(is_there);
            }
        }
        Ok(true)
    }

    /// Returns the next message that is safe, or is known never to become safe.
    pub fn next_safe(&mut self) -> Option<T> {
        if self.open.front()?.last > self.safe {
            return None;
        }
        let open = self.open.pop_front()?;
        self.bytes -= open.len;
        Some(open.what)
    }

    /// Returns the messages that are not known to be safe.
    pub fn open(&self) -> impl ExactSizeIterator<Item = &T> {
        self.open.iter().map(|open| &open.what)
    }

    /// Whether everything is written and answered.
    pub fn is_done(&self) -> bool {
        self.is_written && self.open.is_empty()
    }

    /// Whether a message could not be converted, or was refused.
    pub fn has_lost(&self) -> bool {
        let has_refused = self.answers.as_ref().is_some_and(|answers| answers.has_refused);
        has_refused || self.converter.has_lost
    }

    /// Returns the descriptors to wait for.
    pub fn wanted(&self) -> impl Iterator<Item = Wanted<'_>> {
        let answers = self.answers.as_ref().map(|answers| (answers.fd(), PollFlags::POLLIN));
        self.out.wanted().into_iter().chain(answers)
    }

    /// Waits after the end or a signal, at most until `until`, for messages to become safe, and
    /// passes them to `is_safe`. All others will be read again.
    pub fn finish(&mut self, until: Instant, mut is_safe: impl FnMut(T)) {
        // Without answers, the reader gets time to read everything.
        self.is_written = self.answers.is_none() && self.out.flush().is_ok();
        loop {
            let is_there = self.hear().unwrap_or(false);
            while let Some(what) = self.next_safe() {
                is_safe(what);
            }
            let Some(answers) = self.answers.as_ref().filter(|_| is_there) else { return };
            if self.open.is_empty() || Instant::now() >= until {
                return;
            }
            let _ready = wait_at_the_end(&[(answers.fd(), PollFlags::POLLIN)], Some(until));
            let _flushed = self.out.try_flush();
        }
    }
}
