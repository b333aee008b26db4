// SPDX-License-Identifier: MIT OR Apache-2.0
//! Passes input to the output, without duplicates where two ways lead to the same envelopes.

use std::time::{Duration, Instant};

use heka_core::os::clock;
use heka_core::report::Stop;

use crate::envelope::Envelope;
use crate::seen::{Key, Reading, Seen};
use crate::sink::Shared;

/// Duration of the memory, in nanoseconds of the envelopes' own time.
const MEMORY: i64 = 120_000_000_000;
/// Number of envelopes beyond which the duration is reduced.
const CROWD: usize = 100_000;
/// Minimum duration, below which everything is forgotten: a gap is filled from a little before its
/// start.
const SHORTEST_MEMORY: i64 = 3_000_000_000;
/// The platform's clock is known to the second.
const SECOND: i64 = 1_000_000_000;

/// The progress of a source.
#[derive(Clone, Debug)]
struct Position {
    id: String,
    /// Time of the newest envelope so far; one from the future counts as current, so that it does
    /// not hide current ones.
    newest: Option<i64>,
    /// Whether an envelope of exactly that time was written.
    is_exact: bool,
    /// Everything after this time is remembered.
    remembered: i64,
    /// Start of reading by the platform's clock; `None` if from the beginning.
    since: Option<i64>,
    /// Whether the contents at the beginning are known.
    has_begun: bool,
    /// Time from which to read, since a connection broke.
    gap: Option<i64>,
}

/// Joins envelopes that were read at once with those that are streamed.
#[derive(Debug)]
pub(crate) struct Intake {
    seen: Seen,
    positions: Vec<Position>,
    /// Whether streamed envelopes are remembered.
    remembers: bool,
    /// Whether the current stream may repeat what was read beside it.
    joined: bool,
    streams: u32,
    /// Whether the server has provided what was requested.
    pub(crate) is_readable: bool,
    /// Maximum lateness of a line in nanoseconds.
    window: i64,
    /// When to read missed envelopes once more.
    look_again: Option<Instant>,
    /// Difference between the platform's clock and the local one, in nanoseconds.
    pub(crate) ahead: i64,
}

impl Intake {
    /// Creates the intake for these sources, whose lines may arrive `delay` late. `remembers` says
    /// whether streamed envelopes are recognised when they are repeated.
    pub(crate) fn new(
        sources: impl IntoIterator<Item = String>,
        delay: Duration,
        remembers: bool,
    ) -> Self {
        let position = |id| Position {
            id,
            newest: None,
            is_exact: false,
            remembered: i64::MIN,
            since: None,
            has_begun: false,
            gap: None,
        };
        let mut positions: Vec<Position> = sources.into_iter().map(position).collect();
        if positions.is_empty() {
            positions.push(position(String::new()));
        }
        Self {
            seen: Seen::default(),
            positions,
            remembers,
            joined: false,
            streams: 0,
            is_readable: false,
            window: i64::try_from(delay.as_nanos()).unwrap_or(i64::MAX),
            look_again: None,
            ahead: 0,
        }
    }

    /// Begins a stream; `ahead` is the difference between the platform's clock and the local one.
    pub(crate) fn begin_stream(&mut self, ahead: i64) {
        self.ahead = ahead;
        self.seen.begin_stream();
        self.joined = false;
        self.look_again = None;
        let since = self.now().saturating_sub(SECOND);
        let is_first = self.streams == 0;
        self.streams = self.streams.saturating_add(1);
        for position in &mut self.positions {
            if is_first {
                position.since = Some(since);
            } else {
                // Envelopes missed by an earlier stream and not read yet are still missing.
                let read = position.newest.map(|newest| newest.saturating_sub(self.window));
                position.gap = position.gap.or(read).or(position.since);
            }
        }
    }

    /// Returns the time from which to read a source so that nothing is missing; `None` if nothing
    /// can be.
    pub(crate) fn gap(&self, source: usize) -> Option<i64> {
        let position = self.positions.get(source)?;
        Some(position.gap?.max(position.remembered))
    }

    /// Returns the time from which to read a source again for late lines.
    pub(crate) fn window_start(&self, source: usize) -> Option<i64> {
        Some(self.newest(source)?.saturating_sub(self.window))
    }

    /// Notes that missed envelopes have been read. Lines may be late, so they are read again after
    /// `delay`.
    pub(crate) fn filled(&mut self, delay: Option<Duration>) {
        self.joined = true;
        self.look_again = delay.and_then(|delay| Instant::now().checked_add(delay));
        if delay.is_none() {
            self.positions.iter_mut().for_each(|position| position.gap = None);
        }
    }

    /// Leaves missed envelopes that cannot be read now to the next connection.
    pub(crate) fn put_off(&mut self) {
        self.look_again = None;
    }

    /// Returns when to read missed envelopes once more.
    pub(crate) fn looks_again_at(&self) -> Option<Instant> {
        self.look_again
    }

    /// Accepts a streamed envelope.
    ///
    /// # Errors
    /// As the sink's.
    pub(crate) fn push(&mut self, sink: &Shared, mut envelope: Envelope) -> Result<(), Stop> {
        let source = self.source_of(&envelope);
        self.grow(source, envelope.timestamp);
        if self.remembers || self.joined {
            let key = Key::of(&envelope, source);
            let Some(nth) = self.seen.stream(key, self.joined) else { return Ok(()) };
            envelope.nth = nth;
            self.limit_memory();
        }
        sink.lock().push(&envelope)
    }

    /// Accepts envelopes that were read at once. With `joins_stream`, those that are also in the
    /// stream are written only once, whichever way they came first.
    ///
    /// # Errors
    /// As the sink's.
    pub(crate) fn put_all(
        &mut self,
        sink: &Shared,
        envelopes: Vec<Envelope>,
        joins_stream: bool,
    ) -> Result<(), Stop> {
        let mut reading = Reading::default();
        for mut envelope in envelopes {
            let source = self.source_of(&envelope);
            if !self.is_new(source, &mut envelope, &mut reading) {
                continue;
            }
            // A stream is waiting meanwhile, and its pings have to be answered.
            let mut sink = sink.lock();
            if joins_stream { sink.put_anyway(&envelope) } else { sink.put_waiting(&envelope) }?;
        }
        Ok(())
    }

    /// Notes that kept messages have been read, even if there were none: everything after this is
    /// new.
    pub(crate) fn join(&mut self) {
        self.joined = true;
        self.is_readable = true;
        self.positions.iter_mut().for_each(|position| position.has_begun = true);
    }

    /// Notes envelopes that were read and are not wanted, in case they are repeated.
    pub(crate) fn pass_over(&mut self, envelopes: Vec<Envelope>) {
        let mut reading = Reading::default();
        for mut envelope in envelopes {
            let source = self.source_of(&envelope);
            self.is_new(source, &mut envelope, &mut reading);
        }
    }

    /// Whether an envelope of a reading was not written before; if so, it counts as written.
    pub(crate) fn is_new(
        &mut self,
        source: usize,
        envelope: &mut Envelope,
        reading: &mut Reading,
    ) -> bool {
        self.grow(source, envelope.timestamp);
        let key = Key::of(envelope, source);
        envelope.nth = reading.count(key);
        self.seen.read(key, envelope.nth)
    }

    /// Returns the time of a source's newest envelope.
    pub(crate) fn newest(&self, source: usize) -> Option<i64> {
        self.positions.get(source)?.newest
    }

    /// Returns the time of a source's newest envelope, if one of exactly that time was written.
    pub(crate) fn last_written(&self, source: usize) -> Option<i64> {
        self.positions.get(source).filter(|position| position.is_exact)?.newest
    }

    /// Forgets the last envelope, which no longer exists at its source and says nothing about those
    /// that follow.
    pub(crate) fn forget_last(&mut self, source: usize) {
        if let Some(position) = self.positions.get_mut(source) {
            position.is_exact = false;
        }
    }

    /// Whether the contents of a source at the beginning are known.
    pub(crate) fn has_begun(&self, source: usize) -> bool {
        self.positions.get(source).is_some_and(|position| position.has_begun)
    }

    /// Forgets envelopes of a source that will not be repeated.
    pub(crate) fn forget(&mut self, source: usize, is_over: impl Fn(&Key) -> bool) {
        self.seen.retain(|key| key.source != source || !is_over(key));
    }

    /// Returns the platform's time, as far as its responses show it.
    pub(crate) fn now(&self) -> i64 {
        clock::now_ns().saturating_add(self.ahead)
    }

    fn source_of(&self, envelope: &Envelope) -> usize {
        // With a single source, everything is.
        if self.positions.len() == 1 {
            return 0;
        }
        let id = envelope.source_id.as_deref().unwrap_or_default();
        self.positions.iter().position(|position| position.id.as_bytes() == id).unwrap_or(0)
    }

    /// Notes that a source has been read up to an envelope of this time.
    pub(crate) fn grow(&mut self, source: usize, timestamp: i64) {
        let now = self.now();
        let Some(position) = self.positions.get_mut(source) else { return };
        position.has_begun = true;
        if position.newest.is_none_or(|newest| timestamp > newest) {
            position.newest = position.newest.max(Some(timestamp.min(now)));
        }
        if position.newest == Some(timestamp) {
            position.is_exact = true;
        } else if timestamp > now {
            position.is_exact = false;
        }
    }

    fn limit_memory(&mut self) {
        let mut memory = MEMORY;
        while self.seen.len() > CROWD {
            for position in &mut self.positions {
                let newest = position.newest.unwrap_or(i64::MIN);
                position.remembered = match memory < SHORTEST_MEMORY {
                    true => newest.saturating_add(1),
                    false => position.remembered.max(newest.saturating_sub(memory)),
                };
            }
            let positions = &self.positions;
            self.seen.retain(|key| {
                let position = positions.get(key.source);
                position.is_some_and(|position| key.timestamp >= position.remembered)
            });
            memory /= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intake() -> Intake {
        Intake::new(["app".to_owned()], Duration::from_nanos(2), true)
    }

    #[test]
    fn the_future_is_that_of_the_platform_s_clock() {
        let mut intake = intake();
        let now = clock::now_ns();
        let hour = 3_600_000_000_000;
        intake.grow(0, now + hour);
        assert!(intake.newest(0).unwrap() < now + hour / 2 && intake.last_written(0).is_none());
        intake.ahead = 2 * hour;
        intake.grow(0, now + hour);
        assert_eq!(
            (intake.newest(0), intake.last_written(0)),
            (Some(now + hour), Some(now + hour))
        );
    }

    #[test]
    fn of_a_busy_stream_the_last_seconds_are_remembered() {
        let mut intake = intake();
        let envelope =
            |number: i64| Envelope { timestamp: number * 100_000, ..Envelope::default() };
        for number in 0..250_000 {
            // 10,000 per second.
            intake.grow(0, envelope(number).timestamp);
            intake.seen.stream(Key::of(&envelope(number), 0), false);
            intake.limit_memory();
            assert!(intake.seen.len() <= CROWD);
            let earlier = envelope((number - 30_000).max(0));
            assert!(!intake.seen.read(Key::of(&earlier, 0), 1), "{number}");
        }
    }

    #[test]
    fn a_gap_begins_where_reading_ended_and_is_not_forgotten_before_it_is_filled() {
        let mut intake = intake();
        intake.begin_stream(0);
        assert_eq!(intake.gap(0), None, "before the first connection nothing can be missed");
        intake.begin_stream(0);
        assert!(intake.gap(0).is_some_and(|since| since > 0), "not even a first line");
        intake.filled(None);
        intake.grow(0, 100);
        intake.begin_stream(0);
        assert_eq!(intake.gap(0), Some(98));
        intake.grow(0, 200);
        intake.begin_stream(0);
        assert_eq!(intake.gap(0), Some(98));
        intake.filled(Some(Duration::ZERO));
        assert!(intake.looks_again_at().is_some());
        assert_eq!(intake.gap(0), Some(98));
        intake.filled(None);
        assert_eq!(intake.gap(0), None);
    }
}
