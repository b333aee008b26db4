// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a tool has done so far: counters, the `--stats` line, the `--progress` meter.
//!
//! One line at the end with `--stats`, and on SIGUSR1 at any time:
//! `heka-send: 1203 messages, 318244 bytes in, 318244 bytes out, 2 skipped, 1.52 s, 209 kB/s`.
//! Tools add counters of their own with [`counter`]; they stand behind the common ones.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::report;
use crate::report::words::{Size, Span};

/// A number that one thread raises and any thread reads.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Raises it. Not meant for several threads at once: a plain load and store, which costs next
    /// to nothing on hot paths.
    #[inline]
    pub fn add(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed) + count, Ordering::Relaxed);
    }

    /// Sets it.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Its value: private, because it is for display and decides nothing.
    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Messages (or records) passed on.
pub static MESSAGES: Counter = Counter(AtomicU64::new(0));
/// Bytes read.
pub static BYTES_IN: Counter = Counter(AtomicU64::new(0));
/// Bytes written.
pub static BYTES_OUT: Counter = Counter(AtomicU64::new(0));
/// Records lost, refused or damaged.
pub static SKIPPED: Counter = Counter(AtomicU64::new(0));

static START: OnceLock<Instant> = OnceLock::new();
/// Bytes of the input in all; 0 if nobody knows.
static EXPECTED: AtomicU64 = AtomicU64::new(0);
/// Since when the output waits for its reader, in nanoseconds since the start; 0 if it does not.
static BLOCKED: AtomicU64 = AtomicU64::new(0);
static MORE: Mutex<Vec<(&'static str, &'static Counter)>> = Mutex::new(Vec::new());

/// Starts the clock, and the meter if one is wanted.
pub fn init(progress: bool) {
    START.get_or_init(Instant::now);
    if progress {
        super::progress::start();
    }
}

/// The input is so many bytes long, and no longer; 0 if nobody knows.
pub fn expect(bytes: u64) {
    EXPECTED.store(bytes, Ordering::Relaxed);
}

/// So many bytes of the input are not read.
pub fn expect_less(bytes: u64) {
    let expected = EXPECTED.load(Ordering::Relaxed);
    expect(expected.saturating_sub(bytes));
}

/// The output waits for its reader from now on.
pub fn output_is_blocked() {
    BLOCKED.store(age().map_or(0, |age| age.saturating_add(1)), Ordering::Relaxed);
}

/// Whether the output waits for its reader.
pub fn is_output_blocked() -> bool {
    BLOCKED.load(Ordering::Relaxed) > 0
}

/// The reader of the output has taken something.
pub fn output_flows() {
    BLOCKED.store(0, Ordering::Relaxed);
}

fn age() -> Option<u64> {
    u64::try_from(START.get()?.elapsed().as_nanos()).ok()
}

/// How long the output has waited for its reader.
fn blocked_for() -> Option<Duration> {
    let since = BLOCKED.load(Ordering::Relaxed);
    (since > 0).then(|| Duration::from_nanos(age().unwrap_or(0).saturating_sub(since)))
}

/// A further counter, shown as `VALUE NAME`.
pub fn counter(name: &'static str) -> &'static Counter {
    let mut more = MORE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, counter)) = more.iter().find(|(known, _)| *known == name) {
        return counter;
    }
    let counter: &'static Counter = Box::leak(Box::default());
    more.push((name, counter));
    counter
}

/// Writes the line to stderr, behind the numbers of warnings that were suppressed.
pub fn print() {
    report::print_suppressed();
    report::plain(format_args!("{}: {}", report::program(), line()));
}

fn line() -> String {
    let (bytes_in, bytes_out) = (BYTES_IN.value(), BYTES_OUT.value());
    let elapsed = START.get().map_or(Duration::ZERO, Instant::elapsed).as_secs_f64();
    let mut line = format!(
        "{} messages, {bytes_in} bytes in, {bytes_out} bytes out, {} skipped",
        MESSAGES.value(),
        SKIPPED.value()
    );
    for (name, counter) in MORE.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        line += &format!(", {} {name}", counter.value());
    }
    let rate = Size(bytes_in.max(bytes_out) as f64 / elapsed.max(1e-6));
    line += &format!(", {elapsed:.2} s, {rate}/s");
    if let Some(blocked) = blocked_for() {
        line += &format!(", output blocked for {}", Span(blocked));
    }
    line
}

/// The counters at one time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) at: Instant,
    /// When the tool started.
    pub(super) since: Instant,
    pub(super) messages: u64,
    /// The larger one of what was read and what was written.
    pub(super) bytes: u64,
    pub(super) read: u64,
    /// What there is to read in all; 0 if nobody knows.
    pub(super) expected: u64,
}

impl Sample {
    pub(super) fn take() -> Self {
        let (at, read) = (Instant::now(), BYTES_IN.value());
        Self {
            at,
            since: START.get().copied().unwrap_or(at),
            messages: MESSAGES.value(),
            bytes: read.max(BYTES_OUT.value()),
            read,
            expected: EXPECTED.load(Ordering::Relaxed),
        }
    }

    /// How much of the input was read, in percent, and how long the rest will take at this pace.
    pub(super) fn outlook(&self) -> Option<(f64, Duration)> {
        if self.read == 0 || self.read > self.expected {
            return None;
        }
        let (read, expected) = (self.read as f64, self.expected as f64);
        let elapsed = self.at.duration_since(self.since).as_secs_f64();
        let left = Duration::try_from_secs_f64(elapsed * (expected - read) / read).ok()?;
        Some((100.0 * read / expected, left))
    }
}
