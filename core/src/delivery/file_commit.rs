// SPDX-License-Identifier: MIT OR Apache-2.0
//! Positions of messages that this process itself writes to a file: stored once they are on the
//! disk (`--write --commit`).

use std::path::Path;

use super::Commit;
use crate::os::{Deadline, Output};
use crate::report::Stop;

/// Under load, the number of messages between two looks at the clock.
const PERIOD: u64 = 1024;

/// Numbers what is written, and commits the positions of it.
#[derive(Debug)]
pub struct FileCommit {
    commit: Commit,
    /// Number of the last message that was put into the output.
    last: u64,
    /// When the positions under load are looked at next.
    next: u64,
}

impl FileCommit {
    /// Opens the file that positions go to. The output must be one that syncs what it writes.
    ///
    /// # Errors
    /// As [`Commit::open`].
    pub fn open(path: &Path) -> Result<Self, Stop> {
        Ok(Self { commit: Commit::open(path)?, last: 0, next: PERIOD })
    }

    /// Number of messages without a position in the output.
    pub fn pass(&mut self, count: u64) {
        self.last += count;
        self.commit.pass(count);
    }

    /// A message that carried this checkpoint was put into the output.
    pub fn put(&mut self, checkpoint: &[u8]) {
        self.last += 1;
        self.commit.note(self.last, checkpoint);
    }

    /// Nothing is to be written for this checkpoint: it counts once all before it is safe.
    pub fn note(&mut self, checkpoint: &[u8]) {
        self.commit.note(self.last, checkpoint);
    }

    /// Whether it is time for [`FileCommit::settle`] though the input does not rest.
    pub fn is_due(&mut self) -> bool {
        if self.last < self.next {
            return false;
        }
        self.next = self.last + PERIOD;
        self.commit.is_due()
    }

    /// Writes what is buffered; then what came is safe, and its positions are stored if it is time
    /// to.
    ///
    /// # Errors
    /// Those of both files.
    pub fn settle(&mut self, out: &mut Output) -> Result<(), Stop> {
        self.advance(out)?;
        self.commit.save_if_due()
    }

    /// When to settle though nothing happens.
    pub fn due(&self) -> Deadline {
        self.commit.due(false)
    }

    /// The same at the end, whether or not it is time.
    ///
    /// # Errors
    /// As [`FileCommit::settle`] and [`Commit::finish`].
    pub fn finish(&mut self, out: &mut Output) -> Result<(), Stop> {
        self.advance(out)?;
        self.commit.finish()
    }

    fn advance(&mut self, out: &mut Output) -> Result<(), Stop> {
        out.flush()?;
        // A gap in the file is not skipped by what is written behind it.
        if !out.has_failed() {
            self.commit.start_block(self.last);
            self.commit.advance(self.last);
        }
        Ok(())
    }
}
