// SPDX-License-Identifier: MIT OR Apache-2.0
//! Numbers and their names: the registry from which all reports are made.

use std::fmt::{Display, Formatter};
use std::sync::atomic::Ordering;

use super::counter::{Counter, Table};
use super::{START, blocked};

/// The reason why a record was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// Not a frame.
    Damaged,
    /// Longer than the limit or than the form permits.
    TooLong,
    /// With a wrong or missing signature.
    Unverified,
    /// Not valid in the form, e.g. not UTF-8.
    Invalid,
    /// Stored before, but no longer there.
    Missing,
    /// For a reader that was too slow or has gone.
    Unsent,
    /// Of an unwanted kind.
    Unwanted,
}

const SKIPS: [(Skip, &str); 7] = [
    (Skip::Damaged, "damaged"),
    (Skip::TooLong, "too_long"),
    (Skip::Unverified, "unverified"),
    (Skip::Invalid, "invalid"),
    (Skip::Missing, "missing"),
    (Skip::Unsent, "unsent"),
    (Skip::Unwanted, "unwanted"),
];

static SKIPPED: [Counter; SKIPS.len()] = [const { Counter::new() }; SKIPS.len()];

/// Counts records that were lost, refused or damaged.
pub fn skip(why: Skip, records: u64) {
    if let Some(counter) = SKIPPED.get(why as usize) {
        counter.add_shared(records);
    }
}

/// Returns the total of skipped records.
pub(super) fn skipped() -> u64 {
    SKIPPED.iter().map(Counter::value).sum()
}

/// The behaviour of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only increases.
    Counter,
    /// Increases and decreases.
    Gauge,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// The label that distinguishes the values of a number, e.g. `file`.
pub type Label = &'static str;

/// A number with its names.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: Kind,
    /// Whether the number is in nanoseconds, which are shown as seconds.
    is_time: bool,
    word: Word,
    source: Source,
}

/// How the line for people shows a number.
#[derive(Clone, Copy, Debug)]
enum Word {
    None,
    Always(&'static str),
    /// Only if it is not 0.
    IfAny(&'static str),
    /// As a sum, with its parts.
    Parts(&'static str),
}

/// Maximum number of parts of a sum in the line for people.
const MOST_PARTS: usize = 10;

#[derive(Clone, Copy, Debug)]
enum Source {
    One(&'static Counter),
    /// The age of the time in the counter; 0 if there is none.
    Age(&'static Counter),
    /// The time in the counter, since 1970; absent if there is none.
    Time(&'static Counter),
    Computed(fn() -> u64),
    Each(Label, fn(&mut Values)),
    Table(Label, &'static Table),
}

impl Metric {
    /// Creates a number that only increases; the name ends in `_total`.
    pub const fn total(name: &'static str, help: &'static str, of: &'static Counter) -> Self {
        Self::new(name, help, Kind::Counter, Source::One(of))
    }

    /// Creates a number that increases and decreases.
    pub const fn gauge(name: &'static str, help: &'static str, of: &'static Counter) -> Self {
        Self::new(name, help, Kind::Gauge, Source::One(of))
    }

    /// Creates the age in seconds of the time in `of`, which is from [`super::now`]; 0 if `of` is
    /// 0.
    pub const fn age(name: &'static str, help: &'static str, of: &'static Counter) -> Self {
        Self::new(name, help, Kind::Gauge, Source::Age(of)).seconds()
    }

    /// Creates a number that is computed when shown.
    pub const fn computed(name: &'static str, help: &'static str, compute: fn() -> u64) -> Self {
        Self::new(name, help, Kind::Gauge, Source::Computed(compute))
    }

    /// Creates the time in `of`, which is from [`super::now`].
    pub const fn time(name: &'static str, help: &'static str, of: &'static Counter) -> Self {
        Self::new(name, help, Kind::Gauge, Source::Time(of)).seconds()
    }

    /// Creates the numbers of a table, which only increase.
    pub const fn total_table(
        name: &'static str,
        help: &'static str,
        label: Label,
        of: &'static Table,
    ) -> Self {
        Self::new(name, help, Kind::Counter, Source::Table(label, of))
    }

    /// Creates the numbers of a table, which increase and decrease.
    pub const fn gauge_table(
        name: &'static str,
        help: &'static str,
        label: Label,
        of: &'static Table,
    ) -> Self {
        Self::new(name, help, Kind::Gauge, Source::Table(label, of))
    }

    /// Creates a number per label value, which only increases.
    pub const fn total_each(
        name: &'static str,
        help: &'static str,
        label: Label,
        put: fn(&mut Values),
    ) -> Self {
        Self::new(name, help, Kind::Counter, Source::Each(label, put))
    }

    /// Creates a number per label value, which increases and decreases.
    pub const fn gauge_each(
        name: &'static str,
        help: &'static str,
        label: Label,
        put: fn(&mut Values),
    ) -> Self {
        Self::new(name, help, Kind::Gauge, Source::Each(label, put))
    }

    const fn new(name: &'static str, help: &'static str, kind: Kind, source: Source) -> Self {
        Self { name, help, kind, is_time: false, word: Word::None, source }
    }

    /// Declares the number to be in nanoseconds.
    #[must_use]
    pub const fn seconds(mut self) -> Self {
        self.is_time = true;
        self
    }

    /// Shows the number as `VALUE WORD` in the line for people.
    #[must_use]
    pub const fn word(mut self, word: &'static str) -> Self {
        self.word = Word::Always(word);
        self
    }

    /// Like [`Metric::word`], unless the number is 0.
    #[must_use]
    pub const fn word_if_any(mut self, word: &'static str) -> Self {
        self.word = Word::IfAny(word);
        self
    }

    /// Shows the numbers as `SUM WORD (OF: VALUE, …)` in the line for people, without parts that
    /// are 0.
    #[must_use]
    pub const fn word_with_parts(mut self, word: &'static str) -> Self {
        self.word = Word::Parts(word);
        self
    }

    /// Returns the name, for the test of the manual page.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the name of the label, for the test of the manual page.
    pub const fn label(&self) -> Option<Label> {
        match self.source {
            Source::Each(label, _) | Source::Table(label, _) => Some(label),
            _ => None,
        }
    }

    pub(super) fn push_words(&self, line: &mut String) {
        let value = match self.source {
            Source::One(counter) => counter.present(),
            Source::Table(_, table) => Some(table.sum()),
            _ => None,
        };
        match (self.word, value) {
            (Word::Always(word), Some(value)) => *line += &format!(", {value} {word}"),
            (Word::IfAny(word), Some(value)) if value > 0 => *line += &format!(", {value} {word}"),
            (Word::Parts(word), Some(value)) => {
                *line += &format!(", {value} {word}");
                self.push_parts(line);
            }
            _ => {}
        }
    }

    /// Appends the parts of a sum.
    fn push_parts(&self, line: &mut String) {
        let (_, values) = self.values();
        let parts = values.iter().filter(|(_, number)| number.value > 0);
        let parts: Vec<_> = parts.map(|(of, number)| format!("{of}: {number}")).collect();
        if let Some(shown) = parts.get(..MOST_PARTS.min(parts.len())).filter(|_| values.len() > 1)
            && !shown.is_empty()
        {
            let more = if parts.len() > MOST_PARTS { ", …" } else { "" };
            *line += &format!(" ({}{more})", shown.join(", "));
        }
    }

    /// Returns the name of the label and the current values.
    pub(super) fn values(&self) -> (Option<Label>, Vec<(String, Number)>) {
        let mut values = Values(Vec::new());
        let (label, value) = match self.source {
            Source::One(counter) => (None, counter.present()),
            Source::Age(counter) => (None, Some(age(counter.value()))),
            Source::Time(counter) => (None, time(counter.value())),
            Source::Computed(compute) => (None, Some(compute())),
            Source::Each(label, put) => {
                put(&mut values);
                (Some(label), None)
            }
            Source::Table(label, table) => {
                table.each(|of, value| values.put(of, value));
                (Some(label), None)
            }
        };
        values.0.extend(value.map(|value| (String::new(), value)));
        let number = |value| Number { value, is_time: self.is_time };
        (label, values.0.into_iter().map(|(of, value)| (of, number(value))).collect())
    }
}

fn time(of: u64) -> Option<u64> {
    let start = START.get().filter(|_| of > 0)?;
    Some(start.time.saturating_add(of))
}

fn age(since: u64) -> u64 {
    if since == 0 { 0 } else { super::now().saturating_sub(since) }
}

/// The values of a number with a label.
#[derive(Debug)]
pub struct Values(Vec<(String, u64)>);

impl Values {
    /// Adds a value; `of` is the value of the label.
    pub fn put(&mut self, of: impl Into<String>, value: u64) {
        self.0.push((of.into(), value));
    }

    /// Adds the value of a counter.
    pub fn put_counter(&mut self, of: impl Into<String>, counter: &Counter) {
        self.put(of, counter.value());
    }
}

/// A value as shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    value: u64,
    is_time: bool,
}

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        if !self.is_time {
            return write!(f, "{}", self.value);
        }
        let micros = self.value / 1000;
        write!(f, "{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

/// The numbers of every tool.
const COMMON: &[Metric] = &[
    Metric::new("heka_running", "1 while the tool runs, 0 once it has ended", Kind::Gauge, {
        Source::Computed(|| u64::from(!super::HAS_ENDED.load(Ordering::Relaxed)))
    }),
    Metric::new("heka_start_time_seconds", "Time of the start, since 1970", Kind::Gauge, {
        Source::Computed(|| START.get().map_or(0, |start| start.time))
    })
    .seconds(),
    Metric::total("heka_messages_total", "Messages passed on", &super::MESSAGES),
    Metric::total("heka_read_bytes_total", "Bytes read", &super::BYTES_IN),
    Metric::total("heka_written_bytes_total", "Bytes written", &super::BYTES_OUT),
    Metric::total_each("heka_skipped_total", "Messages that were not passed on", "reason", |all| {
        for ((_, name), counter) in SKIPS.iter().zip(&SKIPPED) {
            all.put(*name, counter.value());
        }
    }),
    Metric::total_each("heka_diagnostics_total", "Errors and warnings", "level", |all| {
        all.put("error", super::ERRORS.value());
        all.put("warning", super::WARNINGS.value());
    }),
    Metric::new("heka_blocked_seconds", "How long output has been stuck", Kind::Gauge, {
        Source::Computed(|| super::nanoseconds(blocked::span()))
    })
    .seconds(),
    Metric::total_each(
        "heka_blocked_seconds_total",
        "Time spent on writing and syncing",
        "on",
        blocked::put_totals,
    )
    .seconds(),
];

/// Returns the tool's own numbers.
pub(super) fn own() -> impl Iterator<Item = &'static Metric> {
    START.get().map_or(&[][..], |start| start.metrics).iter().copied().flatten()
}

/// Returns the common numbers and the tool's own.
pub(super) fn all() -> impl Iterator<Item = &'static Metric> {
    COMMON.iter().chain(own())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_the_place_of_its_number() {
        for (index, (skip, _)) in SKIPS.iter().enumerate() {
            assert_eq!(*skip as usize, index);
        }
    }

    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        for metric in COMMON {
            let is_total = metric.name.ends_with("_total");
            assert_eq!(is_total, metric.kind == Kind::Counter, "{}", metric.name);
        }
    }

    #[test]
    fn times_are_told_in_seconds() {
        let number = |value| Number { value, is_time: true }.to_string();
        assert_eq!(number(0), "0.000000");
        assert_eq!(number(1_234_567_890), "1.234567");
        assert_eq!(Number { value: 7, is_time: false }.to_string(), "7");
    }

    #[test]
    fn what_is_absent_is_not_told() {
        static SIZE: Counter = Counter::absent();
        const METRIC: Metric = Metric::gauge("x", "X", &SIZE).word("bytes");
        let words = || {
            let mut line = String::new();
            METRIC.push_words(&mut line);
            line
        };
        assert!(METRIC.values().1.is_empty() && words().is_empty());
        SIZE.set(0);
        assert_eq!((METRIC.values().1.len(), words().as_str()), (1, ", 0 bytes"));
    }
}
