// SPDX-License-Identifier: MIT OR Apache-2.0
//! Layouts of times: Go's layouts, and strftime(3) formats.

use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ZonedDateTime};

use super::parts::{Defaults, Parts, nanoseconds};
use super::scan::{Scan, short_year};

/// Go's standard layouts by their names.
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

/// An element of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A literal byte; a blank matches any number of blanks.
    Byte(u8),
    Month,
    Weekday,
    MonthNumber,
    Day,
    DayOfYear,
    Year,
    ShortYear,
    Hour,
    HourOf12,
    Minute,
    Second,
    /// Digits after a point or a comma.
    Fraction,
    /// Digits of nanoseconds, without a point.
    Digits,
    HalfOfDay,
    /// `+07:00` and the like, or `Z`.
    Offset,
    ZoneName,
    /// Seconds since 1970.
    Epoch,
}

/// Elements of Go's layouts; of two with a common prefix the longer one comes first.
const ELEMENTS: [(&str, Piece); 30] = [
    ("January", Piece::Month),
    ("Jan", Piece::Month),
    ("Monday", Piece::Weekday),
    ("Mon", Piece::Weekday),
    ("MST", Piece::ZoneName),
    ("2006", Piece::Year),
    ("-07:00", Piece::Offset),
    ("-0700", Piece::Offset),
    ("-07", Piece::Offset),
    ("Z07:00", Piece::Offset),
    ("Z0700", Piece::Offset),
    ("Z07", Piece::Offset),
    ("__2", Piece::DayOfYear),
    ("002", Piece::DayOfYear),
    ("_2", Piece::Day),
    ("01", Piece::MonthNumber),
    ("02", Piece::Day),
    ("03", Piece::HourOf12),
    ("04", Piece::Minute),
    ("05", Piece::Second),
    ("06", Piece::ShortYear),
    ("15", Piece::Hour),
    ("PM", Piece::HalfOfDay),
    ("pm", Piece::HalfOfDay),
    ("1", Piece::MonthNumber),
    ("2", Piece::Day),
    ("3", Piece::HourOf12),
    ("4", Piece::Minute),
    ("5", Piece::Second),
    (" ", Piece::Byte(b' ')),
];

/// A way to parse times.
#[derive(Clone, Debug)]
pub(super) enum Layout {
    /// A number since 1970, in units of 10 to this power nanoseconds.
    Epoch(usize),
    /// Any of the forms recognised without a layout.
    Any,
    Pieces(Vec<Piece>),
    /// A strftime(3) format with weeks and the like, parsed by jiff.
    Format(String),
}

impl Layout {
    /// Parses the name of a layout or a layout of Go's, `Epoch`, `EpochMilli`, `EpochMicro`,
    /// `EpochNano`, `ISO8601`, or a strftime(3) format.
    pub(super) fn new(format: &str) -> Result<Self, String> {
        let is = |name: &str| format.eq_ignore_ascii_case(name);
        if let Some((_, layout)) = STANDARD.iter().find(|(name, _)| is(name)) {
            return Ok(Self::Pieces(of_go(layout)));
        }
        for (name, digits) in [("Epoch", 9), ("EpochMilli", 6), ("EpochMicro", 3), ("EpochNano", 0)]
        {
            if is(name) {
                return Ok(Self::Epoch(digits));
            }
        }
        if is("ISO8601") || is("ISO_8601") {
            return Ok(Self::Any);
        }
        if format.contains('%') {
            return match of_strftime(format) {
                Some(pieces) => Ok(Self::Pieces(pieces)),
                None => checked(format),
            };
        }
        let pieces = of_go(format);
        if pieces.iter().all(|piece| matches!(piece, Piece::Byte(_))) {
            return Err(format!("neither a layout nor a format: {format}"));
        }
        Ok(Self::Pieces(pieces))
    }

    pub(super) fn read(&self, text: &[u8], now: i64, defaults: &Defaults) -> Option<i64> {
        match self {
            Self::Any => super::any::read(text)?.complete(now, defaults),
            Self::Epoch(digits) => epoch(text, *digits),
            Self::Pieces(pieces) => by_pieces(pieces, text)?.complete(now, defaults),
            Self::Format(format) => by_jiff(format, std::str::from_utf8(text).ok()?, now, defaults),
        }
    }
}

/// Splits a layout of Go's.
fn of_go(layout: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = layout;
    while let Some(c) = rest.chars().next() {
        let element = ELEMENTS.iter().find(|(element, _)| rest.starts_with(element));
        let taken = if let Some((element, piece)) = element {
            pieces.push(*piece);
            element.len()
        } else if let Some(len) = fraction_len(rest) {
            pieces.push(Piece::Fraction);
            len
        } else {
            let mut bytes = [0; 4];
            pieces.extend(c.encode_utf8(&mut bytes).bytes().map(Piece::Byte));
            c.len_utf8()
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    pieces
}

/// Splits a strftime(3) format; `None` if it has directives that only jiff supports.
fn of_strftime(format: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = format;
    while let Some(c) = rest.chars().next() {
        if c != '%' {
            let mut bytes = [0; 4];
            pieces.extend(c.encode_utf8(&mut bytes).bytes().map(Piece::Byte));
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            continue;
        }
        let behind = rest.get(1..)?.trim_start_matches(['-', '_', '0', ':', '.', '^', '#']);
        let behind = behind.trim_start_matches(|c: char| c.is_ascii_digit());
        let directive = behind.chars().next()?;
        match expanded(directive) {
            Some(format) => pieces.extend(of_strftime(format)?),
            None => pieces.push(of_directive(directive, rest.starts_with("%."))?),
        }
        rest = behind.get(directive.len_utf8()..).unwrap_or_default();
    }
    Some(pieces)
}

/// Returns the expansion of a composite strftime(3) directive.
fn expanded(directive: char) -> Option<&'static str> {
    Some(match directive {
        'c' => "%a %b %e %H:%M:%S %Y",
        'r' => "%I:%M:%S %p",
        'x' | 'D' => "%m/%d/%y",
        'X' | 'T' => "%H:%M:%S",
        'R' => "%H:%M",
        'F' => "%Y-%m-%d",
        _ => return None,
    })
}

/// Returns the element for a strftime(3) directive; `has_point` says whether a point before a
/// fraction belongs to it.
fn of_directive(directive: char, has_point: bool) -> Option<Piece> {
    Some(match directive {
        'B' | 'b' | 'h' => Piece::Month,
        'A' | 'a' => Piece::Weekday,
        'Y' => Piece::Year,
        'y' => Piece::ShortYear,
        'm' => Piece::MonthNumber,
        'd' | 'e' => Piece::Day,
        'j' => Piece::DayOfYear,
        'H' | 'k' => Piece::Hour,
        'I' | 'l' => Piece::HourOf12,
        'M' => Piece::Minute,
        'S' => Piece::Second,
        'p' | 'P' => Piece::HalfOfDay,
        'z' => Piece::Offset,
        'Z' => Piece::ZoneName,
        's' => Piece::Epoch,
        'f' | 'N' | 'L' if has_point => Piece::Fraction,
        'f' | 'N' | 'L' => Piece::Digits,
        'n' | 't' => Piece::Byte(b' '),
        '%' => Piece::Byte(b'%'),
        _ => return None,
    })
}

/// Checks that jiff can format and parse a format.
fn checked(format: &str) -> Result<Layout, String> {
    let probe = BrokenDownTime::from(&ZonedDateTime::new(Timestamp::UNIX_EPOCH, TimeZone::UTC));
    let text = probe.to_string(format).map_err(|error| error.to_string())?;
    BrokenDownTime::parse(format, &text).map_err(|error| error.to_string())?;
    Ok(Layout::Format(format.to_owned()))
}

/// Returns the length of `.000` or `,999` at the front of a layout.
fn fraction_len(layout: &str) -> Option<usize> {
    let digits = layout.strip_prefix(['.', ','])?;
    let digit = digits.chars().next().filter(|digit| matches!(digit, '0' | '9'))?;
    let behind = digits.trim_start_matches(digit);
    // The 0 of .01 belongs to the month.
    let is_all = !behind.starts_with(|c: char| c.is_ascii_digit());
    is_all.then_some(layout.len() - behind.len())
}

fn by_pieces(pieces: &[Piece], text: &[u8]) -> Option<Parts> {
    let mut scan = Scan::new(text);
    let mut parts = Parts::default();
    let mut pieces = pieces.iter().copied().peekable();
    while let Some(piece) = pieces.next() {
        read_piece(piece, &mut scan, &mut parts)?;
        // Go accepts a fraction after the seconds even if the layout has none.
        let is_own = |next: Option<&Piece>| match next {
            Some(Piece::Fraction) => true,
            Some(Piece::Byte(byte)) => scan.peek() == Some(*byte),
            _ => false,
        };
        if piece == Piece::Second && !is_own(pieces.peek()) {
            scan.maybe_fraction(&mut parts);
        }
    }
    scan.rest.is_empty().then_some(parts)
}

fn read_piece(piece: Piece, scan: &mut Scan<'_>, parts: &mut Parts) -> Option<()> {
    match piece {
        Piece::Byte(b' ') => scan.blanks(),
        Piece::Byte(byte) => return scan.eat(byte).then_some(()),
        Piece::Month => parts.month = small(scan.month()?, 12),
        Piece::Weekday => scan.weekday()?,
        Piece::MonthNumber => parts.month = Some(small(scan.number(1, 2)?, 12).filter(|m| *m > 0)?),
        Piece::Day => {
            scan.blanks();
            parts.day = Some(small(scan.number(1, 2)?, 31).filter(|day| *day > 0)?);
        }
        Piece::DayOfYear => {
            scan.blanks();
            parts.day_of_year = u16::try_from(scan.number(1, 3)?).ok();
        }
        Piece::Year => parts.year = i64::try_from(scan.number(4, 4)?).ok(),
        Piece::ShortYear => parts.year = Some(short_year(scan.number(2, 2)?)),
        _ => return read_clock_piece(piece, scan, parts),
    }
    Some(())
}

/// Parses an element that is not part of the date.
fn read_clock_piece(piece: Piece, scan: &mut Scan<'_>, parts: &mut Parts) -> Option<()> {
    match piece {
        Piece::Hour | Piece::HourOf12 => {
            scan.blanks();
            parts.hour = small(scan.number(1, 2)?, 23)?;
            if piece == Piece::HourOf12 {
                parts.is_pm = parts.is_pm.or(Some(parts.hour == 12));
            }
        }
        Piece::Minute => parts.minute = small(scan.number(1, 2)?, 59)?,
        Piece::Second => parts.second = small(scan.number(1, 2)?, 60)?,
        Piece::Fraction => {
            scan.eat_any(b".,")?;
            parts.nanosecond = scan.fraction()?;
        }
        Piece::Digits => parts.nanosecond = scan.fraction()?,
        Piece::HalfOfDay => scan.half_of_day(parts)?,
        Piece::Offset if matches!(scan.peek(), Some(b'Z' | b'z')) => {
            scan.skip(1);
            parts.offset = Some(0);
            parts.is_numeric = true;
        }
        // The name of a zone is accepted in place of an offset.
        Piece::Offset => scan.offset(parts).or_else(|| scan.zone_name(parts))?,
        Piece::ZoneName => scan.zone_name(parts).or_else(|| scan.offset(parts))?,
        Piece::Epoch => {
            let seconds = i64::try_from(scan.number(1, 18)?).ok()?;
            parts.epoch = Some(seconds.checked_mul(1_000_000_000)?);
        }
        _ => {}
    }
    Some(())
}

/// Converts a number that is at most `most`.
fn small(number: u64, most: u64) -> Option<u8> {
    u8::try_from(number).ok().filter(|_| number <= most)
}

/// Parses a decimal number as text, with its fraction cut or padded: no rounding through a double.
fn epoch(text: &[u8], digits: usize) -> Option<i64> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(text) => (true, text),
        None => (false, text),
    };
    let point = text.iter().position(|&byte| byte == b'.').unwrap_or(text.len());
    let (whole, fraction) = text.split_at(point);
    let fraction = fraction.get(1..).unwrap_or_default();
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    if !whole.iter().all(is_digit) || !fraction.iter().all(is_digit) {
        return None;
    }
    let padded = fraction.iter().chain(std::iter::repeat(&b'0')).take(digits);
    let value = whole.iter().chain(padded).try_fold(0_i64, |value, digit| {
        value.checked_mul(10)?.checked_add(i64::from(digit - b'0'))
    })?;
    Some(if negative { -value } else { value })
}

/// Parses a time with a format that counts weeks or the like.
fn by_jiff(format: &str, text: &str, now: i64, defaults: &Defaults) -> Option<i64> {
    let mut parts = BrokenDownTime::parse(format, text).ok()?;
    if let Some(time) = parts.timestamp() {
        return nanoseconds(time);
    }
    let zone = parts.offset().map_or_else(|| defaults.zone().clone(), Offset::to_time_zone);
    let now = Timestamp::from_nanosecond(i128::from(now)).ok()?.to_zoned_datetime(zone.clone());
    if parts.year().is_none() && parts.iso_week_year().is_none() {
        let year = defaults.year().and_then(|year| i16::try_from(year).ok());
        parts.set_year(Some(year.unwrap_or_else(|| now.year()))).ok()?;
    }
    let has_date = parts.month().is_some() || parts.day_of_year().is_some() || has_week(&parts);
    let date = if has_date { parts.to_date().ok()? } else { now.date() };
    let time = parts.to_time().ok()?;
    nanoseconds(date.to_datetime(time).to_zoned_datetime(zone).ok()?.timestamp())
}

fn has_week(parts: &BrokenDownTime) -> bool {
    parts.iso_week().is_some()
        || parts.sunday_based_week().is_some()
        || parts.monday_based_week().is_some()
}
