// SPDX-License-Identifier: MIT OR Apache-2.0
//! How streams are followed.

use std::path::PathBuf;
use std::time::Duration;

use super::start::Start;
use heka_core::os::clock;

/// How streams are followed.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Where to start in a file that is there at the start and has no position.
    pub(crate) start: Start,
    /// The byte that ends a line, for [`Start`].
    pub(crate) delimiter: u8,
    /// Whether files are followed; else each is read to its end once.
    pub(crate) follow: bool,
    /// Whether files that are not there are waited for.
    pub(crate) wait_for_files: bool,
    /// Whether the name counts; else the file that had it at the start.
    pub(crate) by_name: bool,
    /// How long a file that was left behind is kept open for late lines.
    pub(crate) rotate_wait: Duration,
    /// Whether a later run goes on where this one ends.
    pub(crate) goes_on: bool,
    /// How long what is held waits for its record's end before [`More::Idle`].
    pub(crate) timeout: Option<Duration>,
    /// Whether compressed files are unpacked.
    pub(crate) unpacks: bool,
    /// Time between looks at what nothing reports.
    pub(crate) sleep_interval: Duration,
    /// Directories that rotated files are moved to.
    pub(crate) rotated_directories: Vec<PathBuf>,
}

impl Options {
    /// How long a file that was left behind is kept open for late lines. A run that does not follow
    /// does not wait; the next one looks for them in a file that was written a moment ago.
    pub(crate) fn grace(&self, modified: u64) -> Duration {
        if self.follow {
            return self.rotate_wait;
        }
        let now = u64::try_from(clock::now_ns()).unwrap_or(0);
        let age = Duration::from_nanos(now.saturating_sub(modified));
        if self.goes_on { self.rotate_wait.saturating_sub(age) } else { Duration::ZERO }
    }
}
