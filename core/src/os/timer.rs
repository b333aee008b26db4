// SPDX-License-Identifier: MIT OR Apache-2.0
//! Timers of threads that report periodically.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A periodic event.
#[derive(Debug)]
pub(super) struct Timer {
    period: Option<Duration>,
    due: Option<Instant>,
}

impl Timer {
    pub(super) fn new(period: Option<Duration>, first: Duration) -> Self {
        Self { period, due: period.map(|_| Instant::now() + first) }
    }

    /// Whether the event is due; if so, the next one is due a period later.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.due.is_some_and(|due| due <= now);
        if is_due {
            self.due = self.period.map(|period| now + period);
        }
        is_due
    }
}

/// Waits until one of the timers is due, or one of `fds` is readable.
pub(super) fn wait(timers: &[&Timer], fds: &[BorrowedFd<'_>]) {
    if fds.is_empty() {
        return std::thread::park();
    }
    let due = timers.iter().filter_map(|timer| timer.due).min();
    let timeout = due.map_or(PollTimeout::NONE, |due| {
        // Rounded up, so that the time has passed afterwards.
        let left = due.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
        PollTimeout::try_from(left.as_millis().min(i32::MAX as u128)).unwrap_or(PollTimeout::MAX)
    });
    // An interruption is treated like an event.
    let mut fds: Vec<_> = fds.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    let _ = poll(&mut fds, timeout);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_due_once_a_period() {
        let start = Instant::now();
        let period = Duration::from_secs(10);
        let mut timer = Timer::new(Some(period), Duration::ZERO);
        let later = start + Duration::from_secs(1);
        assert!(timer.is_due(later) && !timer.is_due(later));
        assert!(!timer.is_due(later + period / 2) && timer.is_due(later + period));
        assert!(!Timer::new(None, Duration::ZERO).is_due(later));
    }
}
