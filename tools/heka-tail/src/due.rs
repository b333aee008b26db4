// SPDX-License-Identifier: MIT OR Apache-2.0
//! The streams to process next.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::{Duration, Instant};

use crate::timers::Timers;

/// Number of streams to process before other events are checked.
const BATCH: usize = 256;

/// The reason for processing a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// Its files may have more data.
    Contents,
    /// It is watched now, and has not been processed yet.
    Start,
    /// Its files may have been renamed.
    Names,
}

/// The streams that may have news, now or at a certain time.
#[derive(Debug)]
pub(crate) struct Due {
    dirty: BTreeMap<usize, What>,
    /// The stream processed last.
    last: usize,
    timers: Timers,
}

impl Due {
    pub(crate) fn new() -> Self {
        Self { dirty: BTreeMap::new(), last: usize::MAX, timers: Timers::default() }
    }

    /// Whether no stream is due.
    pub(crate) fn is_empty(&self) -> bool {
        self.dirty.is_empty()
    }

    pub(crate) fn has(&self, number: usize) -> bool {
        self.dirty.contains_key(&number)
    }

    /// Adds a stream that may have news.
    pub(crate) fn add(&mut self, number: usize, what: What) {
        let known = self.dirty.entry(number).or_insert(what);
        *known = what.max(*known);
    }

    /// Adds streams whose names may have changed.
    pub(crate) fn add_all(&mut self, numbers: impl IntoIterator<Item = usize>) {
        self.dirty.extend(numbers.into_iter().map(|number| (number, What::Names)));
    }

    /// Sets the time at which a stream becomes due, or none.
    pub(crate) fn set_timed(&mut self, number: usize, time: Option<Instant>) {
        self.timers.set(number, time);
    }

    /// Removes a stream.
    pub(crate) fn remove(&mut self, number: usize) {
        self.set_timed(number, None);
    }

    /// Returns when the first stream becomes due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        // With more to read, other events are only polled for.
        let busy = (!self.dirty.is_empty()).then(Instant::now);
        busy.or_else(|| self.timers.first())
    }

    /// Adds the streams whose time has come, and those whose time comes within `slack`: it is
    /// cheaper to process many at once.
    pub(crate) fn collect(&mut self, now: Instant, slack: Duration) {
        if self.timers.first().is_none_or(|first| first > now) {
            return;
        }
        for number in self.timers.until(now + slack) {
            self.dirty.entry(number).or_insert(What::Contents);
        }
    }

    /// Returns the next streams to process, in order after the last one.
    pub(crate) fn next_batch(&mut self) -> Vec<(usize, What)> {
        let behind = self.dirty.range((Bound::Excluded(self.last), Bound::Unbounded));
        let behind = behind.chain(self.dirty.range(..=self.last));
        let batch: Vec<(usize, What)> =
            behind.take(BATCH).map(|(&number, &what)| (number, what)).collect();
        for (number, _) in &batch {
            self.dirty.remove(number);
        }
        let last = batch.last().filter(|_| !self.dirty.is_empty());
        self.last = last.map_or(usize::MAX, |(number, _)| *number);
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_are_due_soon_are_looked_at_with_those_that_are_due_now() {
        let (mut due, now, second) = (Due::new(), Instant::now(), Duration::from_secs(1));
        for (number, seconds) in [(7, 4), (8, 2), (9, 1), (7, 3), (6, 1)] {
            due.set_timed(number, Some(now + second * seconds));
        }
        due.set_timed(6, None);
        assert_eq!(due.deadline(), Some(now + second));
        due.collect(now, second * 9);
        assert!(due.is_empty(), "nothing is due");
        due.collect(now + second, second);
        due.add(8, What::Names);
        assert_eq!(due.next_batch(), [(8, What::Names), (9, What::Contents)]);
        due.remove(9);
        assert_eq!(due.deadline(), Some(now + second * 2));
    }
}
