// SPDX-License-Identifier: MIT OR Apache-2.0
//! When to try again: growing delays with a limit and some chance in them.
//!
//! The default numbers are those of Heka's retry helper: 250 ms, doubled up to 30 s, up to 500 ms
//! of jitter, for ever.

use std::time::Duration;

/// No delay is shorter: with none at all, a server that is not there would keep a processor busy.
const SHORTEST: Duration = Duration::from_millis(1);

/// How often to try again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retries {
    /// Without end.
    #[default]
    Forever,
    /// So many times.
    Times(u64),
}

impl std::fmt::Display for Retries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Forever => f.write_str("forever"),
            Self::Times(count) => count.fmt(f),
        }
    }
}

/// How long to wait between attempts, and how many there may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// Before the first retry.
    pub delay: Duration,
    /// Each delay is the one before times this.
    pub growth: f64,
    /// No delay is longer, jitter apart.
    pub max_delay: Duration,
    /// A random part of this is added to each delay, so that many clients do not come at once.
    pub jitter: Duration,
    /// How many retries follow a failure.
    pub retries: Retries,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(250),
            growth: 2.0,
            max_delay: Duration::from_secs(30),
            jitter: Duration::from_millis(500),
            retries: Retries::Forever,
        }
    }
}

impl Backoff {
    /// Starts to count.
    pub fn start(self) -> Attempts {
        Attempts { backoff: self, failures: 0, next: self.delay }
    }
}

/// Retries of one thing that failed.
#[derive(Clone, Copy, Debug)]
pub struct Attempts {
    backoff: Backoff,
    failures: u64,
    next: Duration,
}

impl Attempts {
    /// How long to wait before the next attempt; `None` if there may be no more.
    pub fn delay(&mut self) -> Option<Duration> {
        if !self.may_retry() {
            return None;
        }
        self.failures += 1;
        let delay = self.next.min(self.backoff.max_delay);
        let grown = delay.as_secs_f64() * self.backoff.growth;
        self.next = Duration::try_from_secs_f64(grown).unwrap_or(self.backoff.max_delay);
        Some((delay + self.backoff.jitter.mul_f64(fastrand::f64())).max(SHORTEST))
    }

    /// Whether another attempt may follow.
    pub fn may_retry(&self) -> bool {
        !matches!(self.backoff.retries, Retries::Times(times) if self.failures >= times)
    }

    /// Starts anew after a success.
    pub fn reset(&mut self) {
        *self = self.backoff.start();
    }

    /// How many attempts have failed since the last success.
    pub fn failures(&self) -> u64 {
        self.failures
    }
}

/// Longest absence that a server may ask for: beyond it there is a mistake.
const LONGEST_ABSENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a server asks us to stay away: the value of a `Retry-After` header, which is in seconds
/// or a date (RFC 9110 §10.2.3). `None` if it is neither, or a date that has passed; never more
/// than a day.
pub fn retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    let absence = if let Ok(seconds) = value.parse() {
        Duration::from_secs(seconds)
    } else {
        let then = jiff::fmt::rfc2822::parse(value).ok()?.timestamp().as_nanosecond();
        let left = then - i128::from(crate::os::clock::now_ns());
        u64::try_from(left).ok().map(Duration::from_nanos)?
    };
    Some(absence.min(LONGEST_ABSENCE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(backoff: Backoff, count: usize) -> Vec<u128> {
        let mut attempts = backoff.start();
        std::iter::from_fn(|| attempts.delay()).take(count).map(|delay| delay.as_millis()).collect()
    }

    #[test]
    fn no_delay_is_a_short_one() {
        let backoff =
            Backoff { delay: Duration::ZERO, jitter: Duration::ZERO, ..Backoff::default() };
        assert_eq!(millis(backoff, 3), [1, 1, 1]);
    }

    #[test]
    fn delays_double_up_to_the_limit() {
        let backoff = Backoff {
            max_delay: Duration::from_secs(1),
            jitter: Duration::ZERO,
            ..Backoff::default()
        };
        assert_eq!(millis(backoff, 5), [250, 500, 1000, 1000, 1000]);
    }

    #[test]
    fn retries_are_counted_from_the_last_success() {
        let backoff = Backoff { retries: Retries::Times(2), ..Backoff::default() };
        let mut attempts = backoff.start();
        assert!(attempts.delay().is_some() && attempts.delay().is_some());
        assert_eq!(attempts.delay(), None);
        attempts.reset();
        assert!(attempts.delay().is_some());
    }

    #[test]
    fn servers_ask_for_time_in_seconds_or_by_a_date() {
        assert_eq!(retry_after(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("18446744073709551615"), Some(LONGEST_ABSENCE));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), None);
        assert_eq!(retry_after("Fri, 01 Jan 2100 00:00:00 GMT"), Some(LONGEST_ABSENCE));
        for text in ["", "soon", "-1", "1.5"] {
            assert_eq!(retry_after(text), None, "{text}");
        }
    }

    #[test]
    fn jitter_only_adds() {
        let backoff = Backoff { growth: 1.0, ..Backoff::default() };
        assert!(millis(backoff, 200).iter().all(|delay| (250..=750).contains(delay)));
    }
}
