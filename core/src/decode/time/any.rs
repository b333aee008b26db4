// SPDX-License-Identifier: MIT OR Apache-2.0
//! Times in any unambiguous form that programs write: ISO 8601 and its variants, the dates of mail
//! and syslog, access logs, the defaults of log libraries, numbers since 1970. Ambiguous forms such
//! as 01/02/2006 are not accepted.

use super::parts::Parts;
use super::scan::{Scan, short_year};

/// Parses all of `text`.
pub(super) fn read(text: &[u8]) -> Option<Parts> {
    let mut scan = Scan::new(text);
    let mut parts = front(&mut scan, true)?;
    scan.blanks();
    // After a complete time, any abbreviation is a time zone.
    if (parts.offset.is_none() || parts.is_numeric) && parts.epoch.is_none() {
        scan.zone_name(&mut parts).or_else(|| scan.numeric_zone_name(&parts));
        scan.blanks();
        scan.monotonic();
    }
    scan.rest.is_empty().then_some(parts)
}

/// Parses the time at the front and leaves the rest.
pub(super) fn read_front(scan: &mut Scan<'_>) -> Option<Parts> {
    front(scan, false)
}

/// Parses the time at the front; with `is_all`, nothing may follow it.
fn front(scan: &mut Scan<'_>, is_all: bool) -> Option<Parts> {
    let mut parts = Parts::default();
    if scan.iso(&mut parts) {
        if scan.rest == b"Z" {
            scan.skip(1);
            parts.offset = Some(0);
        } else {
            tail(scan, &mut parts, true);
        }
        return Some(parts);
    }
    let has_weekday = Scan::new(scan.rest).weekday().is_some();
    let has_digits = scan.peek()?.is_ascii_digit();
    if has_digits {
        if let Some(epoch) = epoch(scan) {
            return Some(Parts { epoch: Some(epoch), ..parts });
        }
        let is_klog = scan.digit_count() == 4;
        begins_with_digits(scan, &mut parts)?;
        if is_klog && parts.year.is_none() && !is_all {
            // A thread number follows.
            return Some(parts);
        }
    } else {
        begins_with_a_word(scan, &mut parts)?;
    }
    // After a syslog date, a host or tag follows, which may be named pm.
    let is_syslog = !has_digits && !has_weekday && parts.year.is_none();
    tail(scan, &mut parts, is_all || !is_syslog);
    Some(parts)
}

/// Parses a plain number.
fn epoch(scan: &mut Scan<'_>) -> Option<i64> {
    let mut ahead = *scan;
    let epoch = ahead.epoch()?;
    let is_end = ahead.peek().is_none_or(|next| matches!(next, b' ' | b'\t' | b']' | b')'));
    if is_end {
        *scan = ahead;
    }
    is_end.then_some(epoch)
}

fn begins_with_digits(scan: &mut Scan<'_>, parts: &mut Parts) -> Option<()> {
    let count = scan.digit_count();
    let next = scan.rest.get(count).copied();
    match (count, next) {
        (1 | 2, Some(b':')) => scan.clock(parts),
        (4, Some(separator @ (b'-' | b'/' | b'.'))) => begins_with_a_year(scan, parts, separator),
        // klog: month and day.
        (4, Some(b' ')) if scan.rest.get(5).is_some_and(u8::is_ascii_digit) => {
            parts.set_date(scan.number(2, 2)?, scan.number(2, 2)?)?;
            clock_behind(scan, parts)
        }
        (4, Some(b' ')) => {
            parts.year = i64::try_from(scan.number(4, 4)?).ok();
            scan.skip(1);
            let month = scan.month()?;
            scan.blanks();
            parts.set_date(month, scan.number(1, 2)?)?;
            clock_behind(scan, parts)
        }
        (8, Some(b' ' | b'T' | b't')) | (14, _) => without_dashes(scan, parts, count == 8),
        (6, Some(b' ')) => {
            parts.year = Some(short_year(scan.number(2, 2)?));
            parts.set_date(scan.number(2, 2)?, scan.number(2, 2)?)?;
            clock_behind(scan, parts)
        }
        (1 | 2, Some(separator @ (b' ' | b'-' | b'/' | b'.'))) => {
            begins_with_a_day(scan, parts, separator)
        }
        _ => None,
    }
}

/// Parses `2006-01-02T15:04:05`, `2006/Jan/02 15:04:05`.
fn begins_with_a_year(scan: &mut Scan<'_>, parts: &mut Parts, separator: u8) -> Option<()> {
    parts.year = i64::try_from(scan.number(4, 4)?).ok();
    scan.skip(1);
    let month = month(scan)?;
    if !scan.eat(separator) {
        return None;
    }
    parts.set_date(month, scan.number(1, 2)?)?;
    clock_behind(scan, parts)
}

/// Parses glog's `20060102 15:04:05`, and ISO 8601's `20060102T150405` with or without its `T`.
fn without_dashes(scan: &mut Scan<'_>, parts: &mut Parts, is_apart: bool) -> Option<()> {
    parts.year = i64::try_from(scan.number(4, 4)?).ok();
    parts.set_date(scan.number(2, 2)?, scan.number(2, 2)?)?;
    if is_apart && scan.rest.get(3) == Some(&b':') {
        return clock_behind(scan, parts);
    }
    scan.skip(usize::from(is_apart));
    parts.set_clock(scan.number(2, 2)?, scan.number(2, 2)?, scan.number(2, 2)?)?;
    scan.maybe_fraction(parts);
    Some(())
}

/// Parses `02/Jan/2006:15:04:05`, `02-Jan-06 15:04:05`, `02 Jan 15:04:05`, `02.01.2006 15:04:05`.
fn begins_with_a_day(scan: &mut Scan<'_>, parts: &mut Parts, separator: u8) -> Option<()> {
    let day = scan.number(1, 2)?;
    scan.skip(1);
    let month = match scan.month() {
        Some(month) => month,
        None if separator == b'.' => scan.number(1, 2)?,
        None => return None,
    };
    parts.set_date(month, day)?;
    if !scan.eat(separator) {
        return None;
    }
    let count = scan.digit_count();
    match (count, scan.rest.get(count)) {
        (1 | 2, Some(b':')) => return scan.clock(parts),
        (4, _) => parts.year = i64::try_from(scan.number(4, 4)?).ok(),
        (2, _) => parts.year = Some(short_year(scan.number(2, 2)?)),
        _ => return None,
    }
    clock_behind(scan, parts)
}

fn begins_with_a_word(scan: &mut Scan<'_>, parts: &mut Parts) -> Option<()> {
    if scan.weekday().is_some() {
        scan.eat(b',');
        scan.blanks();
        if scan.peek()?.is_ascii_digit() {
            return begins_with_digits(scan, parts);
        }
    }
    let month = scan.month()?;
    scan.blanks();
    parts.set_date(month, scan.number(1, 2)?)?;
    scan.eat(b',');
    scan.blanks();
    let count = scan.digit_count();
    match (count, scan.rest.get(count)) {
        (1 | 2, Some(b':')) => scan.clock(parts),
        (4, _) => {
            parts.year = i64::try_from(scan.number(4, 4)?).ok();
            // Cisco writes a colon, Java a comma or "at".
            scan.eat_any(b",:");
            clock_behind(scan, parts)
        }
        _ => None,
    }
}

/// Parses a month by number or name.
fn month(scan: &mut Scan<'_>) -> Option<u64> {
    scan.number(1, 2).or_else(|| scan.month())
}

/// Parses the time of day after a date; the default is midnight.
fn clock_behind(scan: &mut Scan<'_>, parts: &mut Parts) -> Option<()> {
    let mut ahead = *scan;
    let is_separated = ahead.eat_any(b"Tt:_").is_some() || ahead.peek() == Some(b' ');
    ahead.blanks();
    let count = ahead.digit_count();
    if is_separated && matches!(count, 1 | 2) && ahead.rest.get(count) == Some(&b':') {
        *scan = ahead;
        return scan.clock(parts);
    }
    // An address, a version or the like.
    let goes_on = match *scan.rest {
        [b'Z' | b'z' | b'.' | b'-', next, ..] => next.is_ascii_alphanumeric(),
        [b'Z' | b'z'] => false,
        [next, ..] => next.is_ascii_alphanumeric(),
        [] => false,
    };
    (!goes_on).then_some(())
}

/// Parses what may follow a time of day: the zone, the year, AM or PM, comments on the zone.
fn tail(scan: &mut Scan<'_>, parts: &mut Parts, may_be_half: bool) {
    loop {
        let mut ahead = *scan;
        ahead.blanks();
        let is_apart = ahead.rest.len() < scan.rest.len();
        let taken = match ahead.peek() {
            Some(b'+' | b'-') if !parts.is_numeric => ahead.offset(parts),
            Some(b'0'..=b'9') if is_apart && parts.year.is_none() && parts.month.is_some() => {
                year(&mut ahead, parts)
            }
            Some(b'(') if is_apart && parts.offset.is_some() && is_zone_comment(ahead.rest) => {
                comment(&mut ahead, b')')
            }
            Some(b'[') if !is_apart && parts.offset.is_some() => comment(&mut ahead, b']'),
            Some(b'A' | b'P' | b'a' | b'p') if parts.is_pm.is_none() && is_half(&ahead) => {
                if may_be_half {
                    ahead.half_of_day(parts)
                } else {
                    None
                }
            }
            Some(b'A'..=b'Z' | b'z') => zone(&mut ahead, parts),
            _ => None,
        };
        if taken.is_none() {
            return;
        }
        *scan = ahead;
    }
}

/// Whether the next word is AM or PM.
fn is_half(scan: &Scan<'_>) -> bool {
    let word = scan.letters();
    let is_it = word.eq_ignore_ascii_case(b"am") || word.eq_ignore_ascii_case(b"pm");
    is_it && is_end(scan.rest.get(word.len()).copied())
}

/// Whether a word or number ends before `next`.
fn is_end(next: Option<u8>) -> bool {
    next.is_none_or(|next| {
        next.is_ascii_whitespace() || matches!(next, b',' | b';' | b':' | b']' | b')' | b'|')
    })
}

fn year(scan: &mut Scan<'_>, parts: &mut Parts) -> Option<()> {
    if scan.digit_count() != 4 {
        return None;
    }
    let year = scan.number(4, 4)?;
    let is_year =
        (1900..2263).contains(&year) && scan.peek().is_none_or(|next| next.is_ascii_whitespace());
    parts.year = parts.year.or(i64::try_from(year).ok().filter(|_| is_year));
    is_year.then_some(())
}

/// Parses a zone such as CEST; a word of the text after the time is not taken for a zone.
fn zone(scan: &mut Scan<'_>, parts: &mut Parts) -> Option<()> {
    const ZONES: [&[u8]; 26] = [
        b"Z", b"z", b"UTC", b"GMT", b"UT", b"EST", b"EDT", b"CST", b"CDT", b"MST", b"MDT", b"PST",
        b"PDT", b"CET", b"CEST", b"WET", b"WEST", b"EET", b"EEST", b"MSK", b"BST", b"IST", b"JST",
        b"KST", b"AEST", b"AEDT",
    ];
    let word = scan.letters();
    if parts.offset.is_some() && !parts.is_numeric || !ZONES.contains(&word) {
        return None;
    }
    let ends = match scan.rest.get(word.len()).copied() {
        // `GMT+0100`, and `Z[Europe/Paris]`.
        Some(b'+' | b'-') => matches!(word, b"GMT" | b"UTC" | b"UT"),
        Some(b'[') => matches!(word, b"Z" | b"z"),
        next => is_end(next),
    };
    if ends { scan.zone_name(parts) } else { None }
}

/// Whether `(CEST)` follows, or a long name of a zone.
fn is_zone_comment(text: &[u8]) -> bool {
    let words = text.iter().skip(1).take_while(|&&byte| byte != b')');
    words.clone().all(u8::is_ascii_uppercase)
        || words.clone().all(|byte| byte.is_ascii_alphabetic() || *byte == b' ')
            && words.clone().any(|byte| *byte == b' ')
            && text.ends_with(b")")
}

fn comment(scan: &mut Scan<'_>, end: u8) -> Option<()> {
    let len = scan.rest.iter().position(|&byte| byte == end)?;
    scan.skip(len + 1);
    Some(())
}
