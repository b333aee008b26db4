// SPDX-License-Identifier: MIT OR Apache-2.0
//! The records released last, as far as a peer may not have read them although its kernel has them.

use std::collections::VecDeque;

/// A receiver's kernel buffers less than this, unless `tcp_rmem` (6 MiB) was raised.
pub(super) const UNREAD: u64 = 8 << 20;
/// Precision of the trail in bytes.
const STEP: u64 = 64 * 1024;

/// Ends of some of the released records: pairs of a window position and a number, in order.
#[derive(Debug, Default)]
pub(super) struct Trail(VecDeque<(u64, u64)>);

impl Trail {
    /// Adds the end of a record.
    pub(super) fn push(&mut self, position: u64, number: u64) {
        match self.0.len().checked_sub(2).and_then(|before| self.0.get(before)) {
            // The last one is replaced as long as that makes no step too large.
            Some((before, _)) if position - before < STEP => drop(self.0.pop_back()),
            _ => {}
        }
        self.0.push_back((position, number));
        let oldest = position.saturating_sub(UNREAD);
        while self.0.get(1).is_some_and(|(next, _)| *next <= oldest) {
            self.0.pop_front();
        }
    }

    /// Returns the number of the last record that ended at or before a position, or of one before
    /// it.
    pub(super) fn number_at(&self, position: u64) -> Option<u64> {
        let index = self.0.partition_point(|(end, _)| *end <= position);
        index.checked_sub(1).and_then(|index| self.0.get(index)).map(|(_, number)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_short_and_counts_rather_too_many_than_too_few() {
        let mut trail = Trail::default();
        for number in 1..=1_000_000 {
            trail.push(number * 100, number);
        }
        assert!(trail.0.len() < 300, "{}", trail.0.len());
        let position = 100_000_000 - UNREAD;
        let number = trail.number_at(position).unwrap();
        assert!(number * 100 <= position && position - number * 100 <= 2 * STEP, "{number}");
        assert_eq!(trail.number_at(100_000_000), Some(1_000_000));
        assert_eq!(trail.number_at(100), None);
    }
}
