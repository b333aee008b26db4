// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reconnects: when to retry, how to report it, and waiting until then.
//!
//! The default numbers are those of Heka's retry helper: 250 ms, doubled up to 30 s, up to 500 ms
//! of jitter, forever.

use std::fmt::{Arguments, Display};
use std::time::{Duration, Instant};

use super::{DialError, Fault};
use crate::os::{Backlog, Deadline, wait};
use crate::report::words::Span;
use crate::report::{self, Stop};

/// Minimum delay: without one, an unreachable server would keep a processor busy.
const SHORTEST: Duration = Duration::from_millis(1);

/// Number of retries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retries {
    /// No limit.
    #[default]
    Forever,
    /// At most this many.
    Times(u64),
}

impl Display for Retries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Forever => f.write_str("forever"),
            Self::Times(count) => count.fmt(f),
        }
    }
}

/// Delays between retries, and their number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// Delay before the first retry.
    pub delay: Duration,
    /// Factor between consecutive delays.
    pub growth: f64,
    /// Maximum delay, without jitter.
    pub max_delay: Duration,
    /// Maximum random addition to each delay, so that many clients do not reconnect at once.
    pub jitter: Duration,
    /// Maximum number of retries after a failure.
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

/// A lost connection, or a failed attempt to connect.
#[derive(Clone, Copy, Debug)]
pub struct Loss<'a> {
    text: Arguments<'a>,
    hint: Option<&'a str>,
    wait: Duration,
    gap: &'a str,
}

impl<'a> Loss<'a> {
    /// Creates a loss from `SUBJECT: CAUSE`.
    pub fn of(text: Arguments<'a>) -> Self {
        Self { text, hint: None, wait: Duration::ZERO, gap: "" }
    }

    /// Adds a hint on what could help.
    #[must_use]
    pub fn hint(self, hint: Option<&'a str>) -> Self {
        Self { hint, ..self }
    }

    /// Adds the delay that the server asked for.
    #[must_use]
    pub fn wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// Adds a description of what may be lost meanwhile; nothing if empty.
    #[must_use]
    pub fn gap(self, gap: &'a str) -> Self {
        Self { gap, ..self }
    }
}

/// The reconnection to one destination.
#[derive(Clone, Copy, Debug)]
pub struct Redial {
    backoff: Backoff,
    failures: u64,
    next: Duration,
    due: Instant,
}

impl Redial {
    /// Creates the state; the first attempt is due at once.
    pub fn new(backoff: Backoff) -> Self {
        Self { backoff, failures: 0, next: backoff.delay, due: Instant::now() }
    }

    /// Schedules and announces the next attempt after a loss; returns `false`, without a message,
    /// if no retries are left.
    pub fn schedule(&mut self, loss: &Loss<'_>) -> bool {
        let Some(delay) = self.delay() else { return false };
        self.announce(loss, delay.max(loss.wait));
        if let Some(hint) = loss.hint.filter(|_| self.failures == 1) {
            report::hint(hint);
        }
        true
    }

    /// Counts a failure, and announces the next attempt at `subject`.
    ///
    /// # Errors
    /// The failure, as the end of the tool, if no retries are left.
    pub fn retry(&mut self, subject: impl Display, error: DialError) -> Result<(), Stop> {
        if let DialError::Failed(Fault { kind, cause, hint }) = &error {
            kind.count();
            let text = format_args!("{subject}: {cause}");
            if self.schedule(&Loss::of(text).hint(hint.as_deref())) {
                return Ok(());
            }
        }
        Err(error.into_stop(subject))
    }

    /// Announces when the request to `subject` is repeated after a temporary failure.
    ///
    /// # Errors
    /// The cause, if no retries are left.
    pub fn delay_after(&mut self, subject: &str, cause: &str) -> Result<Instant, DialError> {
        let is_scheduled = self.schedule(&Loss::of(format_args!("{subject}: {cause}")));
        if is_scheduled { Ok(self.due) } else { Err(DialError::failed(cause)) }
    }

    /// Announces an attempt after `delay` that is not a retry: the other side closed the connection
    /// normally.
    pub fn schedule_after(&mut self, delay: Duration, loss: &Loss<'_>) {
        self.announce(loss, delay);
    }

    /// Schedules the next attempt immediately, without an announcement.
    pub fn schedule_now(&mut self) {
        self.due = Instant::now();
    }

    /// Returns when the next attempt is due.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Waits until the next attempt is due, or `end`, while continuing to write to `out`.
    ///
    /// # Errors
    /// A signal, a write error, or the end of the reader.
    pub fn wait(&self, out: Option<&mut Backlog>, end: Deadline) -> Result<(), Stop> {
        let until = end.map_or(self.due, |end| end.min(self.due));
        match out {
            Some(out) => out.serve_until(until),
            None => {
                while Instant::now() < until {
                    wait(&[], Some(until))?;
                }
                Ok(())
            }
        }
    }

    /// Whether retries are left.
    pub fn may_retry(&self) -> bool {
        !matches!(self.backoff.retries, Retries::Times(times) if self.failures >= times)
    }

    /// Resets the state after a success.
    pub fn reset(&mut self) {
        (self.failures, self.next) = (0, self.backoff.delay);
    }

    /// Returns the number of failures since the last success.
    pub fn failures(&self) -> u64 {
        self.failures
    }

    fn announce(&mut self, loss: &Loss<'_>, delay: Duration) {
        self.due = Instant::now() + delay;
        let gap = if loss.gap.is_empty() { "" } else { "; " };
        report::announce(format_args!(
            "{}; retrying in {}{gap}{}",
            loss.text,
            Span(delay),
            loss.gap
        ));
    }

    /// Returns the delay before the next attempt; `None` if no retries are left.
    fn delay(&mut self) -> Option<Duration> {
        if !self.may_retry() {
            return None;
        }
        self.failures += 1;
        let delay = self.next.min(self.backoff.max_delay);
        let grown = delay.as_secs_f64() * self.backoff.growth;
        self.next = Duration::try_from_secs_f64(grown).unwrap_or(self.backoff.max_delay);
        Some((delay + self.backoff.jitter.mul_f64(fastrand::f64())).max(SHORTEST))
    }
}

/// Maximum delay that a server may ask for; more is a mistake.
const LONGEST_ABSENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// Parses the value of a `Retry-After` header, in seconds or as a date (RFC 9110 §10.2.3). `None`
/// if it is neither, or a date in the past; never more than a day.
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
        let mut redial = Redial::new(backoff);
        std::iter::from_fn(|| redial.delay()).take(count).map(|delay| delay.as_millis()).collect()
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
        let mut redial = Redial::new(backoff);
        assert!(redial.delay().is_some() && redial.delay().is_some());
        assert_eq!(redial.delay(), None);
        redial.reset();
        assert!(redial.delay().is_some());
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
