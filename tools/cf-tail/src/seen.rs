// SPDX-License-Identifier: MIT OR Apache-2.0
//! Remembers which envelopes have been written, so that two ways to the same envelopes can be
//! joined without gap or overlap.
//!
//! Servers do not number envelopes, and equal ones may follow each other. So each way counts how
//! often it yielded an envelope: it is new if that is more often than it was written.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};

use crate::envelope::Envelope;

/// The identity of an envelope: time, source and content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) timestamp: i64,
    /// Index of the source.
    pub(crate) source: usize,
    content: u64,
}

impl Key {
    /// Returns the key of an envelope. It is the same for all generations of servers.
    pub(crate) fn of(envelope: &Envelope, source: usize) -> Self {
        let mut hasher = DefaultHasher::new();
        envelope.identify(|piece| hasher.write(piece));
        Self { timestamp: envelope.timestamp, source, content: hasher.finish() }
    }
}

/// Counts of an envelope.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    /// How often it was written.
    written: u32,
    /// How often the current stream yielded it.
    streamed: u32,
    /// The number of that stream.
    stream: u32,
}

/// How often each envelope was written, for a period of time.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    counts: HashMap<Key, Count>,
    stream: u32,
}

impl Seen {
    /// Begins another stream with new counts.
    pub(crate) fn begin_stream(&mut self) {
        self.stream = self.stream.wrapping_add(1);
    }

    /// Counts a streamed envelope: returns its number among equals, or `None` if it was written
    /// already, which is only possible if something else was read meanwhile (`joined`).
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

    /// Whether an envelope that a reading yielded for the `nth` time is new.
    pub(crate) fn read(&mut self, key: Key, nth: u32) -> bool {
        let count = self.counts.entry(key).or_default();
        let is_new = nth > count.written;
        count.written = count.written.max(nth);
        is_new
    }

    /// Keeps only the wanted ones.
    pub(crate) fn retain(&mut self, is_wanted: impl Fn(&Key) -> bool) {
        self.counts.retain(|key, _| is_wanted(key));
    }

    /// Returns the number of different envelopes.
    pub(crate) fn len(&self) -> usize {
        self.counts.len()
    }
}

/// How often one reading of a server's messages yielded each envelope.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    counts: HashMap<Key, u32>,
}

impl Reading {
    /// Counts an envelope; returns its number among equals.
    pub(crate) fn count(&mut self, key: Key) -> u32 {
        let count = self.counts.entry(key).or_default();
        *count += 1;
        *count
    }

    /// Whether the reading yielded an envelope.
    pub(crate) fn has(&self, key: &Key) -> bool {
        self.counts.contains_key(key)
    }

    /// Forgets everything before `timestamp` once there is much.
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
        // The next stream yields what was read: the third, and then a fourth.
        seen.begin_stream();
        let brought: Vec<_> = (0..4).map(|_| seen.stream(key(1), true)).collect();
        assert_eq!(brought, [None, None, None, Some(4)]);
        assert_eq!(seen.stream(key(0), true), Some(1));
        seen.begin_stream();
        assert_eq!(seen.stream(key(0), true), Some(2), "no time tells them apart");
    }
}
