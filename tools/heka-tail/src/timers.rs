// SPDX-License-Identifier: MIT OR Apache-2.0
//! Times of streams, by stream and in order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Times of some streams.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    times: BTreeMap<usize, Instant>,
    order: BTreeSet<(Instant, usize)>,
}

impl Timers {
    /// Returns the time of a stream.
    pub(crate) fn get(&self, number: usize) -> Option<Instant> {
        self.times.get(&number).copied()
    }

    /// Sets or removes the time of a stream.
    pub(crate) fn set(&mut self, number: usize, time: Option<Instant>) {
        let before = match time {
            Some(time) => self.times.insert(number, time),
            None => self.times.remove(&number),
        };
        if before == time {
            return;
        }
        if let Some(before) = before {
            self.order.remove(&(before, number));
        }
        self.order.extend(time.map(|time| (time, number)));
    }

    /// Returns the earliest time.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.order.first().map(|(time, _)| *time)
    }

    /// Returns the streams with times up to `time`.
    pub(crate) fn until(&self, time: Instant) -> impl Iterator<Item = usize> {
        self.order.range(..=(time, usize::MAX)).map(|(_, number)| *number)
    }
}
