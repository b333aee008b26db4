// SPDX-License-Identifier: MIT OR Apache-2.0
//! What keeps a tool waiting: a reader, a disk, a peer.

use std::fmt::{Display, Formatter, Result};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use super::counter::Counter;
use super::metric::Values;

/// The start of the wait, on the clock of [`super::now`]; 0 if not waiting.
static SINCE: AtomicU64 = AtomicU64::new(0);
static SUBJECT: AtomicU8 = AtomicU8::new(0);
/// Total time waited for each subject, in nanoseconds.
static TOTALS: [Counter; ALL.len()] = [const { Counter::new() }; ALL.len()];

/// Shorter waits are not reported.
const WORTH_TELLING: Duration = Duration::from_millis(100);

/// The subject of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// The reader of standard output.
    StandardOutput,
    /// The output file.
    OutputFile,
    /// A disk that is syncing.
    Disk,
    /// The other end of a connection.
    Peer,
}

/// The subjects in words and as label values.
const ALL: [(On, &str, &str); 4] = [
    (On::StandardOutput, "standard output", "standard_output"),
    (On::OutputFile, "the output file", "output_file"),
    (On::Disk, "the disk", "disk"),
    (On::Peer, "the peer", "peer"),
];

/// Notes that the tool begins to wait.
pub fn blocked_on(subject: On) {
    let now = super::now();
    add_until(now);
    SUBJECT.store(subject as u8, Ordering::Relaxed);
    SINCE.store(now, Ordering::Relaxed);
}

/// Notes whether the tool is waiting for `subject`; called on every check.
pub fn note_blocked(subject: On, is_waiting: bool) {
    if !is_waiting {
        flows();
    } else if !is_blocked() {
        blocked_on(subject);
    }
}

/// Notes that data was accepted and the tool continues.
pub fn flows() {
    if is_blocked() {
        add_until(super::now());
        SINCE.store(0, Ordering::Relaxed);
    }
}

/// Runs `work`, which may wait for `subject` in addition to any wait in progress.
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

/// Whether the tool is waiting.
pub fn is_blocked() -> bool {
    SINCE.load(Ordering::Relaxed) > 0
}

fn add_until(now: u64) {
    let since = SINCE.load(Ordering::Relaxed);
    let total = TOTALS.get(usize::from(SUBJECT.load(Ordering::Relaxed)));
    if let Some(total) = total.filter(|_| since > 0) {
        total.add(now.saturating_sub(since));
    }
}

/// Adds the total time waited for each subject, including a wait in progress.
pub(super) fn put_totals(all: &mut Values) {
    let waits_for = SUBJECT.load(Ordering::Relaxed);
    for ((on, _, label), total) in ALL.iter().zip(&TOTALS) {
        let now = if *on as u8 == waits_for { super::nanoseconds(span()) } else { 0 };
        all.put(*label, total.value() + now);
    }
}

/// Returns the subject and the duration of the wait in progress.
pub(super) fn now() -> Option<(Subject, Duration)> {
    let span = span();
    (span >= WORTH_TELLING).then(|| (Subject(SUBJECT.load(Ordering::Relaxed)), span))
}

/// Returns the duration of the wait in progress.
pub(super) fn span() -> Duration {
    match SINCE.load(Ordering::Relaxed) {
        0 => Duration::ZERO,
        since => Duration::from_nanos(super::now().saturating_sub(since)),
    }
}

/// The name of a subject.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject(u8);

impl Display for Subject {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(ALL.get(usize::from(self.0)).map_or("", |(_, words, _)| words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_waited_for_has_the_place_of_its_number() {
        for (index, (on, ..)) in ALL.iter().enumerate() {
            assert_eq!(*on as usize, index);
        }
    }
}
