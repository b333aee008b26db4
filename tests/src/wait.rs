// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waiting for a condition.

use std::time::{Duration, Instant};

/// Maximum duration of any wait before the test fails: 30 s, or `$HEKA_TEST_CEILING` seconds.
///
/// Only a failing test waits that long, so the value can be generous.
pub fn ceiling() -> Duration {
    let seconds = std::env::var("HEKA_TEST_CEILING").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(30))
}

/// Polls until `probe` returns a value, and returns it; panics with `what` at the ceiling.
#[track_caller]
pub fn eventually<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    eventually_or(|| what.to_owned(), probe)
}

/// Like [`eventually`], with a message that is made only when needed.
#[track_caller]
pub(crate) fn eventually_or<T>(
    what: impl FnOnce() -> String,
    mut probe: impl FnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + ceiling();
    loop {
        let is_last = Instant::now() >= deadline;
        if let Some(found) = probe() {
            return found;
        }
        assert!(!is_last, "still not so after {:?}: {}", ceiling(), what());
        pause();
    }
}

/// Waits between two pieces of data from a scripted peer or writer.
#[expect(clippy::disallowed_methods, reason = "a scripted peer keeps to its script's times")]
pub fn rest(duration: Duration) {
    std::thread::sleep(duration);
}

/// Waits between two polls.
#[expect(clippy::disallowed_methods, reason = "the one place that looks again after a while")]
pub(crate) fn pause() {
    std::thread::sleep(Duration::from_millis(3));
}
