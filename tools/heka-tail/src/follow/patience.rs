// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long what is held of a file waits for its record's end.

use std::time::Instant;

use super::file::OpenFile;
use super::options::Options;

/// How long what is held of a file has been waiting for its record's end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// When something came last; none once the wait is over, and what there is was shown for it.
    last_data: Option<Instant>,
}

impl Patience {
    pub(crate) fn new(now: Instant) -> Self {
        Self { last_data: Some(now) }
    }

    /// When what is held of `file` is shown once more.
    pub(crate) fn deadline(self, file: &OpenFile, options: &Options) -> Option<Instant> {
        let timeout = options.timeout.filter(|_| file.held() > 0)?;
        Some(self.last_data? + timeout)
    }

    /// Whether that is now; `true` once.
    pub(crate) fn take_due(&mut self, file: &OpenFile, options: &Options, now: Instant) -> bool {
        let is_due = self.deadline(file, options).is_some_and(|due| due <= now);
        self.last_data = self.last_data.filter(|_| !is_due);
        is_due
    }
}
