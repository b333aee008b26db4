// SPDX-License-Identifier: MIT OR Apache-2.0
//! Numbers that one thread increments and any thread reads.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The value of an absent [`Counter`], e.g. the size of a queue that is not in use.
const ABSENT: u64 = u64::MAX;

/// A number that one thread increments and any thread reads.
#[derive(Debug)]
pub struct Counter(AtomicU64);

impl Default for Counter {
    fn default() -> Self {
        Self::new()
    }
}

impl Counter {
    /// Creates a counter at 0.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Creates a counter that is hidden until it is [`set`](Self::set).
    pub const fn absent() -> Self {
        Self(AtomicU64::new(ABSENT))
    }

    /// Increments the counter. Not for several threads at once: a plain load and store, which costs
    /// next to nothing on hot paths.
    #[inline]
    pub fn add(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed) + count, Ordering::Relaxed);
    }

    /// Increments the counter atomically.
    pub fn add_shared(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Sets the value.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Sets the value to `value` if that is larger.
    #[inline]
    pub fn raise(&self, value: u64) {
        self.set(value.max(self.value()));
    }

    /// Returns the value; private, because it is for display and must not influence decisions.
    pub(super) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn present(&self) -> Option<u64> {
        Some(self.value()).filter(|&value| value != ABSENT)
    }
}

/// A number for each value of a label. There must be few values: they are never removed
/// automatically.
#[derive(Debug)]
pub struct Table(Mutex<BTreeMap<String, Arc<Counter>>>);

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}

impl Table {
    /// Creates an empty table.
    pub const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// Returns the counter for a value of the label, at 0 if it is new.
    pub fn get(&self, of: impl Display) -> Arc<Counter> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(table.entry(of.to_string()).or_default())
    }

    /// Replaces all values.
    pub fn replace(&self, values: impl IntoIterator<Item = (String, u64)>) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.clear();
        table.extend(values.into_iter().map(|(of, value)| {
            let counter = Counter::new();
            counter.set(value);
            (of, Arc::new(counter))
        }));
    }

    pub(super) fn sum(&self) -> u64 {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.values().map(|counter| counter.value()).sum()
    }

    pub(super) fn each(&self, mut take: impl FnMut(&str, u64)) {
        for (of, counter) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            take(of, counter.value());
        }
    }
}
