// SPDX-License-Identifier: MIT OR Apache-2.0
//! Identifies the thread that does a tool's work: the waiting of other threads does not count.

use std::cell::Cell;

thread_local! {
    static IS_THIS: Cell<bool> = const { Cell::new(false) };
}

/// Marks the current thread as the main one.
pub fn mark() {
    IS_THIS.set(true);
}

/// Whether the current thread is the main one.
#[inline]
pub fn is_this() -> bool {
    IS_THIS.get()
}
