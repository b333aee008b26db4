// SPDX-License-Identifier: MIT OR Apache-2.0
//! Timestamps as text: RFC 3339, Go's default format, strftime(3).

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::StdIoWrite;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::{Offset, TimeZone};

/// The time zone for printed times; UTC by default.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Default for Zone {
    fn default() -> Self {
        Self::utc()
    }
}

impl Zone {
    /// Creates a zone from a time zone of jiff.
    pub fn new(zone: TimeZone) -> Self {
        Self(zone)
    }

    /// UTC.
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }
}

/// Converts nanoseconds since 1970-01-01 UTC. Every `i64` is valid (1677 to 2262).
fn instant(nanoseconds: impl Into<i128>) -> Timestamp {
    Timestamp::from_nanosecond(nanoseconds.into()).unwrap_or_default()
}

/// Parses RFC 3339, `@SECONDS`, `today`, `yesterday`, or a date, a time of day or both in `zone`. A
/// time of day without a date is on the day of `now` (nanoseconds since 1970).
pub fn parse(text: &str, now: i64, zone: &Zone) -> Option<i64> {
    let nanoseconds = |time: Timestamp| i64::try_from(time.as_nanosecond()).ok();
    if let Some(seconds) = text.strip_prefix('@') {
        return Timestamp::from_second(seconds.parse().ok()?).ok().and_then(nanoseconds);
    }
    if let Ok(time) = text.parse() {
        return nanoseconds(time);
    }
    let today = zone.0.to_datetime(instant(now)).date();
    let midnight = |date: Date| date.to_datetime(Time::midnight());
    let local = match text {
        "today" => midnight(today),
        "yesterday" => midnight(today.yesterday().ok()?),
        _ => match text.parse::<Time>() {
            Ok(time) if text.contains(':') && !text.contains('-') => today.to_datetime(time),
            _ => text.parse::<DateTime>().ok()?,
        },
    };
    nanoseconds(local.to_zoned_datetime(zone.0.clone()).ok()?.timestamp())
}

/// Appends `2006-01-02T15:04:05.000000000Z`.
pub fn put_rfc3339(out: &mut Vec<u8>, nanoseconds: impl Into<i128>) {
    let time = Offset::UTC.to_datetime(instant(nanoseconds));
    put_date_time(out, time, b'T');
    out.push(b'.');
    put_digits(out, time.subsec_nanosecond().unsigned_abs(), 9);
    out.push(b'Z');
}

/// Appends the time as Go prints it: `2006-01-02 15:04:05.5 -0700 MST`, without trailing zeros in
/// the fraction.
pub fn put_go(out: &mut Vec<u8>, nanoseconds: i64, zone: &Zone) {
    let instant = instant(nanoseconds);
    let info = zone.0.to_offset_info(instant);
    let time = info.offset().to_datetime(instant);
    put_date_time(out, time, b' ');
    let fraction = time.subsec_nanosecond().unsigned_abs();
    if fraction != 0 {
        out.push(b'.');
        put_digits(out, fraction, 9);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
    let seconds = info.offset().seconds();
    out.extend_from_slice(if seconds < 0 { b" -" } else { b" +" });
    put_digits(out, seconds.unsigned_abs() / 3600, 2);
    put_digits(out, seconds.unsigned_abs() / 60 % 60, 2);
    out.push(b' ');
    out.extend_from_slice(info.abbreviation().as_bytes());
}

/// Appends `15:04:05.000` in `zone`.
pub fn put_clock(out: &mut Vec<u8>, nanoseconds: i64, zone: &Zone) {
    let instant = instant(nanoseconds);
    let time = zone.0.to_offset(instant).to_datetime(instant);
    put_time_of_day(out, time);
    put_milliseconds(out, time);
}

/// Appends `2006-01-02T15:04:05.000-07:00` in `zone`.
pub fn put_rfc3339_in(out: &mut Vec<u8>, nanoseconds: i64, zone: &Zone) {
    let instant = instant(nanoseconds);
    let offset = zone.0.to_offset(instant);
    let time = offset.to_datetime(instant);
    put_date_time(out, time, b'T');
    put_milliseconds(out, time);
    let seconds = offset.seconds();
    out.push(if seconds < 0 { b'-' } else { b'+' });
    put_digits(out, seconds.unsigned_abs() / 3600, 2);
    out.push(b':');
    put_digits(out, seconds.unsigned_abs() / 60 % 60, 2);
}

fn put_milliseconds(out: &mut Vec<u8>, time: DateTime) {
    out.push(b'.');
    put_digits(out, time.subsec_nanosecond().unsigned_abs() / 1_000_000, 3);
}

fn put_date_time(out: &mut Vec<u8>, time: DateTime, between: u8) {
    let part = |value: i8| u32::from(value.unsigned_abs());
    put_digits(out, u32::from(time.year().unsigned_abs()), 4);
    out.push(b'-');
    put_digits(out, part(time.month()), 2);
    out.push(b'-');
    put_digits(out, part(time.day()), 2);
    out.push(between);
    put_time_of_day(out, time);
}

fn put_time_of_day(out: &mut Vec<u8>, time: DateTime) {
    let part = |value: i8| u32::from(value.unsigned_abs());
    put_digits(out, part(time.hour()), 2);
    out.push(b':');
    put_digits(out, part(time.minute()), 2);
    out.push(b':');
    put_digits(out, part(time.second()), 2);
}

fn put_digits(out: &mut Vec<u8>, mut value: u32, width: usize) {
    let start = out.len();
    out.resize(start + width, b'0');
    for digit in out.iter_mut().skip(start).rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// A strftime(3) format that has been checked.
#[derive(Clone, Debug)]
pub struct Strftime {
    format: String,
}

impl Strftime {
    /// Checks `format`.
    ///
    /// # Errors
    /// A description of what is wrong.
    pub fn new(format: &str) -> Result<Self, String> {
        let now = jiff::ZonedDateTime::new(Timestamp::UNIX_EPOCH, TimeZone::UTC);
        BrokenDownTime::from(&now).to_string(format).map_err(|error| error.to_string())?;
        Ok(Self { format: format.to_owned() })
    }

    /// Appends a time.
    pub fn put(&self, out: &mut Vec<u8>, nanoseconds: i64, zone: &Zone) {
        let time = instant(nanoseconds).to_zoned_datetime(zone.0.clone());
        // The format was checked, so this cannot fail.
        drop(BrokenDownTime::from(&time).format(&self.format, StdIoWrite(out)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(put: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        put(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_timestamp_has_an_rfc_3339_form() {
        assert_eq!(text(|out| put_rfc3339(out, 0)), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(text(|out| put_rfc3339(out, -1)), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(text(|out| put_rfc3339(out, i64::MAX)), "2262-04-11T23:47:16.854775807Z");
        assert_eq!(text(|out| put_rfc3339(out, i64::MIN)), "1677-09-21T00:12:43.145224192Z");
    }

    #[test]
    fn go_trims_the_fraction_and_names_the_zone() {
        let utc = Zone::utc();
        assert_eq!(text(|out| put_go(out, 0, &utc)), "1970-01-01 00:00:00 +0000 UTC");
        assert_eq!(text(|out| put_go(out, 500_000_000, &utc)), "1970-01-01 00:00:00.5 +0000 UTC");
        let berlin = Zone(TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap());
        assert_eq!(text(|out| put_go(out, 0, &berlin)), "1970-01-01 01:00:00 +0100 CET");
        let newfoundland = Zone(TimeZone::posix("NST3:30").unwrap());
        assert_eq!(text(|out| put_go(out, 0, &newfoundland)), "1969-12-31 20:30:00 -0330 NST");
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        let berlin = Zone(TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap());
        let now = parse("2026-01-02T12:00:00Z", 0, &berlin).unwrap();
        for (text, same) in [
            ("2026-01-02T10:30:00+01:00", "2026-01-02T09:30:00Z"),
            ("2026-01-02 10:30:00.5", "2026-01-02T09:30:00.5Z"),
            ("2026-01-02 10:30", "2026-01-02T09:30:00Z"),
            ("2026-01-02T10:30", "2026-01-02T09:30:00Z"),
            ("2026-07-02", "2026-07-01T22:00:00Z"),
            ("10:30", "2026-01-02T09:30:00Z"),
            ("10:30:15", "2026-01-02T09:30:15Z"),
            ("today", "2026-01-01T23:00:00Z"),
            ("yesterday", "2025-12-31T23:00:00Z"),
            ("@1000000000", "2001-09-09T01:46:40Z"),
        ] {
            assert_eq!(parse(text, now, &berlin), parse(same, 0, &Zone::utc()), "{text}");
            assert!(parse(text, now, &berlin).is_some(), "{text}");
        }
        for text in ["", "soon", "10", "@x", "2026-13-01", "25:00"] {
            assert_eq!(parse(text, now, &berlin), None, "{text}");
        }
    }

    #[test]
    fn an_unknown_directive_is_refused_beforehand() {
        assert!(Strftime::new("%Y %!").is_err());
        let format = Strftime::new("[%Y/%b/%d:%H:%M:%S %z]").unwrap();
        assert_eq!(text(|out| format.put(out, 0, &Zone::utc())), "[1970/Jan/01:00:00:00 +0000]");
    }
}
