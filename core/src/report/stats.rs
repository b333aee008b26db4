// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a tool has done so far: counters, the `--stats` line, the `--progress` meter.
//!
//! One line at the end with `--stats`, and on SIGUSR1 at any time:
//! `heka-send: 1203 messages, 318244 bytes in, 318244 bytes out, 2 skipped, 1.52 s, 209 kB/s`.
//! Tools add counters of their own with [`counter`]; they stand behind the common ones.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};

use crate::report;

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
static MORE: Mutex<Vec<(&'static str, &'static Counter)>> = Mutex::new(Vec::new());

/// Starts the clock, and the meter if one is wanted.
#[expect(clippy::disallowed_methods, reason = "asks about stderr, does not write")]
pub fn init(progress: bool) {
    START.get_or_init(Instant::now);
    if progress && nix::unistd::isatty(std::io::stderr()).unwrap_or(false) {
        std::thread::spawn(show_progress);
    }
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
    let rate = bytes_in.max(bytes_out) as f64 / elapsed.max(1e-6);
    line += &format!(", {elapsed:.2} s, {}", Rate(rate));
    line
}

/// Bytes per second in powers of 1000.
struct Rate(f64);

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let units = ["B/s", "kB/s", "MB/s", "GB/s"];
        let mut value = self.0;
        let mut unit = 0;
        while value >= 1000.0 && unit + 1 < units.len() {
            value /= 1000.0;
            unit += 1;
        }
        let digits = usize::from(value < 10.0 && unit > 0);
        write!(f, "{value:.digits$} {}", units[unit])
    }
}

fn show_progress() {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{prefix}: {msg}") {
        bar.set_style(style);
    }
    bar.set_prefix(report::program());
    let mut before = (0, 0);
    loop {
        let now = (MESSAGES.value(), BYTES_IN.value().max(BYTES_OUT.value()));
        bar.set_message(format!(
            "{} messages, {}, {}/s, {}/s",
            HumanCount(now.0),
            HumanBytes(now.1),
            HumanCount(now.0 - before.0),
            HumanBytes(now.1 - before.1),
        ));
        bar.tick();
        before = now;
        #[expect(clippy::disallowed_methods, reason = "this thread dies with the process")]
        std::thread::sleep(Duration::from_secs(1));
    }
}
