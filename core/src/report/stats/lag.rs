// SPDX-License-Identifier: MIT OR Apache-2.0
//! How far behind in time somebody is who works off what grows.

use std::collections::VecDeque;

/// Marks that are kept. More would only be more exact.
const MOST: usize = 32;

/// Remembers how much there was at which time, which gives the age of the oldest outstanding data.
#[derive(Debug, Default)]
pub struct Lag {
    /// Times, and how much there was up to then at least.
    marks: VecDeque<(u64, u64)>,
    /// What comes within this time of a mark counts as if it had come then.
    interval: u64,
}

impl Lag {
    /// At the time `now` there is work up to `end`, of which everything up to `done` is done.
    /// Returns since when the oldest rest is known; 0 if there is none.
    pub fn see(&mut self, now: u64, end: u64, done: u64) -> u64 {
        // What was cut off is no longer outstanding.
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

    /// Every two marks become one.
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
