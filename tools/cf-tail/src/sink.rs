// SPDX-License-Identifier: MIT OR Apache-2.0
//! The destination of envelopes: through the filter, in their form, to a reader that may be slow.
//!
//! A server that pushes is never delayed by the reader: unread output is kept up to a limit, and
//! beyond that envelopes are dropped and counted. A server that is polled is polled no faster than
//! the reader reads.

use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use heka_core::os::{Backlog, Deadline, wait};
use heka_core::report::{self, Status, Stop, stats};
use nix::poll::PollFlags;

use crate::envelope::Envelope;
use crate::filter::Filter;
use crate::form::Writer;

/// The output of the tool.
#[derive(Debug)]
pub(crate) struct Sink {
    out: Backlog,
    writer: Writer,
    filter: Filter,
    /// Maximum number of bytes kept for a slow reader.
    limit: usize,
    /// Number of envelopes that may still be written.
    left: Option<u64>,
    /// Number of envelopes dropped for lack of room.
    dropped: u64,
    written: u64,
    /// Number of malformed envelopes.
    damaged: u64,
    /// Number of envelopes that the server had dropped before they were requested.
    missing: u64,
}

/// A shared handle of the sink, for everything that waits: output continues while waiting for the
/// network.
#[derive(Clone, Debug)]
pub(crate) struct Shared(Arc<Mutex<Sink>>);

impl Shared {
    /// Locks the sink. The lock is never held while waiting for anything else.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Sink> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink {
    /// Creates a sink for at most `max_count` envelopes to `out`.
    pub(crate) fn new(
        out: Backlog,
        writer: Writer,
        filter: Filter,
        limit: usize,
        max_count: Option<u64>,
    ) -> Self {
        Self {
            out,
            writer,
            filter,
            limit,
            left: max_count,
            dropped: 0,
            written: 0,
            damaged: 0,
            missing: 0,
        }
    }

    /// Creates a shared handle.
    pub(crate) fn shared(self) -> Shared {
        Shared(Arc::new(Mutex::new(self)))
    }

    /// Sets the apps by GUID and name, to label messages if there are several.
    pub(crate) fn name_sources(&mut self, names: Vec<(String, String)>) {
        self.writer.name_sources(names);
    }

    /// Writes a document unchanged, followed by a newline.
    ///
    /// # Errors
    /// As the output's.
    pub(crate) fn put_document(&mut self, document: &[u8]) -> Result<(), Stop> {
        let out = self.out.buffer();
        out.extend_from_slice(document);
        if !document.ends_with(b"\n") {
            out.push(b'\n');
        }
        stats::MESSAGES.add(1);
        self.out.end_record()
    }

    /// Whether an envelope is selected.
    pub(crate) fn wants(&self, envelope: &Envelope) -> bool {
        self.filter.takes(envelope)
    }

    /// Writes an envelope if it is selected, and drops it if there is no room.
    ///
    /// # Errors
    /// A write error, the end of the reader, or `Said(Done)` when the requested number is written.
    pub(crate) fn push(&mut self, envelope: &Envelope) -> Result<(), Stop> {
        if !self.filter.takes(envelope) {
            return Ok(());
        }
        if self.out.pending() >= self.limit
            && !self.out.try_flush()?
            && self.out.pending() >= self.limit
        {
            self.dropped += 1;
            stats::skip(stats::Skip::Unsent, 1);
            report::repeated(
                "slow reader",
                "the reader is too slow: messages are dropped (--buffer keeps more)",
            );
            return Ok(());
        }
        self.put(envelope)
    }

    /// Writes an envelope if it is selected, after waiting for room.
    ///
    /// # Errors
    /// As [`Sink::push`], and a signal.
    pub(crate) fn put_waiting(&mut self, envelope: &Envelope) -> Result<(), Stop> {
        if !self.filter.takes(envelope) {
            return Ok(());
        }
        while self.out.pending() >= self.limit && !self.out.try_flush()? {
            self.wait_for(None, None)?;
        }
        self.put(envelope)
    }

    /// Writes an envelope if it is selected, even without room: for envelopes that are in memory
    /// anyway.
    ///
    /// # Errors
    /// As [`Sink::push`].
    pub(crate) fn put_anyway(&mut self, envelope: &Envelope) -> Result<(), Stop> {
        if self.filter.takes(envelope) { self.put(envelope) } else { Ok(()) }
    }

    fn put(&mut self, envelope: &Envelope) -> Result<(), Stop> {
        self.writer.put(self.out.buffer(), envelope);
        self.written += 1;
        stats::MESSAGES.add(1);
        self.out.end_record()?;
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return Err(Stop::Said(Status::Done));
            }
        }
        Ok(())
    }

    /// Reports and counts something malformed.
    pub(crate) fn skip(&mut self, what: impl std::fmt::Display) {
        self.damaged += 1;
        stats::skip(stats::Skip::Invalid, 1);
        report::repeated("skipped", format_args!("{what}, skipped"));
    }

    /// Counts envelopes that can never be read.
    pub(crate) fn miss(&mut self, count: u64) {
        self.missing = self.missing.saturating_add(count);
    }

    /// Waits until `wanted` is ready or the deadline has passed (`false`), and meanwhile writes
    /// what the reader accepts. Without `wanted` it returns as soon as the reader has accepted
    /// something.
    ///
    /// # Errors
    /// A signal, a write error, the end of the reader.
    pub(crate) fn wait_for(
        &mut self,
        wanted: Option<(BorrowedFd<'_>, PollFlags)>,
        deadline: Deadline,
    ) -> Result<bool, Stop> {
        loop {
            self.out.try_flush()?;
            let mut fds: Vec<_> = wanted.into_iter().collect();
            fds.extend(self.out.wanted());
            let ready = wait(&fds, deadline)?;
            let (first, out) = match wanted {
                Some(_) => (ready.first(), ready.get(1)),
                None => (None, ready.first()),
            };
            if out.is_some_and(|out| out.contains(PollFlags::POLLERR)) {
                return Err(Stop::BrokenPipe);
            }
            if first.is_some_and(|first| !first.is_empty()) {
                return Ok(true);
            }
            if wanted.is_none() && out.is_some_and(|out| !out.is_empty()) && deadline.is_none() {
                return Ok(true);
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(false);
            }
        }
    }

    /// Waits for `duration`.
    ///
    /// # Errors
    /// As [`Sink::wait_for`].
    pub(crate) fn pause(&mut self, duration: Duration) -> Result<(), Stop> {
        self.wait_for(None, Some(Instant::now() + duration)).map(drop)
    }

    /// Writes all pending output.
    ///
    /// # Errors
    /// A write error, the end of the reader, a signal.
    pub(crate) fn finish(&mut self) -> Result<(), Stop> {
        // The reader of the output may take long.
        report::print_suppressed();
        self.out.flush()
    }

    /// Returns the number of envelopes written.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Returns the number of envelopes that were lost or malformed.
    pub(crate) fn lost(&self) -> u64 {
        self.dropped + self.damaged + self.missing
    }

    /// Returns the output, for code that waits by itself.
    pub(crate) fn backlog(&mut self) -> &mut Backlog {
        &mut self.out
    }
}
