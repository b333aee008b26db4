// SPDX-License-Identifier: MIT OR Apache-2.0
//! The values of flags: sizes, durations, bytes.

use std::time::Duration;

use crate::codec::time;
use crate::os::clock;

/// Parses a size in bytes with the suffixes of tail(1): b=512, kB=1000, K=KiB=1024, MB, M, GB, G,
/// T.
///
/// # Errors
/// A description of what is wrong.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| "expected a size such as 64K".to_owned())?;
    let factor: u64 = match suffix {
        "" | "B" => 1,
        "b" => 512,
        "kB" | "KB" => 1000,
        "k" | "K" | "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "m" | "M" | "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "g" | "G" | "GiB" => 1 << 30,
        "TB" => 1_000_000_000_000,
        "t" | "T" | "TiB" => 1 << 40,
        _ => return Err(format!("unknown unit '{suffix}' (K, kB, M, MB, G, GB, …)")),
    };
    number.checked_mul(factor).ok_or_else(|| "too large".to_owned())
}

/// Parses a size that fits into memory and is not zero.
///
/// # Errors
/// A description of what is wrong.
pub fn parse_buffer_size(text: &str) -> Result<usize, String> {
    match parse_size(text)? {
        0 => Err("must be more than 0".to_owned()),
        size if size > u64::from(u32::MAX) => Err("must be less than 4G".to_owned()),
        size => usize::try_from(size).map_err(|_| "too large".to_owned()),
    }
}

/// A hundred years, in seconds, which no clock overflows.
const LONGEST_DURATION: f64 = 36_500.0 * 86_400.0;

/// Parses a duration: `250ms`, `5s`, `1m`, `2h`, `1d`, sums of these, or a bare number of seconds.
///
/// # Errors
/// A description of what is wrong.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a duration such as 250ms, 5s, 1m or 2h".to_owned();
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let number: f64 = number.parse().map_err(|_| wrong())?;
        total += number
            * match unit {
                "ns" => 1e-9,
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "" | "s" => 1.0,
                "m" | "min" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                _ => return Err(wrong()),
            };
        rest = tail;
    }
    if text.is_empty() {
        Err(wrong())
    } else if total > LONGEST_DURATION {
        Err("expected a duration of at most 36500d".to_owned())
    } else {
        Duration::try_from_secs_f64(total).map_err(|_| wrong())
    }
}

/// Parses a time to nanoseconds since 1970: the forms of [`time::parse`], `now`, or an age (`10m`,
/// `10m ago`).
///
/// # Errors
/// A description of what is wrong.
pub fn parse_when(text: &str) -> Result<i64, String> {
    let now = clock::now_ns();
    if text == "now" {
        return Ok(now);
    }
    let age = text.strip_suffix(" ago").unwrap_or(text);
    if let Ok(age) = parse_duration(age.strip_prefix('-').unwrap_or(age)) {
        return Ok(now.saturating_sub(i64::try_from(age.as_nanos()).unwrap_or(i64::MAX)));
    }
    time::parse(text, now, &clock::zone())
        .ok_or_else(|| "expected a time such as 10m, 15:04 or '2006-01-02 15:04'".to_owned())
}

/// Parses a duration, or `none` for no limit.
///
/// # Errors
/// A description of what is wrong.
pub fn parse_timeout(text: &str) -> Result<Timeout, String> {
    match text {
        "none" | "off" | "forever" => Ok(Timeout(None)),
        _ => parse_duration(text).map(|duration| Timeout(Some(duration))),
    }
}

/// An optional time limit. (A type of its own: clap treats an `Option` as an optional flag.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeout(pub Option<Duration>);

/// Parses one byte: a character, or an escape such as `\n`, `\t`, `\0`, `\x1e`.
///
/// # Errors
/// A description of what is wrong.
pub fn parse_byte(text: &str) -> Result<u8, String> {
    let wrong = || "expected one byte, such as ';' or '\\t' or '\\x1e'".to_owned();
    match text.as_bytes() {
        [byte] => Ok(*byte),
        [b'\\', letter] => match letter {
            b'n' => Ok(b'\n'),
            b'r' => Ok(b'\r'),
            b't' => Ok(b'\t'),
            b'0' => Ok(0),
            b'\\' => Ok(b'\\'),
            _ => Err(wrong()),
        },
        [b'\\', b'x', digits @ ..] if digits.len() == 2 => {
            let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
            u8::from_str_radix(digits, 16).map_err(|_| wrong())
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_tail() {
        assert_eq!(parse_size("64K"), Ok(65_536));
        assert_eq!(parse_size("1kB"), Ok(1000));
        assert_eq!(parse_size("2b"), Ok(1024));
        assert!(parse_size("K").is_err());
        assert!(parse_size("99999999999T").is_err());
    }

    #[test]
    fn durations_take_units_sums_and_bare_seconds() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("1.5"), Ok(Duration::from_millis(1500)));
        assert!(parse_duration("").is_err());
        assert!(parse_duration("-1s").is_err());
        assert!(parse_duration("5 parsecs").is_err());
        assert!(parse_duration("36500d").is_ok());
        for long in ["36501d", "200000000000000d", &"9".repeat(400)] {
            assert!(parse_duration(long).unwrap_err().contains("at most"), "{long}");
        }
    }

    #[test]
    fn bytes_can_be_escaped() {
        assert_eq!(parse_byte("\\x1e"), Ok(0x1e));
        assert_eq!(parse_byte("\\n"), Ok(b'\n'));
        assert_eq!(parse_byte(";"), Ok(b';'));
        assert!(parse_byte("ab").is_err());
        assert!(parse_byte("é").is_err());
    }
}
