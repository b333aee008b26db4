// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reproducible pseudo-random numbers.

/// xorshift64*.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Creates the sequence of `seed`; bit 0 is ignored.
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// Creates the sequence of `seed`, for seeds such as 1, 2, 3.
    pub fn spread(seed: u64) -> Self {
        Self::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// Returns the next number, less than `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }

    /// Returns one of the items.
    pub fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[usize::try_from(self.below(of.len() as u64)).expect("few")]
    }
}
