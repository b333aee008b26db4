// SPDX-License-Identifier: MIT OR Apache-2.0
//! Formats numbers for people, the same in every message: counts, durations, sizes and rates.

use std::fmt::{Display, Formatter, Result};
use std::time::Duration;

/// The cause when a peer, server or proxy closed the connection.
pub const CLOSED: &str = "closed the connection";
/// The cause when a peer, server or proxy did not answer in time.
pub const NO_ANSWER: &str = "no answer in time";
/// The cause when nothing was sent or received on a connection for too long.
pub const IDLE: &str = "idle timeout";

/// `1 record`, `2 records`: a number and a singular noun, whose plural ends in `s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub u64, pub &'static str);

impl Display for Count {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self(count, noun) = self;
        let end = if *count == 1 { "" } else { "s" };
        write!(f, "{count} {noun}{end}")
    }
}

/// `250 ms`, `1.5 s`, `2 min 30 s`, `1 h 5 min`: a duration, as precise as a message needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Display for Span {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let millis = self.0.as_millis();
        // A value that would round up to the next unit is shown in that unit.
        match (millis, (millis + 500) / 1000) {
            (..1000, _) => write!(f, "{millis} ms"),
            (..119_950, _) => write!(f, "{} s", tenths(millis)),
            (_, seconds @ ..3600) => parts(f, seconds, 60, "min", "s"),
            (_, seconds) => parts(f, (seconds + 30) / 60, 60, "h", "min"),
        }
    }
}

/// Seconds with one decimal, unless that is 0.
fn tenths(millis: u128) -> f64 {
    let tenths = u32::try_from((millis + 50) / 100).unwrap_or(u32::MAX);
    f64::from(tenths) / 10.0
}

fn parts(f: &mut Formatter<'_>, total: u128, in_large: u128, large: &str, small: &str) -> Result {
    write!(f, "{} {large}", total / in_large)?;
    match total % in_large {
        0 => Ok(()),
        rest => write!(f, " {rest} {small}"),
    }
}

/// `812 B`, `1.2 kB`, `209 MB`: bytes in powers of 1000.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size(pub f64);

impl Display for Size {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        scaled(f, self.0, &[" B", " kB", " MB", " GB", " TB"])
    }
}

/// `812`, `1.2k`, `209M`: a large number in powers of 1000.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Short(pub f64);

impl Display for Short {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        scaled(f, self.0, &["", "k", "M", "G", "T"])
    }
}

/// Formats `value` in the largest unit that it reaches; units are powers of 1000.
fn scaled(f: &mut Formatter<'_>, mut value: f64, units: &[&str]) -> Result {
    let mut unit = 0;
    // 999.6 would be shown as 1000.
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = usize::from(value < 9.95 && unit > 0);
    write!(f, "{value:.digits$}{}", units.get(unit).unwrap_or(&""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        assert_eq!(Count(0, "record").to_string(), "0 records");
        assert_eq!(Count(1, "record").to_string(), "1 record");
        assert_eq!(Count(2, "byte").to_string(), "2 bytes");
    }

    #[test]
    fn durations_are_as_exact_as_they_need_to_be() {
        for (millis, text) in [
            (0, "0 ms"),
            (100, "100 ms"),
            (999, "999 ms"),
            (1000, "1 s"),
            (1449, "1.4 s"),
            (30_000, "30 s"),
            (100_000, "100 s"),
            (119_949, "119.9 s"),
            (119_960, "2 min"),
            (150_000, "2 min 30 s"),
            (3_599_600, "1 h"),
            (3_900_000, "1 h 5 min"),
            (86_400_000, "24 h"),
        ] {
            assert_eq!(Span(Duration::from_millis(millis)).to_string(), text);
        }
    }

    #[test]
    fn sizes_are_in_powers_of_1000() {
        for (bytes, text) in [
            (0.0, "0 B"),
            (999.0, "999 B"),
            (1000.0, "1.0 kB"),
            (9_960.0, "10 kB"),
            (999_600.0, "1.0 MB"),
            (209_000_000.0, "209 MB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text);
        }
        assert_eq!(Short(1234.0).to_string(), "1.2k");
    }
}
