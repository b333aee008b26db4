// SPDX-License-Identifier: MIT OR Apache-2.0
//! Positions of messages that this process writes to a file, stored after the messages have been
//! synced (`--write --commit`).

use std::path::Path;

use super::Commit;
use crate::os::{Deadline, Output};
use crate::report::Stop;

/// Under load, number of messages between checks of the clock.
const PERIOD: u64 = 1024;

/// Numbers the written messages, and commits their positions.
#[derive(Debug)]
pub struct FileCommit {
    commit: Commit,
    /// Number of the last message added to the output.
    last: u64,
    /// Number of the message at which to check positions next.
    next: u64,
}

impl FileCommit {
    /// Opens the file for positions. The output must sync what it writes.
    ///
    /// # Errors
    /// As [`Commit::open`].
    pub fn open(path: &Path) -> Result<Self, Stop> {
        Ok(Self { commit: Commit::open(path)?, last: 0, next: PERIOD })
    }

    /// Counts messages without a position that were added to the output.
    pub fn pass(&mut self, count: u64) {
        self.last += count;
        self.commit.pass(count);
    }

    /// Notes a message with this checkpoint that was added to the output.
    pub fn put(&mut self, checkpoint: &[u8]) {
        self.last += 1;
        self.commit.note(self.last, checkpoint);
    }

    /// Notes a checkpoint without a message: it counts once everything before it is safe.
    pub fn note(&mut self, checkpoint: &[u8]) {
        self.commit.note(self.last, checkpoint);
    }

    /// Whether [`FileCommit::settle`] is due even though the input is not idle.
    pub fn is_due(&mut self) -> bool {
        if self.last < self.next {
            return false;
        }
        self.next = self.last + PERIOD;
        self.commit.is_due()
    }

    /// Writes buffered messages, which makes them safe, and stores their positions if it is time
    /// to.
    ///
    /// # Errors
    /// I/O errors of either file.
    pub fn settle(&mut self, out: &mut Output) -> Result<(), Stop> {
        self.advance(out)?;
        self.commit.save_if_due()
    }

    /// Returns when to settle even without events.
    pub fn due(&self) -> Deadline {
        self.commit.due(false)
    }

    /// Like [`FileCommit::settle`], at the end and regardless of time.
    ///
    /// # Errors
    /// As [`FileCommit::settle`] and [`Commit::finish`].
    pub fn finish(&mut self, out: &mut Output) -> Result<(), Stop> {
        self.advance(out)?;
        self.commit.finish()
    }

    fn advance(&mut self, out: &mut Output) -> Result<(), Stop> {
        out.flush()?;
        // A position must not skip a gap in the file.
        if !out.has_failed() {
            self.commit.start_block(self.last);
            self.commit.advance(self.last);
        }
        Ok(())
    }
}
