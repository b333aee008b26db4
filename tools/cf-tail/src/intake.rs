// SPDX-License-Identifier: MIT OR Apache-2.0
//! What comes in, on its way to the output: nothing twice where two ways lead to the same
//! envelopes.

use heka_core::report::Stop;

use crate::envelope::Envelope;
use crate::seen::{Key, Seen};
use crate::sink::Shared;

/// How much of what a stream brought is remembered, in nanoseconds of its own time.
const MEMORY: i64 = 120_000_000_000;
/// And how many envelopes, before less of the time is remembered.
const CROWD: usize = 100_000;
/// But no less than this, or all of it is forgotten: a gap is filled from a little before it.
const SHORTEST_MEMORY: i64 = 3_000_000_000;

/// Joins what was read at once with what is streamed.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    /// Read at once, and perhaps still to come in the stream.
    read: Seen,
    /// Came in the stream, and may come again when a gap is filled.
    streamed: Option<Seen>,
    /// The youngest envelope so far; one from the future counts as of now, for it must not hide
    /// those of the present.
    pub(crate) newest: Option<i64>,
    /// How far the platform's clock is ahead of ours, in nanoseconds.
    pub(crate) ahead: i64,
}

impl Intake {
    /// From now on what is streamed is remembered: a gap can be filled later.
    pub(crate) fn remember_streamed(&mut self) {
        self.streamed.get_or_insert_default();
    }

    /// Takes one from a stream.
    ///
    /// # Errors
    /// As the sink's.
    pub(crate) fn push(&mut self, sink: &Shared, envelope: &Envelope) -> Result<(), Stop> {
        self.grow(envelope.timestamp);
        if self.read.len() > 0 || self.streamed.is_some() {
            let key = Key::of(envelope);
            if self.read.take(key) {
                return Ok(());
            }
            self.remember(key);
        }
        sink.lock().push(envelope)
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
        self.read.forget_before(self.newest.unwrap_or(i64::MIN).saturating_sub(MEMORY));
        for envelope in envelopes {
            self.grow(envelope.timestamp);
            if !joins_stream {
                sink.lock().put_waiting(&envelope)?;
                continue;
            }
            let key = Key::of(&envelope);
            if self.streamed.as_mut().is_some_and(|streamed| streamed.take(key)) {
                continue;
            }
            self.read.add(key);
            // A stream waits meanwhile, and its pings want to be answered.
            sink.lock().put_anyway(&envelope)?;
        }
        Ok(())
    }

    /// Takes note of what was read at once and is not wanted, should it come in the stream.
    pub(crate) fn pass_over(&mut self, envelopes: &[Envelope]) {
        for envelope in envelopes {
            self.grow(envelope.timestamp);
            self.read.add(Key::of(envelope));
        }
    }

    /// Lends what was read at once to whoever reads the same again.
    pub(crate) fn lend(&mut self) -> Seen {
        std::mem::take(&mut self.read)
    }

    /// Takes it back, with what was read since.
    pub(crate) fn take_back(&mut self, read: Seen) {
        self.read = read;
    }

    /// Takes note of the time of an envelope.
    pub(crate) fn grow(&mut self, timestamp: i64) {
        if self.newest.is_none_or(|newest| timestamp > newest) {
            let now = heka_core::os::clock::now_ns().saturating_add(self.ahead);
            self.newest = self.newest.max(Some(timestamp.min(now)));
        }
    }

    fn remember(&mut self, key: Key) {
        let Some(streamed) = &mut self.streamed else { return };
        streamed.add(key);
        let mut memory = MEMORY;
        while streamed.len() > CROWD {
            if memory < SHORTEST_MEMORY {
                *streamed = Seen::default();
            }
            streamed.forget_before(self.newest.unwrap_or_default().saturating_sub(memory));
            memory /= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_future_is_that_of_the_platform_s_clock() {
        let mut intake = Intake::default();
        let now = heka_core::os::clock::now_ns();
        let hour = 3_600_000_000_000;
        intake.grow(now + hour);
        assert!(intake.newest.unwrap() < now + hour / 2);
        intake.ahead = 2 * hour;
        intake.grow(now + hour);
        assert_eq!(intake.newest, Some(now + hour));
    }

    #[test]
    fn of_a_busy_stream_the_last_seconds_are_remembered() {
        let mut intake = Intake::default();
        intake.remember_streamed();
        let envelope =
            |number: i64| Envelope { timestamp: number * 100_000, ..Envelope::default() };
        for number in 0..250_000 {
            // 10,000 a second.
            intake.grow(envelope(number).timestamp);
            intake.remember(Key::of(&envelope(number)));
            let streamed = intake.streamed.as_ref().unwrap();
            assert!(streamed.len() <= CROWD);
            let earlier = Key::of(&envelope((number - 30_000).max(0)));
            assert_eq!(streamed.count(earlier), 1, "{number}");
        }
    }
}
