// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which streams to look at next.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Instant;

use crate::follow::Options;
use crate::streams::Streams;

/// How many streams are looked at before there is a look at what else has happened.
const BATCH: usize = 256;

/// The streams that there may be something new in, and those that there will be at a certain time.
#[derive(Debug)]
pub(crate) struct Due {
    /// By number, and whether names may have changed.
    dirty: BTreeMap<usize, bool>,
    /// The stream that was looked at last.
    last: usize,
    timed: BTreeSet<usize>,
}

impl Due {
    pub(crate) fn new() -> Self {
        Self { dirty: BTreeMap::new(), last: usize::MAX, timed: BTreeSet::new() }
    }

    /// Whether nothing is to be looked at.
    pub(crate) fn is_empty(&self) -> bool {
        self.dirty.is_empty()
    }

    pub(crate) fn has(&self, number: usize) -> bool {
        self.dirty.contains_key(&number)
    }

    /// There may be something new in a stream; `names` if its names may have changed.
    pub(crate) fn add(&mut self, number: usize, names: bool) {
        self.dirty.entry(number).and_modify(|known| *known |= names).or_insert(names);
    }

    /// Names of these streams may have changed.
    pub(crate) fn add_all(&mut self, numbers: impl IntoIterator<Item = usize>) {
        self.dirty.extend(numbers.into_iter().map(|number| (number, true)));
    }

    /// A stream has to be looked at by a certain time, or no longer.
    pub(crate) fn set_timed(&mut self, number: usize, is_timed: bool) {
        if is_timed {
            self.timed.insert(number);
        } else {
            self.timed.remove(&number);
        }
    }

    /// A stream is gone.
    pub(crate) fn remove(&mut self, number: usize) {
        self.timed.remove(&number);
    }

    /// When the first stream has to be looked at.
    pub(crate) fn deadline(&self, streams: &Streams, options: &Options) -> Option<Instant> {
        // With more to read it is only looked whether there is something else to do.
        let busy = (!self.dirty.is_empty()).then(Instant::now);
        let timed = self.timed.iter().filter_map(|&number| streams.get(number));
        timed.filter_map(|followed| followed.stream.deadline(options)).chain(busy).min()
    }

    /// Takes in the streams whose time has come.
    pub(crate) fn collect(&mut self, streams: &Streams, options: &Options, now: Instant) {
        for &number in &self.timed {
            let deadline = streams.get(number).and_then(|at| at.stream.deadline(options));
            if deadline.is_some_and(|deadline| deadline <= now) {
                self.dirty.entry(number).or_insert(false);
            }
        }
    }

    /// The next streams to look at, from the last one on.
    pub(crate) fn next_batch(&mut self) -> Vec<(usize, bool)> {
        let behind = self.dirty.range((Bound::Excluded(self.last), Bound::Unbounded));
        let behind = behind.chain(self.dirty.range(..=self.last));
        let batch: Vec<(usize, bool)> =
            behind.take(BATCH).map(|(&number, &names)| (number, names)).collect();
        for (number, _) in &batch {
            self.dirty.remove(number);
        }
        let last = batch.last().filter(|_| !self.dirty.is_empty());
        self.last = last.map_or(usize::MAX, |(number, _)| *number);
        batch
    }
}
