// SPDX-License-Identifier: MIT OR Apache-2.0
//! Times from text: Go's layouts, strftime(3), seconds and parts of them since 1970.
//!
//! What the text leaves out is taken from now, as in Heka: the year if it names none, the day if it
//! is a time of day only. Text without an offset is in the zone given.

use jiff::civil::Date;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};

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
const ELEMENTS: [(&str, &str); 27] = [
    ("January", "%B"),
    ("Jan", "%b"),
    ("Monday", "%A"),
    ("Mon", "%a"),
    ("MST", "%z"),
    ("2006", "%Y"),
    ("-07:00", "%:z"),
    ("-0700", "%z"),
    ("Z07:00", "%:z"),
    ("Z0700", "%z"),
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

/// How to read times.
#[derive(Clone, Debug)]
pub struct TimeFormat {
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
    pub fn new(format: Option<&str>, zone: Option<&str>) -> Result<Self, String> {
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
    pub fn parse(&self, text: &str, now: i64) -> Option<i64> {
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
                let probe = BrokenDownTime::from(&Zoned::new(Timestamp::UNIX_EPOCH, TimeZone::UTC));
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
                let parts = BrokenDownTime::parse(format, text.replace(',', ".")).or_else(|_| {
                    // The text may have commas of its own.
                    BrokenDownTime::parse(format, &text)
                });
                complete(&parts.ok()?, now, zone)
            }
        }
    }
}

/// The length of `.000` or `,999` at the front of a layout.
fn fraction_len(layout: &str) -> Option<usize> {
    let digits = layout.strip_prefix(['.', ','])?;
    let digit = digits.chars().next().filter(|digit| matches!(digit, '0' | '9'))?;
    Some(1 + digits.chars().take_while(|&other| other == digit).count())
}

/// The text with a zone's letters replaced by its offset.
fn with_offset(text: &str, format: &str) -> String {
    let colon = if format.contains("%:z") { ":" } else { "" };
    let is_zone = |word: &&str| {
        word.len() <= 5
            && !matches!(*word, "AM" | "PM" | "T")
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

/// A decimal number as text, its fraction cut or filled up: no rounding through a double.
fn epoch(text: &str, digits: usize) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: String = fraction.chars().chain(std::iter::repeat('0')).take(digits).collect();
    format!("{whole}{fraction}").parse().ok()
}

fn complete(parts: &BrokenDownTime, now: i64, zone: &TimeZone) -> Option<i64> {
    let nanoseconds = |time: Timestamp| i64::try_from(time.as_nanosecond()).ok();
    if let Some(time) = parts.timestamp() {
        return nanoseconds(time);
    }
    let zone = parts.offset().map_or_else(|| zone.clone(), Offset::to_time_zone);
    let now = Timestamp::from_nanosecond(i128::from(now)).ok()?.to_zoned(zone.clone());
    let (month, day) = match (parts.month(), parts.day()) {
        (Some(month), Some(day)) => (month, day),
        (None, None) => (now.month(), now.day()),
        _ => return None,
    };
    let date = Date::new(parts.year().unwrap_or_else(|| now.year()), month, day).ok()?;
    let time = parts.to_time().ok()?;
    nanoseconds(date.to_datetime(time).to_zoned(zone).ok()?.timestamp())
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
        assert_eq!(parse("Epoch", "soon"), None);
        assert_eq!(parse("", "yesterday"), None);
        assert!(TimeFormat::new(Some("nonsense"), None).is_err());
        assert!(TimeFormat::new(Some("%!"), None).is_err());
        assert!(TimeFormat::new(None, Some("Mars/Olympus")).is_err());
    }

    #[test]
    fn text_without_an_offset_is_in_the_zone_given() {
        let format = TimeFormat::new(Some("2006-01-02 15:04"), Some("America/New_York")).unwrap();
        let summer = 1_464_091_200_000_000_000 + 4 * 3_600_000_000_000;
        assert_eq!(format.parse("2016-05-24 12:00", NOW), Some(summer));
    }
}
