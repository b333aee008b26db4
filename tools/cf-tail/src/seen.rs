// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which envelopes have been written, so that two ways to the same ones can be joined without gap
//! or overlap.
//!
//! Servers number nothing, and equal envelopes may follow each other. So each way counts how often
//! it brought one: it is new if that is more often than it was written.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};

use crate::envelope::Envelope;

/// What identifies an envelope: time, source and content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) timestamp: i64,
    /// Which of the sources that are read.
    pub(crate) source: usize,
    content: u64,
}

impl Key {
    /// Of an envelope of a source. It is the same for all generations of servers.
    pub(crate) fn of(envelope: &Envelope, source: usize) -> Self {
        let mut hasher = DefaultHasher::new();
        envelope.identify(|piece| hasher.write(piece));
        Self { timestamp: envelope.timestamp, source, content: hasher.finish() }
    }
}

/// How often an envelope came.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    /// How often it was written.
    written: u32,
    /// How often the stream at hand brought it.
    streamed: u32,
    /// The number of that stream.
    stream: u32,
}

/// How often each envelope was written, for a stretch of time.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    counts: HashMap<Key, Count>,
    stream: u32,
}

impl Seen {
    /// Another stream begins, which counts anew.
    pub(crate) fn begin_stream(&mut self) {
        self.stream = self.stream.wrapping_add(1);
    }

    /// A stream brought an envelope: which one of its equals it is, `None` if it was written
    /// already. Only what else has been read meanwhile (`joined`) can have been.
    pub(crate) fn stream(&mut self, key: Key, joined: bool) -> Option<u32> {
        let count = self.counts.entry(key).or_default();
        if count.stream != self.stream {
            (count.stream, count.streamed) = (self.stream, 0);
        }
        count.streamed += 1;
        // Without a time, equal envelopes need not be the same.
        if joined && key.timestamp != 0 && count.streamed <= count.written {
            return None;
        }
        count.written += 1;
        Some(count.written)
    }

    /// A reading brought an envelope for the `nth` time: whether it is new.
    pub(crate) fn read(&mut self, key: Key, nth: u32) -> bool {
        let count = self.counts.entry(key).or_default();
        let is_new = nth > count.written;
        count.written = count.written.max(nth);
        is_new
    }

    /// Keeps only those that are wanted.
    pub(crate) fn retain(&mut self, is_wanted: impl Fn(&Key) -> bool) {
        self.counts.retain(|key, _| is_wanted(key));
    }

    /// How many different ones are kept.
    pub(crate) fn len(&self) -> usize {
        self.counts.len()
    }
}

/// How often one reading of what a server keeps brought each envelope.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    counts: HashMap<Key, u32>,
}

impl Reading {
    /// Counts one: which one of its equals it is.
    pub(crate) fn count(&mut self, key: Key) -> u32 {
        let count = self.counts.entry(key).or_default();
        *count += 1;
        *count
    }

    /// Whether it brought one.
    pub(crate) fn has(&self, key: &Key) -> bool {
        self.counts.contains_key(key)
    }

    /// Forgets all before `timestamp` once there are many.
    pub(crate) fn forget_before(&mut self, timestamp: i64) {
        const CROWD: usize = 50_000;
        if self.counts.len() > CROWD {
            self.counts.retain(|key, _| key.timestamp >= timestamp);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(timestamp: i64) -> Key {
        Key::of(&Envelope { timestamp, ..Envelope::default() }, 0)
    }

    #[test]
    fn each_reading_counts_anew() {
        let mut seen = Seen::default();
        for round in 0..3 {
            let mut reading = Reading::default();
            let news: Vec<bool> =
                (0..2).map(|_| seen.read(key(1), reading.count(key(1)))).collect();
            assert_eq!(news, [round == 0; 2]);
        }
        seen.retain(|key| key.timestamp > 1);
        assert_eq!(seen.len(), 0);
    }

    #[test]
    fn a_stream_and_readings_beside_it_count_each_for_itself() {
        let mut seen = Seen::default();
        seen.begin_stream();
        assert_eq!(seen.stream(key(1), false), Some(1));
        assert_eq!(seen.stream(key(1), false), Some(2), "no other way can have brought it");
        assert!(!seen.read(key(1), 1) && !seen.read(key(1), 2) && seen.read(key(1), 3));
        // The next stream brings what was read: the third, and then a fourth.
        seen.begin_stream();
        let brought: Vec<_> = (0..4).map(|_| seen.stream(key(1), true)).collect();
        assert_eq!(brought, [None, None, None, Some(4)]);
        assert_eq!(seen.stream(key(0), true), Some(1));
        seen.begin_stream();
        assert_eq!(seen.stream(key(0), true), Some(2), "no time tells them apart");
    }
}
