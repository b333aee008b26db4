// SPDX-License-Identifier: MIT OR Apache-2.0
//! Measures the delay, in time, of a consumer behind a growing source.

use std::collections::VecDeque;

/// Maximum number of marks; more would only be more precise.
const MOST: usize = 32;

/// Remembers sizes over time, from which the age of the oldest outstanding data follows.
#[derive(Debug, Default)]
pub struct Lag {
    /// Times, and the minimum size at each.
    marks: VecDeque<(u64, u64)>,
    /// Data that arrives within this interval of a mark counts as having arrived at the mark.
    interval: u64,
}

impl Lag {
    /// Records that at the time `now` the data reaches to `end` and is processed up to `done`.
    /// Returns since when the oldest outstanding data is known; 0 if there is none.
    pub fn see(&mut self, now: u64, end: u64, done: u64) -> u64 {
        // Data that was truncated is no longer outstanding.
        self.marks.iter_mut().for_each(|(_, mark)| *mark = end.min(*mark));
        while self.marks.front().is_some_and(|(_, end)| *end <= done) {
            self.marks.pop_front();
        }
        if self.marks.is_empty() {
            self.interval = 0;
        }
        if end > done {
            self.mark(now, end);
        }
        self.marks.front().map_or(0, |(since, _)| *since)
    }

    fn mark(&mut self, now: u64, end: u64) {
        if let Some((time, last)) = self.marks.back_mut()
            && (*last == end || now.saturating_sub(*time) < self.interval)
        {
            *last = end;
            return;
        }
        if self.marks.len() == MOST {
            self.thin(now);
        }
        self.marks.push_back((now, end));
    }

    /// Merges every two marks.
    fn thin(&mut self, now: u64) {
        let first = self.marks.front().map_or(now, |(time, _)| *time);
        self.interval = now.saturating_sub(first) / (MOST as u64 / 2);
        let marks = self.marks.make_contiguous();
        let pairs = marks.chunks(2).filter_map(|pair| Some((pair.first()?.0, pair.last()?.1)));
        self.marks = pairs.collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_rest_is_as_old_as_it_was_seen() {
        let mut lag = Lag::default();
        assert_eq!(lag.see(1, 0, 0), 0);
        assert_eq!(lag.see(2, 100, 0), 2);
        assert_eq!(lag.see(3, 200, 50), 2);
        assert_eq!(lag.see(4, 300, 150), 3);
        assert_eq!(lag.see(5, 300, 300), 0);
        lag.see(6, 400, 300);
        assert_eq!(lag.see(7, 310, 310), 0, "it was truncated");
    }

    #[test]
    fn old_marks_make_room_and_stay_true() {
        let mut lag = Lag::default();
        for time in 1..=1000 {
            assert_eq!(lag.see(time, time * 10, 0), 1);
        }
        assert!(lag.marks.len() <= MOST);
        let since = lag.see(1001, 10_010, 5000);
        assert!((400..=501).contains(&since), "{since}");
    }
}
