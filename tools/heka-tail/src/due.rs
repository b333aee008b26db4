// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which streams to look at next.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::{Duration, Instant};

use crate::timers::Timers;

/// How many streams are looked at before there is a look at what else has happened.
const BATCH: usize = 256;

/// What a stream is to be looked at for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// More in its files.
    Contents,
    /// It is watched, and was not looked at yet.
    Start,
    /// Its files may have got other names.
    Names,
}

/// The streams that there may be something new in, and those that there will be at a certain time.
#[derive(Debug)]
pub(crate) struct Due {
    dirty: BTreeMap<usize, What>,
    /// The stream that was looked at last.
    last: usize,
    timers: Timers,
}

impl Due {
    pub(crate) fn new() -> Self {
        Self { dirty: BTreeMap::new(), last: usize::MAX, timers: Timers::default() }
    }

    /// Whether nothing is to be looked at.
    pub(crate) fn is_empty(&self) -> bool {
        self.dirty.is_empty()
    }

    pub(crate) fn has(&self, number: usize) -> bool {
        self.dirty.contains_key(&number)
    }

    /// There may be something new in a stream.
    pub(crate) fn add(&mut self, number: usize, what: What) {
        let known = self.dirty.entry(number).or_insert(what);
        *known = what.max(*known);
    }

    /// Names of these streams may have changed.
    pub(crate) fn add_all(&mut self, numbers: impl IntoIterator<Item = usize>) {
        self.dirty.extend(numbers.into_iter().map(|number| (number, What::Names)));
    }

    /// A stream has to be looked at by that time, or at no time.
    pub(crate) fn set_timed(&mut self, number: usize, time: Option<Instant>) {
        self.timers.set(number, time);
    }

    /// A stream is gone.
    pub(crate) fn remove(&mut self, number: usize) {
        self.set_timed(number, None);
    }

    /// When the first stream has to be looked at.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        // With more to read it is only looked whether there is something else to do.
        let busy = (!self.dirty.is_empty()).then(Instant::now);
        busy.or_else(|| self.timers.first())
    }

    /// Takes in the streams whose time has come, and those whose time comes within `slack` then: it
    /// is cheaper to look at many at once.
    pub(crate) fn collect(&mut self, now: Instant, slack: Duration) {
        if self.timers.first().is_none_or(|first| first > now) {
            return;
        }
        for number in self.timers.until(now + slack) {
            self.dirty.entry(number).or_insert(What::Contents);
        }
    }

    /// The next streams to look at, from the last one on.
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
