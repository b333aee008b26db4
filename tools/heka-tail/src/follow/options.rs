// SPDX-License-Identifier: MIT OR Apache-2.0
//! Options of following.

use std::path::PathBuf;
use std::time::Duration;

use super::start::Start;
use heka_core::os::clock;

/// Options of following.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Where to start in a file that exists at the start and has no position.
    pub(crate) start: Start,
    /// The byte that ends a line, for [`Start`].
    pub(crate) delimiter: u8,
    /// Whether to follow files; otherwise each is read to its end once.
    pub(crate) follow: bool,
    /// Whether to wait for missing files.
    pub(crate) wait_for_files: bool,
    /// Whether to follow the name; otherwise the file that had it at the start.
    pub(crate) by_name: bool,
    /// How long a file left behind is kept open for late lines.
    pub(crate) rotate_wait: Duration,
    /// Whether a later run continues where this one ends.
    pub(crate) goes_on: bool,
    /// How long held data waits for the end of its record before [`More::Idle`].
    pub(crate) timeout: Option<Duration>,
    /// Whether to decompress files.
    pub(crate) unpacks: bool,
    /// Interval of polling where there are no notifications.
    pub(crate) sleep_interval: Duration,
    /// Directories to which rotated files are moved.
    pub(crate) rotated_directories: Vec<PathBuf>,
}

impl Options {
    /// Returns how long a file left behind is kept open for late lines. A run that does not follow
    /// does not wait; the next run looks for them in a file that was written recently.
    pub(crate) fn grace(&self, modified: u64) -> Duration {
        if self.follow {
            return self.rotate_wait;
        }
        let now = u64::try_from(clock::now_ns()).unwrap_or(0);
        let age = Duration::from_nanos(now.saturating_sub(modified));
        if self.goes_on { self.rotate_wait.saturating_sub(age) } else { Duration::ZERO }
    }
}
