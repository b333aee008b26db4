// SPDX-License-Identifier: MIT OR Apache-2.0
//! The input, on its way to the output: nothing twice where two ways lead to the same
//! envelopes.

use std::time::{Duration, Instant};

use heka_core::os::clock;
use heka_core::report::Stop;

use crate::envelope::Envelope;
use crate::seen::{Key, Reading, Seen};
use crate::sink::Shared;

/// How much of what came is remembered, in nanoseconds of its own time.
const MEMORY: i64 = 120_000_000_000;
/// And how many envelopes, before less of the time is remembered.
const CROWD: usize = 100_000;
/// But no less than this, or all of it is forgotten: a gap is filled from a little before it.
const SHORTEST_MEMORY: i64 = 3_000_000_000;
/// The platform's clock is known to the second.
const SECOND: i64 = 1_000_000_000;

/// How far a source has been read.
#[derive(Clone, Debug)]
struct Position {
    id: String,
    /// Time of the youngest envelope so far; one from the future counts as of now, for it must not
    /// hide those of the present.
    newest: Option<i64>,
    /// An envelope of that very time was written.
    is_exact: bool,
    /// All from here on is remembered.
    remembered: i64,
    /// Since when it is read, on the platform's clock; `None` if from the beginning.
    since: Option<i64>,
    /// What there was at the beginning is known.
    has_begun: bool,
    /// From where on it has to be read, since a connection broke.
    gap: Option<i64>,
}

/// Joins what was read at once with what is streamed.
#[derive(Debug)]
pub(crate) struct Intake {
    seen: Seen,
    positions: Vec<Position>,
    /// What a stream brings is remembered.
    remembers: bool,
    /// The stream at hand may bring what was read beside it.
    joined: bool,
    streams: u32,
    /// The server has given what was asked for.
    pub(crate) is_readable: bool,
    /// How late a line may come, in nanoseconds.
    window: i64,
    /// When what was missed is to be read once more.
    look_again: Option<Instant>,
    /// How far the platform's clock is ahead of ours, in nanoseconds.
    pub(crate) ahead: i64,
}

impl Intake {
    /// For these sources, whose lines may come `delay` late. If it `remembers`, what is streamed is
    /// known when it comes again.
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

    /// A stream has been opened; `ahead` is how far the platform's clock is ahead of ours.
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
                // What an earlier stream had missed and nobody has read yet is missed still.
                let read = position.newest.map(|newest| newest.saturating_sub(self.window));
                position.gap = position.gap.or(read).or(position.since);
            }
        }
    }

    /// From where on a source has to be read so that nothing is missing; `None` if nothing can be.
    pub(crate) fn gap(&self, source: usize) -> Option<i64> {
        let position = self.positions.get(source)?;
        Some(position.gap?.max(position.remembered))
    }

    /// From where on a source is read again, for what came late.
    pub(crate) fn window_start(&self, source: usize) -> Option<i64> {
        Some(self.newest(source)?.saturating_sub(self.window))
    }

    /// What was missed has been read. Lines may come late, so it is read again after `delay`.
    pub(crate) fn filled(&mut self, delay: Option<Duration>) {
        self.joined = true;
        self.look_again = delay.and_then(|delay| Instant::now().checked_add(delay));
        if delay.is_none() {
            self.positions.iter_mut().for_each(|position| position.gap = None);
        }
    }

    /// What was missed cannot be read now: that is left to the next connection.
    pub(crate) fn put_off(&mut self) {
        self.look_again = None;
    }

    /// When what was missed has to be read once more.
    pub(crate) fn looks_again_at(&self) -> Option<Instant> {
        self.look_again
    }

    /// Takes one from a stream.
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

    /// Takes what was read at once. If it `joins_stream`, what is in the stream too comes only
    /// once, whichever way it came first.
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
            // A stream waits meanwhile, and its pings want to be answered.
            let mut sink = sink.lock();
            if joins_stream { sink.put_anyway(&envelope) } else { sink.put_waiting(&envelope) }?;
        }
        Ok(())
    }

    /// What is kept has been read: what comes now is new, also if that was nothing.
    pub(crate) fn join(&mut self) {
        self.joined = true;
        self.is_readable = true;
        self.positions.iter_mut().for_each(|position| position.has_begun = true);
    }

    /// Takes note of what was read at once and is not wanted, should it come again.
    pub(crate) fn pass_over(&mut self, envelopes: Vec<Envelope>) {
        let mut reading = Reading::default();
        for mut envelope in envelopes {
            let source = self.source_of(&envelope);
            self.is_new(source, &mut envelope, &mut reading);
        }
    }

    /// Whether an envelope of a reading was not written before; then it counts as written.
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

    /// Time of the youngest envelope of a source.
    pub(crate) fn newest(&self, source: usize) -> Option<i64> {
        self.positions.get(source)?.newest
    }

    /// The same, if an envelope of that very time was written.
    pub(crate) fn last_written(&self, source: usize) -> Option<i64> {
        self.positions.get(source).filter(|position| position.is_exact)?.newest
    }

    /// That envelope is gone from where it was: it says nothing about those that follow.
    pub(crate) fn forget_last(&mut self, source: usize) {
        if let Some(position) = self.positions.get_mut(source) {
            position.is_exact = false;
        }
    }

    /// Whether what a source had at the beginning is known.
    pub(crate) fn has_begun(&self, source: usize) -> bool {
        self.positions.get(source).is_some_and(|position| position.has_begun)
    }

    /// Forgets what of a source will not come again.
    pub(crate) fn forget(&mut self, source: usize, is_over: impl Fn(&Key) -> bool) {
        self.seen.retain(|key| key.source != source || !is_over(key));
    }

    /// The platform's time, as far as its answers show it.
    pub(crate) fn now(&self) -> i64 {
        clock::now_ns().saturating_add(self.ahead)
    }

    fn source_of(&self, envelope: &Envelope) -> usize {
        // Of a single source, all is.
        if self.positions.len() == 1 {
            return 0;
        }
        let id = envelope.source_id.as_deref().unwrap_or_default();
        self.positions.iter().position(|position| position.id.as_bytes() == id).unwrap_or(0)
    }

    /// A source has been read up to an envelope of that time.
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
            // 10,000 a second.
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
