// SPDX-License-Identifier: MIT OR Apache-2.0
//! At most `--rate` messages a second.

use std::time::{Duration, Instant};

use crate::window::Window;

/// So much of a second's messages may go out at once, or a single one.
const BURST: Duration = Duration::from_millis(10);

/// When records may go out.
#[derive(Debug)]
pub(super) struct Pace(Option<Even>);

impl Pace {
    /// `rate` records a second; none is no limit.
    pub(super) fn new(rate: Option<u32>) -> Self {
        Self(rate.map(Even::new))
    }

    /// Number of the last record that may be written now, `last` at most.
    pub(super) fn last(&self, window: &Window, last: u64) -> u64 {
        let Some(even) = &self.0 else { return last };
        last.min(window.written_until().saturating_add(even.allowance(Instant::now())))
    }

    /// Notes that `len` bytes were written; returns how many records of them had been before.
    pub(super) fn pass(&mut self, window: &mut Window, len: usize) -> u64 {
        let Some(even) = &mut self.0 else { return window.written(len) };
        let before = window.written_until();
        let resent = window.written(len);
        even.pass(window.written_until() - before, Instant::now());
        resent
    }

    /// When the next record may be written, if there is one and it may not now.
    pub(super) fn due(&self, window: &Window) -> Option<Instant> {
        let even = self.0.as_ref().filter(|_| window.has_unwritten())?;
        even.due(Instant::now())
    }
}

/// So many a second, one as long after another.
#[derive(Debug)]
struct Even {
    /// Between two messages.
    interval: Duration,
    burst: Duration,
    /// The next one would go out then if all of them did evenly.
    next: Instant,
}

impl Even {
    /// `rate` messages a second.
    fn new(rate: u32) -> Self {
        let interval = Duration::from_secs(1) / rate.max(1);
        let burst = BURST.max(interval);
        Self { interval, burst, next: Instant::now() }
    }

    /// How many may go out now.
    fn allowance(&self, now: Instant) -> u64 {
        let time = (now + self.burst).saturating_duration_since(self.next.max(now));
        let count = time.as_nanos() / self.interval.as_nanos().max(1);
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    /// So many went out.
    fn pass(&mut self, count: u64, now: Instant) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.next = self.next.max(now) + self.interval.saturating_mul(count);
    }

    /// When the next one may go out, if none may now.
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
