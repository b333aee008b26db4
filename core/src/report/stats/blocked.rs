// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a tool cannot go on without: a reader, a disk, a peer.

use std::fmt::{Display, Formatter, Result};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use super::counter::Counter;

/// Since when, on the clock of [`super::now`]; 0 if nothing is waited for.
static SINCE: AtomicU64 = AtomicU64::new(0);
static SUBJECT: AtomicU8 = AtomicU8::new(0);
/// All that was waited so far, in nanoseconds.
pub(super) static TOTAL: Counter = Counter::new();

/// A write that takes less than this is not worth a word.
const WORTH_TELLING: Duration = Duration::from_millis(100);

/// What may keep a tool waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// The reader of standard output.
    StandardOutput,
    /// The file that is written.
    OutputFile,
    /// A disk that is to sync what was written.
    Disk,
    /// The other end of a connection.
    Peer,
}

impl On {
    fn name(number: u8) -> &'static str {
        match number {
            0 => "standard output",
            1 => "the output file",
            2 => "the disk",
            _ => "the peer",
        }
    }
}

/// The tool waits from now on.
pub fn blocked_on(subject: On) {
    let now = super::now();
    add_until(now);
    SUBJECT.store(subject as u8, Ordering::Relaxed);
    SINCE.store(now, Ordering::Relaxed);
}

/// The tool waits for `subject`, or not: told each time that it looks.
pub fn note_blocked(subject: On, is_waiting: bool) {
    if !is_waiting {
        flows();
    } else if !is_blocked() {
        blocked_on(subject);
    }
}

/// Something was taken, and the tool goes on.
pub fn flows() {
    if is_blocked() {
        add_until(super::now());
        SINCE.store(0, Ordering::Relaxed);
    }
}

/// `work` may keep the tool waiting for `subject`, on top of what it waits for already.
pub fn blocked_while<T>(subject: On, work: impl FnOnce() -> T) -> T {
    let before = (SUBJECT.load(Ordering::Relaxed), SINCE.load(Ordering::Relaxed));
    blocked_on(subject);
    let outcome = work();
    flows();
    SUBJECT.store(before.0, Ordering::Relaxed);
    if before.1 > 0 {
        SINCE.store(super::now(), Ordering::Relaxed);
    }
    outcome
}

/// Whether the tool waits.
pub fn is_blocked() -> bool {
    SINCE.load(Ordering::Relaxed) > 0
}

fn add_until(now: u64) {
    let since = SINCE.load(Ordering::Relaxed);
    if since > 0 {
        TOTAL.add(now.saturating_sub(since));
    }
}

/// What is waited for, and how long.
pub(super) fn now() -> Option<(Subject, Duration)> {
    let span = span();
    (span >= WORTH_TELLING).then(|| (Subject(SUBJECT.load(Ordering::Relaxed)), span))
}

/// How long the tool has waited.
pub(super) fn span() -> Duration {
    match SINCE.load(Ordering::Relaxed) {
        0 => Duration::ZERO,
        since => Duration::from_nanos(super::now().saturating_sub(since)),
    }
}

/// The name of what is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject(u8);

impl Display for Subject {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(On::name(self.0))
    }
}
