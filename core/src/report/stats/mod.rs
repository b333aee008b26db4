// SPDX-License-Identifier: MIT OR Apache-2.0
//! Statistics of a tool: numbers for people, for programs and for Prometheus.
//!
//! One line at the end with `--stats`, and on SIGUSR1 at any time: `heka-send: 1203 messages,
//! 318244 bytes in, 318244 bytes out, 2 skipped, 1.52 s, 209 kB/s`. Each tool defines further
//! numbers in a table of [`Metric`]s; they follow the common ones. They are read by the thread of
//! `os::reporter`, so that they are reported even while the tool is stuck.

mod blocked;
mod counter;
mod json;
mod lag;
mod metric;
mod prometheus;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::report;
use crate::report::words::{Size, Span};

pub use blocked::{On, blocked_on, blocked_while, flows, is_blocked, note_blocked};
pub use counter::{Counter, Table};
pub use json::json;
pub use lag::Lag;
pub use metric::{Label, Metric, Skip, Values, skip};
pub use prometheus::prometheus;

/// Messages or records forwarded.
pub static MESSAGES: Counter = Counter::new();
/// Bytes read.
pub static BYTES_IN: Counter = Counter::new();
/// Bytes written.
pub static BYTES_OUT: Counter = Counter::new();
/// Errors and warnings, printed or not.
pub(super) static ERRORS: Counter = Counter::new();
pub(super) static WARNINGS: Counter = Counter::new();

static START: OnceLock<Start> = OnceLock::new();
/// Total size of the input in bytes; 0 if unknown.
static EXPECTED: AtomicU64 = AtomicU64::new(0);
static IS_JSON: AtomicBool = AtomicBool::new(false);
static HAS_ENDED: AtomicBool = AtomicBool::new(false);

/// Values known from the start.
#[derive(Debug)]
struct Start {
    at: Instant,
    /// Nanoseconds since 1970.
    time: u64,
    version: &'static str,
    revision: &'static str,
    metrics: &'static [&'static [Metric]],
}

/// A tool's identity in its statistics.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// The version of the tools.
    pub version: &'static str,
    /// The commit of the build.
    pub revision: &'static str,
    /// The tool's own numbers.
    pub metrics: &'static [&'static [Metric]],
    /// Start time, in nanoseconds since 1970.
    pub time: u64,
}

/// Starts the clock.
pub fn init(identity: Identity) {
    let Identity { version, revision, metrics, time } = identity;
    START.get_or_init(|| Start { at: Instant::now(), time, version, revision, metrics });
}

/// Makes [`print`] write JSON.
pub fn print_as_json() {
    IS_JSON.store(true, Ordering::Relaxed);
}

/// Marks the work as done: further reports are final.
pub fn end() {
    flows();
    HAS_ENDED.store(true, Ordering::Relaxed);
}

/// Sets the total size of an input that does not grow, in bytes; 0 if unknown.
pub fn expect(bytes: u64) {
    EXPECTED.store(bytes, Ordering::Relaxed);
}

/// Reduces the expected size by `bytes` that will not be read.
pub fn expect_less(bytes: u64) {
    let expected = EXPECTED.load(Ordering::Relaxed);
    expect(expected.saturating_sub(bytes));
}

/// Returns the time in nanoseconds since the start, never 0; the clock of [`Metric::age`].
pub fn now() -> u64 {
    START.get().map_or(1, |start| nanoseconds(start.at.elapsed()).saturating_add(1))
}

/// Returns the time in nanoseconds since 1970.
pub(super) fn time() -> i128 {
    START
        .get()
        .map_or(0, |start| i128::from(start.time) + i128::from(nanoseconds(start.at.elapsed())))
}

fn nanoseconds(of: Duration) -> u64 {
    u64::try_from(of.as_nanos()).unwrap_or(u64::MAX)
}

/// Prints the statistics to stderr, after the counts of suppressed warnings.
pub fn print() {
    report::print_suppressed();
    if IS_JSON.load(Ordering::Relaxed) {
        report::raw(json());
    } else {
        report::plain(format_args!("{}: {}", report::program(), line()));
    }
}

/// Returns the statistics for people, in one line.
pub fn line() -> String {
    let (bytes_in, bytes_out) = (BYTES_IN.value(), BYTES_OUT.value());
    let elapsed = START.get().map_or(Duration::ZERO, |start| start.at.elapsed()).as_secs_f64();
    let mut line = format!(
        "{} messages, {bytes_in} bytes in, {bytes_out} bytes out, {} skipped",
        MESSAGES.value(),
        metric::skipped(),
    );
    for metric in metric::own() {
        metric.push_words(&mut line);
    }
    let rate = Size(bytes_in.max(bytes_out) as f64 / elapsed.max(1e-6));
    line += &format!(", {elapsed:.2} s, {rate}/s");
    if let Some((on, span)) = blocked::now() {
        line += &format!(", blocked on {on} for {}", Span(span));
    }
    line
}

/// Returns a number that changes whenever any of the statistics do.
pub fn progress() -> u64 {
    MESSAGES.value().wrapping_add(BYTES_IN.value()).wrapping_add(BYTES_OUT.value())
}

/// The counters at a point in time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) at: Instant,
    /// Start of the tool.
    pub(super) since: Instant,
    pub(super) messages: u64,
    /// Bytes read or bytes written, whichever is larger.
    pub(super) bytes: u64,
    pub(super) read: u64,
    /// Total number of bytes to read; 0 if unknown.
    pub(super) expected: u64,
}

impl Sample {
    pub(super) fn take() -> Self {
        let (at, read) = (Instant::now(), BYTES_IN.value());
        Self {
            at,
            since: START.get().map_or(at, |start| start.at),
            messages: MESSAGES.value(),
            bytes: read.max(BYTES_OUT.value()),
            read,
            expected: EXPECTED.load(Ordering::Relaxed),
        }
    }

    /// Returns the percentage of the input that was read, and the estimated time for the rest.
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
