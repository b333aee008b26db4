// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long held data waits for the end of its record.

use std::time::Instant;

use super::file::OpenFile;
use super::options::Options;

/// Whether a file ends in NUL bytes: it was extended, and may be filled through mmap(2), which is not
/// reported.
pub(crate) fn is_to_be_filled(file: &OpenFile) -> bool {
    file.held().last() == Some(&0)
}

/// Whether only NUL bytes are held.
pub(crate) fn is_hole(file: &OpenFile) -> bool {
    !file.held().iter().any(|&byte| byte != 0)
}

/// The wait of held data for the end of its record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Time of the last data; `None` once the wait is over and the data has been presented.
    last_data: Option<Instant>,
}

impl Patience {
    pub(crate) fn new(now: Instant) -> Self {
        Self { last_data: Some(now) }
    }

    /// Returns when the held data of `file` is presented again.
    pub(crate) fn deadline(self, file: &OpenFile, options: &Options) -> Option<Instant> {
        let timeout = options.timeout.filter(|_| !file.held().is_empty())?;
        Some(self.last_data? + timeout)
    }

    /// Whether the wait is over now; `true` only once.
    pub(crate) fn take_due(&mut self, file: &OpenFile, options: &Options, now: Instant) -> bool {
        let is_due = self.deadline(file, options).is_some_and(|due| due <= now);
        self.last_data = self.last_data.filter(|_| !is_due);
        is_due
    }
}
