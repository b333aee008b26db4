// SPDX-License-Identifier: MIT OR Apache-2.0
//! When a thread that reports something periodically has to do so again.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// When something is to be done again.
#[derive(Debug)]
pub(super) struct Timer {
    period: Option<Duration>,
    due: Option<Instant>,
}

impl Timer {
    pub(super) fn new(period: Option<Duration>, first: Duration) -> Self {
        Self { period, due: period.map(|_| Instant::now() + first) }
    }

    /// Whether it is time; the next time is a period later.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.due.is_some_and(|due| due <= now);
        if is_due {
            self.due = self.period.map(|period| now + period);
        }
        is_due
    }
}

/// Waits until one of the timers is due, or something wakes the thread by one of `fds`.
pub(super) fn wait(timers: &[&Timer], fds: &[BorrowedFd<'_>]) {
    if fds.is_empty() {
        return std::thread::park();
    }
    let due = timers.iter().filter_map(|timer| timer.due).min();
    let timeout = due.map_or(PollTimeout::NONE, |due| {
        // Rounded up, so that it has passed then.
        let left = due.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
        PollTimeout::try_from(left.as_millis().min(i32::MAX as u128)).unwrap_or(PollTimeout::MAX)
    });
    // An interruption is as good as an event.
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
