// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--max-memory`: the limit on the unfinished records of all peers together.
//!
//! When there is too much of them, peers with the beginning of a long record are not read for a
//! while, except for one, which may finish its record. If others wait and it does not continue, it
//! is disconnected: so the shortage ends, whatever peers do.

use std::time::{Duration, Instant};

use heka_core::report;

/// Records of up to this number of bytes are not delayed.
const SHORT: usize = 16 * 1024;
/// Number of bytes read at once from a peer with only a short record while memory is short.
const SMALL_READ: usize = 2 * SHORT;
/// Time for the peer that may finish to send [`STEP`] bytes.
const PATIENCE: Duration = Duration::from_millis(250);

/// Number of bytes to send in that time.
const STEP: usize = 64 * 1024;

/// The memory of all peers.
#[derive(Debug)]
pub(crate) struct Memory {
    limit: usize,
    held: usize,
    favoured: Option<Favoured>,
}

/// The peer that may continue a long record.
#[derive(Debug)]
struct Favoured {
    number: u64,
    since: Instant,
    /// The length of its record at that time.
    len: usize,
}

impl Memory {
    /// Creates the state without memory in use.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, held: 0, favoured: None }
    }

    /// Whether a peer that has `len` bytes of a record may be read.
    pub(crate) fn admits(&self, number: u64, len: usize) -> bool {
        let is_free = |favoured: &Favoured| favoured.number == number;
        self.held < self.limit || len <= SHORT || self.favoured.as_ref().is_none_or(is_free)
    }

    /// Returns how much may be read of it at once; `None` if it has to wait.
    pub(crate) fn room(&mut self, number: u64, len: usize) -> Option<usize> {
        if self.held < self.limit {
            return Some(usize::MAX);
        }
        if len <= SHORT {
            return Some(SMALL_READ);
        }
        if self.admits(number, len) {
            let since = Instant::now();
            self.favoured.get_or_insert(Favoured { number, since, len });
            return Some(usize::MAX);
        }
        let held = self.held;
        report::repeated(
            "--max-memory",
            format_args!("{held} bytes of unfinished records: some peers wait (--max-memory)"),
        );
        None
    }

    /// Updates the size of a peer's record from `before` to `after`, which is 0 if it has gone.
    pub(crate) fn note(&mut self, number: u64, before: usize, after: usize) {
        self.held = (self.held + after).saturating_sub(before);
        if let Some(favoured) = self.favoured.as_mut().filter(|it| it.number == number)
            && after >= favoured.len + STEP
        {
            *favoured = Favoured { number, since: Instant::now(), len: after };
        }
        let has_finished = |it: &Favoured| it.number == number && after <= SHORT;
        if self.held < self.limit || self.favoured.as_ref().is_some_and(has_finished) {
            self.favoured = None;
        }
    }

    /// Returns the peer that may finish, and when its time is up if others wait.
    pub(crate) fn favoured(&self) -> Option<(u64, Instant)> {
        self.favoured.as_ref().map(|favoured| (favoured.number, favoured.since + PATIENCE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_goes_on_with_a_long_record() {
        let mut memory = Memory::new(100_000);
        for number in [1, 2] {
            assert_eq!(memory.room(number, 0), Some(usize::MAX));
            memory.note(number, 0, 60_000);
        }
        assert_eq!(memory.room(1, 60_000), Some(usize::MAX));
        assert_eq!(memory.room(2, 60_000), None);
        assert_eq!(memory.room(3, 0), Some(SMALL_READ));
        assert_eq!(memory.favoured().map(|(number, _)| number), Some(1));
        assert!(memory.admits(1, 60_000) && !memory.admits(2, 60_000));
        memory.note(1, 60_000, 0);
        assert_eq!(memory.favoured(), None);
        assert_eq!(memory.room(2, 60_000), Some(usize::MAX));
    }
}
