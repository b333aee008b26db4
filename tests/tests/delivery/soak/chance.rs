// SPDX-License-Identifier: MIT OR Apache-2.0
//! The next event and its time: the same for the same seed.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use heka_tests::Random;

pub(crate) struct Chance(Random);

impl Chance {
    /// Creates it from the given seed, or from a new one, which is printed.
    pub(crate) fn new(mode: &str) -> Self {
        let given = std::env::var("HEKA_SOAK_SEED").ok().and_then(|text| text.parse().ok());
        let clock = || SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_nanos() as u64;
        let seed = given.unwrap_or_else(|| clock().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16);
        eprintln!("{mode}: seed {seed} (HEKA_SOAK_SEED={seed} repeats it)");
        Self(Random::new(seed.wrapping_mul(2)))
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0.below(end)
    }

    pub(crate) fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(range.start + self.below(range.end - range.start))
    }

    /// Returns one of several.
    pub(crate) fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}
