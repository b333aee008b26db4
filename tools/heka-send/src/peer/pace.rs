// SPDX-License-Identifier: MIT OR Apache-2.0
//! Limits the rate to `--rate` messages per second.

use std::time::{Duration, Instant};

use crate::window::Window;

/// Messages of this much time may be sent at once, but at least one.
const BURST: Duration = Duration::from_millis(10);

/// The pace of records.
#[derive(Debug)]
pub(super) struct Pace(Option<Even>);

impl Pace {
    /// Creates a limit of `rate` records per second; `None` is no limit.
    pub(super) fn new(rate: Option<u32>) -> Self {
        Self(rate.map(Even::new))
    }

    /// Returns the number of the last record that may be written now, at most `last`.
    pub(super) fn last(&self, window: &Window, last: u64) -> u64 {
        let Some(even) = &self.0 else { return last };
        last.min(window.written_until().saturating_add(even.allowance(Instant::now())))
    }

    /// Notes that `len` bytes were written; returns how many of their records had been written
    /// before.
    pub(super) fn pass(&mut self, window: &mut Window, len: usize) -> u64 {
        let Some(even) = &mut self.0 else { return window.written(len) };
        let before = window.written_until();
        let resent = window.written(len);
        even.pass(window.written_until() - before, Instant::now());
        resent
    }

    /// Returns when the next record may be written, if there is one that may not be written now.
    pub(super) fn due(&self, window: &Window) -> Option<Instant> {
        let even = self.0.as_ref().filter(|_| window.has_unwritten())?;
        even.due(Instant::now())
    }
}

/// An even rate.
#[derive(Debug)]
struct Even {
    /// Interval between two messages.
    interval: Duration,
    burst: Duration,
    /// When the next message would be sent at an even rate.
    next: Instant,
}

impl Even {
    /// Creates a rate of `rate` messages per second.
    fn new(rate: u32) -> Self {
        let interval = Duration::from_secs(1) / rate.max(1);
        let burst = BURST.max(interval);
        Self { interval, burst, next: Instant::now() }
    }

    /// Returns how many messages may be sent now.
    fn allowance(&self, now: Instant) -> u64 {
        let time = (now + self.burst).saturating_duration_since(self.next.max(now));
        let count = time.as_nanos() / self.interval.as_nanos().max(1);
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    /// Notes that `count` messages were sent.
    fn pass(&mut self, count: u64, now: Instant) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.next = self.next.max(now) + self.interval.saturating_mul(count);
    }

    /// Returns when the next message may be sent, if none may be sent now.
    fn due(&self, now: Instant) -> Option<Instant> {
        let due = self.next.checked_sub(self.burst)? + self.interval;
        (due > now).then_some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_go_out_in_a_second() {
        for rate in [1, 7, 100, 12_345] {
            let mut pace = Even::new(rate);
            let start = Instant::now();
            let (mut now, mut sent) = (start, 0);
            while now < start + Duration::from_secs(3) {
                let count = pace.allowance(now);
                pace.pass(count, now);
                sent += count;
                now = pace.due(now).unwrap_or(now);
            }
            let expected = u64::from(rate) * 3;
            let burst = u64::from(rate) / 100 + 1;
            assert!((expected..=expected + burst).contains(&sent), "{rate}: {sent}");
        }
    }

    #[test]
    fn what_was_not_used_is_not_made_up_for() {
        let mut pace = Even::new(1000);
        let now = Instant::now() + Duration::from_secs(60);
        assert_eq!(pace.allowance(now), 10);
        pace.pass(10, now);
        assert_eq!(pace.allowance(now), 0);
        assert!(pace.due(now).is_some_and(|due| due <= now + Duration::from_millis(1)));
    }
}
