// SPDX-License-Identifier: MIT OR Apache-2.0
//! Liveness: the main thread either waits for events or works. If it does neither, the tool hangs,
//! whatever other threads do.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::signal;
use crate::report::{self, main_thread, stats};

static BEATS: AtomicU64 = AtomicU64::new(0);
static IS_WAITING: AtomicBool = AtomicBool::new(false);
/// Whether the tool announces its readiness itself.
static IS_ANNOUNCED: AtomicBool = AtomicBool::new(false);
static IS_READY: AtomicBool = AtomicBool::new(false);
/// Whether a service manager waits for readiness.
static IS_AWAITED: AtomicBool = AtomicBool::new(false);

/// Executes `wait`, during which the tool counts as alive if this is the main thread.
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

/// Notes that the tool is alive. Unless it [announces](announce) readiness, it is also ready.
#[inline]
pub fn beat() {
    BEATS.fetch_add(1, Ordering::Relaxed);
    if IS_AWAITED.load(Ordering::Relaxed) && !IS_ANNOUNCED.load(Ordering::Relaxed) {
        tell();
    }
}

/// Declares that the tool is not ready before it calls [`ready`].
pub fn announce() {
    IS_ANNOUNCED.store(true, Ordering::SeqCst);
}

/// Declares that the tool is ready: it has bound its listening sockets.
pub fn ready() {
    IS_READY.store(true, Ordering::SeqCst);
    tell();
}

fn tell() {
    if IS_AWAITED.swap(false, Ordering::SeqCst) {
        signal::wake_manager();
    }
}

/// Declares that a service manager waits for readiness.
pub(super) fn await_ready() {
    IS_AWAITED.store(true, Ordering::SeqCst);
}

/// The state of liveness at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pulse {
    beats: u64,
    progress: u64,
}

impl Pulse {
    pub(super) fn take() -> Self {
        Self { beats: BEATS.load(Ordering::Relaxed), progress: stats::progress() }
    }

    /// Whether the tool is ready for its work.
    pub(super) fn is_ready(self) -> bool {
        match IS_ANNOUNCED.load(Ordering::SeqCst) {
            true => IS_READY.load(Ordering::SeqCst),
            false => self != Self::default(),
        }
    }

    /// Whether the tool has been alive since `before`.
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
        // Another thread may wait indefinitely.
        assert!(!waiting(|| before.is_alive_since(before)));
        main_thread::mark();
        waiting(|| assert!(before.is_alive_since(before)));
    }
}
