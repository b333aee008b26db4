// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which thread does a tool's work: what others wait for says nothing about it.

use std::cell::Cell;

thread_local! {
    static IS_THIS: Cell<bool> = const { Cell::new(false) };
}

/// It is this one.
pub fn mark() {
    IS_THIS.set(true);
}

/// Whether it is this one.
#[inline]
pub fn is_this() -> bool {
    IS_THIS.get()
}
