// SPDX-License-Identifier: MIT OR Apache-2.0
//! The work done to read a stream.

/// Work done, and the limit at which the caller is asked again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    pub(super) done: u64,
    pub(super) allowed: u64,
}

impl Effort {
    pub(super) const UNLIMITED: Self = Self { done: 0, allowed: u64::MAX };

    #[inline]
    pub(super) fn add(&mut self, steps: usize) {
        self.done += steps as u64;
    }

    /// Adds the (low) cost of searching `len` bytes for one byte.
    #[inline]
    pub(super) fn add_search(&mut self, len: usize) {
        self.done += 1 + len as u64 / 64;
    }

    #[inline]
    pub(super) fn is_spent(&self) -> bool {
        self.done >= self.allowed
    }
}
