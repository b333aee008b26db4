// SPDX-License-Identifier: MIT OR Apache-2.0
//! Statistics of heka-tail, and its lag.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use heka_core::report::stats::{self, Counter, Lag, Metric, Values};

use crate::follow::{Chunk, Identity, Stream};

pub(crate) static ROTATIONS: Counter = Counter::new();
pub(crate) static TRUNCATIONS: Counter = Counter::new();
pub(crate) static SAVED_AT: Counter = Counter::new();
/// All followed streams.
static READINGS: Mutex<Vec<Weak<Reading>>> = Mutex::new(Vec::new());

pub(crate) const ALL: &[Metric] = &[
    Metric::computed("heka_tail_files", "Files that are followed", || count(false)),
    Metric::computed("heka_tail_waiting_files", "Files that are waited for", || count(true)),
    Metric::gauge_each("heka_tail_bytes_behind", "Bytes that are not read yet", "file", |all| {
        put_each(all, |state, _| state.behind());
    }),
    Metric::gauge_each(
        "heka_tail_seconds_behind",
        "Age of the oldest bytes that are not read yet",
        "file",
        |all| put_each(all, State::age),
    )
    .seconds(),
    Metric::total("heka_tail_rotations_total", "Files that were rotated", &ROTATIONS),
    Metric::total("heka_tail_truncations_total", "Files that were truncated", &TRUNCATIONS),
    Metric::time(
        "heka_tail_position_saved_timestamp_seconds",
        "Time at which positions were saved last, since 1970",
        &SAVED_AT,
    ),
];

/// The progress of a stream. The thread that reports it determines the length of the file itself,
/// since the thread that reads the file may be stuck.
#[derive(Debug)]
struct Reading {
    name: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    path: PathBuf,
    /// The current file, and the position in it.
    place: Option<(Identity, u64)>,
    is_missing: bool,
    /// Number of bytes read from the stream.
    done: u64,
    /// Number of unread bytes in all its files at the last check.
    left: u64,
    lag: Lag,
}

impl State {
    /// Returns the number of unread bytes now.
    fn behind(&self) -> u64 {
        let Ok(metadata) = std::fs::metadata(&self.path) else { return self.left };
        match self.place {
            None => metadata.len(),
            Some((identity, offset)) if identity == Identity::of(&metadata) => {
                metadata.len().saturating_sub(offset)
            }
            // A rotated file is being read, and this one comes next.
            Some(_) => self.left.max(metadata.len()),
        }
    }

    fn age(&mut self, now: u64) -> u64 {
        let end = self.done + self.behind();
        match self.lag.see(now, end, self.done) {
            0 => 0,
            since => now.saturating_sub(since),
        }
    }
}

/// The streams whose progress is reported.
#[derive(Debug, Default)]
pub(crate) struct Readings {
    is_wanted: bool,
    readings: HashMap<usize, Arc<Reading>>,
}

impl Readings {
    pub(crate) fn new(is_wanted: bool) -> Self {
        Self { is_wanted, ..Self::default() }
    }

    /// Adds a followed stream.
    pub(crate) fn add(&mut self, number: usize, stream: &Stream) {
        if self.is_wanted {
            let state = State { path: stream.path().to_owned(), ..State::default() };
            let name = stream.name().to_string();
            let reading = Arc::new(Reading { name, state: Mutex::new(state) });
            lock(&READINGS).push(Arc::downgrade(&reading));
            self.readings.insert(number, reading);
        }
    }

    /// Notes that data of a stream is about to be written, up to `done` bytes.
    pub(crate) fn read(&self, number: usize, chunk: &Chunk<'_>, done: u64) {
        if let Some(reading) = self.readings.get(&number) {
            let mut state = lock(&reading.state);
            (state.place, state.done) = (Some((chunk.identity(), chunk.offset)), done);
        }
    }

    /// Notes the state of a stream after processing it.
    pub(crate) fn note(&self, number: usize, stream: &Stream, done: u64) {
        if let Some(reading) = self.readings.get(&number) {
            let mut state = lock(&reading.state);
            state.is_missing = stream.is_gone();
            state.place = stream.place();
            (state.done, state.left) = (done, stream.lag());
        }
    }

    /// Removes a stream.
    pub(crate) fn remove(&mut self, number: usize) {
        self.readings.remove(&number);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns all streams, and drops removed ones.
fn readings() -> Vec<Arc<Reading>> {
    let mut known = lock(&READINGS);
    known.retain(|reading| reading.strong_count() > 0);
    known.iter().filter_map(Weak::upgrade).collect()
}

fn count(is_missing: bool) -> u64 {
    let all = readings();
    all.iter().filter(|reading| lock(&reading.state).is_missing == is_missing).count() as u64
}

fn put_each(values: &mut Values, number: impl Fn(&mut State, u64) -> u64) {
    let now = stats::now();
    for reading in readings() {
        let value = number(&mut lock(&reading.state), now);
        values.put(reading.name.as_str(), value);
    }
}
