// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether the tool is alive: its main thread waits for something, or it works. What does neither
//! hangs, whatever other threads do.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::signal;
use crate::report::{self, main_thread, stats};

static BEATS: AtomicU64 = AtomicU64::new(0);
static IS_WAITING: AtomicBool = AtomicBool::new(false);
/// The tool says itself when it is ready.
static IS_ANNOUNCED: AtomicBool = AtomicBool::new(false);
static IS_READY: AtomicBool = AtomicBool::new(false);
/// Whether somebody is to hear when the tool is ready.
static IS_AWAITED: AtomicBool = AtomicBool::new(false);

/// Waits by `wait`: to the outside, the tool is alive meanwhile if this is the main thread.
#[inline]
pub fn waiting<T>(wait: impl FnOnce() -> T) -> T {
    if !main_thread::is_this() {
        return wait();
    }
    beat();
    IS_WAITING.store(true, Ordering::Relaxed);
    let outcome = wait();
    IS_WAITING.store(false, Ordering::Relaxed);
    outcome
}

/// The tool is alive. Unless it [announces](announce) that, it is ready too.
#[inline]
pub fn beat() {
    BEATS.fetch_add(1, Ordering::Relaxed);
    if IS_AWAITED.load(Ordering::Relaxed) && !IS_ANNOUNCED.load(Ordering::Relaxed) {
        tell();
    }
}

/// The tool is not ready before it says so by [`ready`].
pub fn announce() {
    IS_ANNOUNCED.store(true, Ordering::SeqCst);
}

/// The tool is ready: it has bound what others connect to.
pub fn ready() {
    IS_READY.store(true, Ordering::SeqCst);
    tell();
}

fn tell() {
    if IS_AWAITED.swap(false, Ordering::SeqCst) {
        signal::wake_manager();
    }
}

/// The service manager wants to hear when the tool is ready.
pub(super) fn await_ready() {
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

    /// Whether the tool does what it is for.
    pub(super) fn is_ready(self) -> bool {
        match IS_ANNOUNCED.load(Ordering::SeqCst) {
            true => IS_READY.load(Ordering::SeqCst),
            false => self != Self::default(),
        }
    }

    /// Whether the tool is alive, given what was known before.
    pub(super) fn is_alive_since(self, before: Self) -> bool {
        let waits = IS_WAITING.load(Ordering::Relaxed) || report::is_saying();
        self != before || waits || stats::is_blocked()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_neither_works_nor_waits_hangs() {
        let before = Pulse { beats: 1, progress: 1 };
        assert!(before.is_ready() && !Pulse::default().is_ready());
        assert!(Pulse { beats: 2, ..before }.is_alive_since(before));
        assert!(Pulse { progress: 2, ..before }.is_alive_since(before));
        // Another thread may wait as long as it likes.
        assert!(!waiting(|| before.is_alive_since(before)));
        main_thread::mark();
        waiting(|| assert!(before.is_alive_since(before)));
    }
}
