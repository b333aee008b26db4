// SPDX-License-Identifier: MIT OR Apache-2.0
//! Numbers that one thread raises and any thread reads.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The value of a [`Counter`] that is not there: a queue that nobody asked for has no size.
const ABSENT: u64 = u64::MAX;

/// A number that one thread raises and any thread reads.
#[derive(Debug)]
pub struct Counter(AtomicU64);

impl Default for Counter {
    fn default() -> Self {
        Self::new()
    }
}

impl Counter {
    /// 0.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Not shown before it is [`set`](Self::set).
    pub const fn absent() -> Self {
        Self(AtomicU64::new(ABSENT))
    }

    /// Raises it. Not meant for several threads at once: a plain load and store, which costs next
    /// to nothing on hot paths.
    #[inline]
    pub fn add(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed) + count, Ordering::Relaxed);
    }

    /// Raises it atomically.
    pub fn add_shared(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Sets it.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Raises it to `value`, if that is more.
    #[inline]
    pub fn raise(&self, value: u64) {
        self.set(value.max(self.value()));
    }

    /// Its value: private, because it is for display and decides nothing.
    pub(super) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn present(&self) -> Option<u64> {
        Some(self.value()).filter(|&value| value != ABSENT)
    }
}

/// A number for each value of a label. There must be few of them: they are not forgotten
/// by themselves.
#[derive(Debug)]
pub struct Table(Mutex<BTreeMap<String, Arc<Counter>>>);

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}

impl Table {
    /// None yet.
    pub const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// The number for that value, 0 if it is new.
    pub fn get(&self, of: impl Display) -> Arc<Counter> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(table.entry(of.to_string()).or_default())
    }

    /// These are all from now on.
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
