// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether the tool is alive: it waits for something, or it works. What does neither hangs.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::signal;
use crate::report::stats;

static BEATS: AtomicU64 = AtomicU64::new(0);
static IS_WAITING: AtomicBool = AtomicBool::new(false);
/// Whether somebody is to hear when the tool is ready.
static IS_AWAITED: AtomicBool = AtomicBool::new(false);

/// Waits by `wait`: to the outside, the tool is ready and alive meanwhile.
#[inline]
pub fn waiting<T>(wait: impl FnOnce() -> T) -> T {
    beat();
    IS_WAITING.store(true, Ordering::Relaxed);
    let outcome = wait();
    IS_WAITING.store(false, Ordering::Relaxed);
    outcome
}

/// The tool is ready and alive.
#[inline]
pub fn beat() {
    BEATS.fetch_add(1, Ordering::Relaxed);
    if IS_AWAITED.load(Ordering::Relaxed) && IS_AWAITED.swap(false, Ordering::SeqCst) {
        signal::wake_reporter();
    }
}

/// The reporter wants to hear of the first beat.
pub(super) fn await_first() {
    IS_AWAITED.store(true, Ordering::SeqCst);
}

/// What is known of a tool's life at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pulse {
    beats: u64,
    progress: u64,
}

impl Pulse {
    pub(super) fn take() -> Self {
        Self { beats: BEATS.load(Ordering::Relaxed), progress: stats::progress() }
    }

    /// Whether the tool has begun with its work.
    pub(super) fn has_begun(self) -> bool {
        self != Self::default()
    }

    /// Whether the tool is alive, given what was known before.
    pub(super) fn is_alive_since(self, before: Self) -> bool {
        self != before || IS_WAITING.load(Ordering::Relaxed) || stats::is_blocked()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_neither_works_nor_waits_hangs() {
        let before = Pulse { beats: 1, progress: 1 };
        assert!(before.has_begun() && !Pulse::default().has_begun());
        assert!(Pulse { beats: 2, ..before }.is_alive_since(before));
        assert!(Pulse { progress: 2, ..before }.is_alive_since(before));
        waiting(|| assert!(before.is_alive_since(before)));
    }
}
