// SPDX-License-Identifier: MIT OR Apache-2.0
//! Times from text: Go's layouts, strftime(3), seconds and parts of them since 1970.
//!
//! What the text leaves out is taken from now, as in Heka: the year if it names none, the day if it
//! is a time of day only. Text without an offset is in the zone given.

use jiff::civil::Date;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ZonedDateTime};

/// Go's standard layouts by their names there.
const STANDARD: [(&str, &str); 15] = [
    ("ANSIC", "Mon Jan _2 15:04:05 2006"),
    ("UnixDate", "Mon Jan _2 15:04:05 MST 2006"),
    ("RubyDate", "Mon Jan 02 15:04:05 -0700 2006"),
    ("RFC822", "02 Jan 06 15:04 MST"),
    ("RFC822Z", "02 Jan 06 15:04 -0700"),
    ("RFC850", "Monday, 02-Jan-06 15:04:05 MST"),
    ("RFC1123", "Mon, 02 Jan 2006 15:04:05 MST"),
    ("RFC1123Z", "Mon, 02 Jan 2006 15:04:05 -0700"),
    ("RFC3339", "2006-01-02T15:04:05Z07:00"),
    ("RFC3339Nano", "2006-01-02T15:04:05.999999999Z07:00"),
    ("Kitchen", "3:04PM"),
    ("Stamp", "Jan _2 15:04:05"),
    ("StampMilli", "Jan _2 15:04:05.000"),
    ("StampMicro", "Jan _2 15:04:05.000000"),
    ("StampNano", "Jan _2 15:04:05.000000000"),
];

/// Elements of Go's layouts and what strptime(3) calls them; of two that begin alike the longer
/// stands first.
const ELEMENTS: [(&str, &str); 31] = [
    ("January", "%B"),
    ("Jan", "%b"),
    ("Monday", "%A"),
    ("Mon", "%a"),
    ("MST", "%z"),
    ("2006", "%Y"),
    ("-07:00", "%:z"),
    ("-0700", "%z"),
    ("-07", "%:::z"),
    ("Z07:00", "%:z"),
    ("Z0700", "%z"),
    ("Z07", "%:::z"),
    ("__2", "%_j"),
    ("002", "%j"),
    ("_2", "%e"),
    ("01", "%m"),
    ("02", "%d"),
    ("03", "%I"),
    ("04", "%M"),
    ("05", "%S"),
    ("06", "%y"),
    ("15", "%H"),
    ("PM", "%p"),
    ("pm", "%p"),
    ("%", "%%"),
    ("1", "%m"),
    ("2", "%e"),
    ("3", "%l"),
    ("4", "%M"),
    ("5", "%S"),
    (" ", " "),
];

/// North America's abbreviations (RFC 822), in hours; all others are UTC, as in Go.
const ZONES: [(&str, i8); 8] = [
    ("EST", -5),
    ("EDT", -4),
    ("CST", -6),
    ("CDT", -5),
    ("MST", -7),
    ("MDT", -6),
    ("PST", -8),
    ("PDT", -7),
];

/// So many commas are tried as points: a date and a time have no more of them between digits.
const MAX_COMMAS: usize = 8;

/// How to read times.
#[derive(Clone, Debug)]
pub(crate) struct TimeFormat {
    first: Vec<Way>,
    zone: TimeZone,
}

#[derive(Clone, Debug)]
enum Way {
    /// A number with so many digits behind its point to nanoseconds.
    Epoch(usize),
    /// A format, and whether the offset may be an abbreviation.
    Format { format: String, has_letters: bool },
}

impl TimeFormat {
    /// Reads times in `format`, a name or layout of Go's, `Epoch`, `EpochMilli`, `EpochMicro`,
    /// `EpochNano` or a strftime(3) format, and if that fails, or without a format, in any of Go's
    /// standard layouts. `zone` is a name of the time zone database, `local`, or nothing for UTC.
    ///
    /// # Errors
    /// Words on what is wrong.
    pub(crate) fn new(format: Option<&str>, zone: Option<&str>) -> Result<Self, String> {
        let zone = match zone {
            None => TimeZone::UTC,
            Some("local") => TimeZone::system(),
            Some(name) => TimeZone::get(name).map_err(|_| format!("unknown time zone {name}"))?,
        };
        let mut first: Vec<Way> = format.map(Way::new).transpose()?.into_iter().collect();
        first.extend(STANDARD.iter().map(|(_, layout)| Way::layout(layout)));
        Ok(Self { first, zone })
    }

    /// Nanoseconds since 1970-01-01 UTC; `now` completes what the text leaves out.
    pub(crate) fn parse(&self, text: &str, now: i64) -> Option<i64> {
        let text = text.trim();
        self.first.iter().find_map(|way| way.parse(text, now, &self.zone))
    }
}

impl Way {
    fn new(format: &str) -> Result<Self, String> {
        if let Some((_, layout)) = STANDARD.iter().find(|(name, _)| *name == format) {
            return Ok(Self::layout(layout));
        }
        match format {
            "Epoch" => Ok(Self::Epoch(9)),
            "EpochMilli" => Ok(Self::Epoch(6)),
            "EpochMicro" => Ok(Self::Epoch(3)),
            "EpochNano" => Ok(Self::Epoch(0)),
            _ if format.contains('%') => {
                let way = Self::Format { format: format.to_owned(), has_letters: false };
                // Unknown directives show at once, whatever the text.
                let probe =
                    BrokenDownTime::from(&ZonedDateTime::new(Timestamp::UNIX_EPOCH, TimeZone::UTC));
                probe.to_string(format).map_err(|error| error.to_string())?;
                Ok(way)
            }
            _ => match Self::layout(format) {
                Self::Format { format: made, .. } if !made.contains('%') => {
                    Err(format!("neither a layout nor a format: {format}"))
                }
                way => Ok(way),
            },
        }
    }

    fn layout(layout: &str) -> Self {
        let mut format = String::new();
        let mut rest = layout;
        while let Some(c) = rest.chars().next() {
            let element = ELEMENTS.iter().find(|(element, _)| rest.starts_with(element));
            let taken = if let Some((element, directive)) = element {
                format.push_str(directive);
                if directive == &"%S" {
                    // Go reads a fraction behind the seconds whether or not the layout has one.
                    format.push_str("%.f");
                }
                element.len()
            } else if let Some(len) = fraction_len(rest) {
                len
            } else {
                format.push(c);
                c.len_utf8()
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        Self::Format { format, has_letters: layout.contains("MST") || layout.contains("Z07") }
    }

    fn parse(&self, text: &str, now: i64, zone: &TimeZone) -> Option<i64> {
        match self {
            Self::Epoch(digits) => epoch(text, *digits),
            Self::Format { format, has_letters } => {
                let text = if *has_letters { with_offset(text, format) } else { text.to_owned() };
                let parse = |text: &str| BrokenDownTime::parse(format, text).ok();
                let parts = parse(&text).or_else(|| with_points(&text).find_map(|t| parse(&t)))?;
                complete(parts, now, zone)
            }
        }
    }
}

/// The length of `.000` or `,999` at the front of a layout.
fn fraction_len(layout: &str) -> Option<usize> {
    let digits = layout.strip_prefix(['.', ','])?;
    let digit = digits.chars().next().filter(|digit| matches!(digit, '0' | '9'))?;
    let behind = digits.trim_start_matches(digit);
    // The 0 of .01 is the month's.
    let is_all = !behind.starts_with(|c: char| c.is_ascii_digit());
    is_all.then_some(layout.len() - behind.len())
}

/// The text with a point for one of its last commas between digits, which may stand before the
/// fraction of a second; the other commas are the text's own.
fn with_points(text: &str) -> impl Iterator<Item = String> {
    let is_digit = |at: Option<&u8>| at.is_some_and(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    let commas = text
        .rmatch_indices(',')
        .map(|(at, _)| at)
        .filter(move |&at| at > 0 && is_digit(bytes.get(at - 1)) && is_digit(bytes.get(at + 1)));
    commas.take(MAX_COMMAS).map(|at| {
        let mut text = text.to_owned();
        text.replace_range(at..=at, ".");
        text
    })
}

/// The text with a zone's letters replaced by its offset.
fn with_offset(text: &str, format: &str) -> String {
    let colon = if format.contains(":z") { ":" } else { "" };
    let is_zone = |word: &&str| {
        word.len() <= 5
            && !matches!(*word, "AM" | "PM" | "T")
            && !is_of_a_date(word)
            && word.bytes().all(|byte| byte.is_ascii_uppercase())
    };
    let words = text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty());
    let Some(word) = words.rev().find(is_zone) else { return text.to_owned() };
    let hours = ZONES.iter().find(|(name, _)| *name == word).map_or(0, |(_, hours)| *hours);
    let offset = format!("{}{:02}{colon}00", if hours < 0 { '-' } else { '+' }, hours.abs());
    match text.rsplit_once(word) {
        Some((before, behind)) => format!("{before}{offset}{behind}"),
        None => text.to_owned(),
    }
}

/// Whether a word of capitals names a month or a day of the week.
fn is_of_a_date(word: &str) -> bool {
    const NAMES: [&str; 19] = [
        "JANUARY",
        "FEBRUARY",
        "MARCH",
        "APRIL",
        "MAY",
        "JUNE",
        "JULY",
        "AUGUST",
        "SEPTEMBER",
        "OCTOBER",
        "NOVEMBER",
        "DECEMBER",
        "MONDAY",
        "TUESDAY",
        "WEDNESDAY",
        "THURSDAY",
        "FRIDAY",
        "SATURDAY",
        "SUNDAY",
    ];
    NAMES.iter().any(|name| *name == word || name.get(..3) == Some(word))
}

/// A decimal number as text, its fraction cut or filled up: no rounding through a double.
fn epoch(text: &str, digits: usize) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digit = |byte: u8| byte.is_ascii_digit();
    if !fraction.bytes().all(is_digit) || !text.bytes().any(is_digit) {
        return None;
    }
    let fraction: String = fraction.chars().chain(std::iter::repeat('0')).take(digits).collect();
    format!("{whole}{fraction}").parse().ok()
}

fn complete(mut parts: BrokenDownTime, now: i64, zone: &TimeZone) -> Option<i64> {
    let nanoseconds = |time: Timestamp| i64::try_from(time.as_nanosecond()).ok();
    if let Some(time) = parts.timestamp() {
        return nanoseconds(time);
    }
    let zone = parts.offset().map_or_else(|| zone.clone(), Offset::to_time_zone);
    let now = Timestamp::from_nanosecond(i128::from(now)).ok()?.to_zoned_datetime(zone.clone());
    let year = parts.year().unwrap_or_else(|| now.year());
    let date = match (parts.month(), parts.day()) {
        (Some(month), Some(day)) => Date::new(year, month, day).ok()?,
        (None, None) if counts_days(&parts) => {
            parts.set_year(Some(year)).ok()?;
            parts.to_date().ok()?
        }
        (None, None) => Date::new(year, now.month(), now.day()).ok()?,
        _ => return None,
    };
    let time = parts.to_time().ok()?;
    nanoseconds(date.to_datetime(time).to_zoned_datetime(zone).ok()?.timestamp())
}

/// Whether the day is one of the year, or of a week of the year.
fn counts_days(parts: &BrokenDownTime) -> bool {
    parts.day_of_year().is_some()
        || parts.iso_week().is_some()
        || parts.sunday_based_week().is_some()
        || parts.monday_based_week().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2016-05-24T12:00:00Z.
    const NOW: i64 = 1_464_091_200_000_000_000;

    fn parse(format: &str, text: &str) -> Option<String> {
        let format =
            TimeFormat::new(Some(format).filter(|format| !format.is_empty()), None).unwrap();
        let time = Timestamp::from_nanosecond(i128::from(format.parse(text, NOW)?)).unwrap();
        Some(time.to_string())
    }

    #[test]
    fn every_standard_layout_reads_its_own_times() {
        for (format, text, time) in [
            ("ANSIC", "Mon Jan  2 15:04:05 2006", "2006-01-02T15:04:05Z"),
            ("UnixDate", "Mon Jan  2 15:04:05 MST 2006", "2006-01-02T22:04:05Z"),
            ("RubyDate", "Mon Jan 02 15:04:05 -0700 2006", "2006-01-02T22:04:05Z"),
            ("RFC822", "02 Jan 06 15:04 UTC", "2006-01-02T15:04:00Z"),
            ("RFC822Z", "02 Jan 06 15:04 -0700", "2006-01-02T22:04:00Z"),
            ("RFC850", "Monday, 02-Jan-06 15:04:05 GMT", "2006-01-02T15:04:05Z"),
            ("RFC1123", "Mon, 02 Jan 2006 15:04:05 GMT", "2006-01-02T15:04:05Z"),
            ("RFC1123Z", "Mon, 02 Jan 2006 15:04:05 +0200", "2006-01-02T13:04:05Z"),
            ("RFC3339", "2006-01-02T15:04:05+02:00", "2006-01-02T13:04:05Z"),
            ("RFC3339Nano", "2006-01-02T15:04:05.123456789Z", "2006-01-02T15:04:05.123456789Z"),
            ("Kitchen", "3:04PM", "2016-05-24T15:04:00Z"),
            ("Stamp", "Jan  2 15:04:05", "2016-01-02T15:04:05Z"),
            ("StampMilli", "Jan  2 15:04:05.123", "2016-01-02T15:04:05.123Z"),
        ] {
            assert_eq!(parse(format, text).as_deref(), Some(time), "{format}");
            assert_eq!(parse("", text).as_deref(), Some(time), "any layout for {format}");
        }
    }

    #[test]
    fn layouts_and_formats_of_one_s_own() {
        for (format, text, time) in [
            ("02/Jan/2006:15:04:05 -0700", "10/Oct/2000:13:55:36 -0700", "2000-10-10T20:55:36Z"),
            ("2006-01-02 15:04:05,000", "2016-05-24 01:02:03,456", "2016-05-24T01:02:03.456Z"),
            ("2006/1/2 3:04:05 PM", "2016/5/4 1:02:03 PM", "2016-05-04T13:02:03Z"),
            ("%d/%b/%Y:%H:%M:%S %z", "10/Oct/2000:13:55:36 -0700", "2000-10-10T20:55:36Z"),
            ("Epoch", "1464091200", "2016-05-24T12:00:00Z"),
            ("Epoch", "1464091200.5", "2016-05-24T12:00:00.5Z"),
            ("EpochMilli", "1464091200123.4567899", "2016-05-24T12:00:00.123456789Z"),
            ("EpochMicro", "1464091200000001", "2016-05-24T12:00:00.000001Z"),
            ("EpochNano", "1464091200000000001", "2016-05-24T12:00:00.000000001Z"),
        ] {
            assert_eq!(parse(format, text).as_deref(), Some(time), "{format}");
        }
        for nothing in ["soon", "", "-", ".", "-."] {
            assert_eq!(parse("Epoch", nothing), None, "{nothing}");
        }
        assert_eq!(parse("", "yesterday"), None);
        assert!(TimeFormat::new(Some("nonsense"), None).is_err());
        assert!(TimeFormat::new(Some("%!"), None).is_err());
        assert!(TimeFormat::new(None, Some("Mars/Olympus")).is_err());
    }

    #[test]
    fn no_part_of_a_time_is_passed_over() {
        for (format, text, time) in [
            ("%j %Y %H", "145 2016 12", "2016-05-24T12:00:00Z"),
            ("%G-W%V-%u %H", "2016-W21-2 12", "2016-05-24T12:00:00Z"),
            ("2006 002 15:04", "2016 145 12:00", "2016-05-24T12:00:00Z"),
            ("2006 __2 15:04", "2016  45 12:00", "2016-02-14T12:00:00Z"),
            ("2006-01-02 15:04-07", "2016-05-24 12:00-07", "2016-05-24T19:00:00Z"),
            ("2006-01-02 15:04Z07", "2016-05-24 12:00Z", "2016-05-24T12:00:00Z"),
            ("2006-01-02 15:04Z07", "2016-05-24 12:00+02", "2016-05-24T10:00:00Z"),
            ("02 Jan 2006 15:04Z07:00", "24 MAY 2016 12:00+02:00", "2016-05-24T10:00:00Z"),
            ("15:04 MST, Mon 02 Jan 2006", "12:00 EST, TUE 24 MAY 2016", "2016-05-24T17:00:00Z"),
            ("Jan 2, 2006 15:04:05,000", "May 4, 2016 01:02:03,456", "2016-05-04T01:02:03.456Z"),
            ("2006,01,02,15:04:05,000", "2016,05,04,01:02:03,456", "2016-05-04T01:02:03.456Z"),
            ("02.01.2006 15:04", "24.05.2016 12:00", "2016-05-24T12:00:00Z"),
            ("2006,01,02,15:04:05", "2016,05,04,01:02:03", "2016-05-04T01:02:03Z"),
        ] {
            assert_eq!(parse(format, text).as_deref(), Some(time), "{format}");
        }
    }

    #[test]
    fn text_without_an_offset_is_in_the_zone_given() {
        let format = TimeFormat::new(Some("2006-01-02 15:04"), Some("America/New_York")).unwrap();
        let summer = 1_464_091_200_000_000_000 + 4 * 3_600_000_000_000;
        assert_eq!(format.parse("2016-05-24 12:00", NOW), Some(summer));
    }
}
