// SPDX-License-Identifier: MIT OR Apache-2.0
//! The lexical elements of times.

use super::parts::Parts;

/// North America's abbreviations (RFC 822), in hours; all others are treated as UTC, as in Go.
const ZONES: [(&[u8], i32); 8] = [
    (b"EST", -5),
    (b"EDT", -4),
    (b"CST", -6),
    (b"CDT", -5),
    (b"MST", -7),
    (b"MDT", -6),
    (b"PST", -8),
    (b"PDT", -7),
];
const MONTHS: [&[u8]; 12] = [
    b"january",
    b"february",
    b"march",
    b"april",
    b"may",
    b"june",
    b"july",
    b"august",
    b"september",
    b"october",
    b"november",
    b"december",
];
const WEEKDAYS: [&[u8]; 7] =
    [b"monday", b"tuesday", b"wednesday", b"thursday", b"friday", b"saturday", b"sunday"];
/// Longest abbreviation of a zone.
const LONGEST_ZONE: usize = 5;

/// The rest of a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Scan<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Skips `len` bytes.
    pub(super) fn skip(&mut self, len: usize) {
        self.rest = self.rest.get(len..).unwrap_or_default();
    }

    /// Skips `byte` if it is next.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.skip(usize::from(is_next));
        is_next
    }

    /// Skips one of these bytes.
    pub(super) fn eat_any(&mut self, bytes: &[u8]) -> Option<u8> {
        let next = self.peek().filter(|next| bytes.contains(next))?;
        self.skip(1);
        Some(next)
    }

    /// Skips blanks.
    pub(super) fn blanks(&mut self) {
        while self.eat_any(b" \t").is_some() {}
    }

    /// Returns the number of digits that follow.
    pub(super) fn digit_count(&self) -> usize {
        self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    }

    /// Parses a number of `least` to `most` digits (at most 19).
    #[inline]
    pub(super) fn number(&mut self, least: usize, most: usize) -> Option<u64> {
        let mut value = 0_u64;
        let mut count = 0;
        while count < most
            && let Some(digit) = self.rest.get(count).filter(|byte| byte.is_ascii_digit())
        {
            value = value * 10 + u64::from(digit - b'0');
            count += 1;
        }
        if count < least {
            return None;
        }
        self.skip(count);
        Some(value)
    }

    /// Returns the letters that follow.
    pub(super) fn letters(&self) -> &'a [u8] {
        let len = self.rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        self.rest.get(..len).unwrap_or_default()
    }

    /// Parses the name of a month, in full or its first three letters.
    pub(super) fn month(&mut self) -> Option<u64> {
        let index = self.name(&MONTHS)?;
        Some(index as u64 + 1)
    }

    /// Skips the name of a weekday.
    pub(super) fn weekday(&mut self) -> Option<()> {
        self.name(&WEEKDAYS).map(drop)
    }

    fn name(&mut self, names: &[&[u8]]) -> Option<usize> {
        let word = self.letters();
        // Only letters are converted to lower case by this. No two names share the first three
        // letters.
        let short =
            |word: &[u8]| word.first_chunk::<3>().map(|first| first.map(|byte| byte | 0x20));
        let wanted = short(word)?;
        let index = names.iter().position(|name| short(name) == Some(wanted))?;
        let name = names.get(index).copied().unwrap_or_default();
        let is_it = word.len() == wanted.len()
            || word.eq_ignore_ascii_case(name)
            || name == b"september" && word.eq_ignore_ascii_case(b"sept");
        is_it.then(|| self.skip(word.len()))?;
        Some(index)
    }

    /// Parses the digits of a fraction into nanoseconds.
    pub(super) fn fraction(&mut self) -> Option<u32> {
        let count = self.digit_count();
        let mut value = 0;
        for at in 0..9 {
            let digit = self.rest.get(at).filter(|_| at < count);
            value = value * 10 + digit.map_or(0, |digit| u32::from(digit - b'0'));
        }
        self.skip(count);
        (count > 0).then_some(value)
    }

    /// Parses an optional fraction after a point or comma.
    pub(super) fn maybe_fraction(&mut self, parts: &mut Parts) {
        if matches!(self.peek(), Some(b'.' | b','))
            && self.rest.get(1).is_some_and(u8::is_ascii_digit)
        {
            self.skip(1);
            parts.nanosecond = self.fraction().unwrap_or(0);
        }
    }

    /// Parses `15:04`, or `15:04:05` with an optional fraction.
    pub(super) fn clock(&mut self, parts: &mut Parts) -> Option<()> {
        let hour = self.number(1, 2)?;
        if !self.eat(b':') {
            return None;
        }
        let minute = self.number(2, 2)?;
        let second = if self.eat(b':') { self.number(2, 2)? } else { 0 };
        parts.set_clock(hour, minute, second)?;
        self.maybe_fraction(parts);
        Some(())
    }

    /// Parses `+07:00`, `+0700` or `+07`; a numeric offset takes precedence over an abbreviation.
    pub(super) fn offset(&mut self, parts: &mut Parts) -> Option<()> {
        let sign = if self.eat_any(b"+-")? == b'-' { -1 } else { 1 };
        let hours = self.number(2, 2)?;
        let has_colon = self.peek() == Some(b':');
        let minutes = match (has_colon, self.digit_count()) {
            (true, _) => {
                self.skip(1);
                self.number(2, 2)?
            }
            (false, 2..) => self.number(2, 2)?,
            _ => 0,
        };
        if hours > 25 || minutes > 59 {
            return None;
        }
        parts.offset = Some(sign * i32::try_from(hours * 3600 + minutes * 60).ok()?);
        parts.is_numeric = true;
        Some(())
    }

    /// Parses the abbreviation of a zone.
    pub(super) fn zone_name(&mut self, parts: &mut Parts) -> Option<()> {
        let word = self.letters();
        let is_zone = (1..=LONGEST_ZONE).contains(&word.len())
            && (word.iter().all(u8::is_ascii_uppercase) || word == b"z");
        if !is_zone {
            return None;
        }
        self.skip(word.len());
        if !parts.is_numeric {
            let known = ZONES.iter().find(|(name, _)| *name == word);
            parts.offset = Some(known.map_or(0, |(_, hours)| hours * 3600));
        }
        Some(())
    }

    /// Parses `2006-01-02T15:04:05` with a fraction, the most common form, in one step.
    #[inline]
    pub(super) fn iso(&mut self, parts: &mut Parts) -> bool {
        let Some((
            &[a, b, c, d, b'-', e, f, b'-', g, h, b'T' | b' ', i, j, b':', k, l, b':', m, n],
            rest,
        )) = self.rest.split_first_chunk()
        else {
            return false;
        };
        let digits = [a, b, c, d, e, f, g, h, i, j, k, l, m, n];
        if !digits.iter().fold(true, |all, digit| all & digit.is_ascii_digit()) {
            return false;
        }
        let two = |tens: u8, ones: u8| u64::from(tens - b'0') * 10 + u64::from(ones - b'0');
        let mut found = Parts::default();
        let is_time = found.set_date(two(e, f), two(g, h)).is_some()
            && found.set_clock(two(i, j), two(k, l), two(m, n)).is_some()
            // Further digits make it something else.
            && !rest.first().is_some_and(u8::is_ascii_digit);
        if is_time {
            found.year = i64::try_from(two(a, b) * 100 + two(c, d)).ok();
            *parts = found;
            self.rest = rest;
            self.maybe_fraction(parts);
        }
        is_time
    }

    /// Skips a numeric abbreviation of a zone such as `+03` after the offset.
    pub(super) fn numeric_zone_name(&mut self, parts: &Parts) -> Option<()> {
        let mut again = Parts::default();
        let mut ahead = *self;
        ahead.offset(&mut again)?;
        let is_same = parts.is_numeric && again.offset == parts.offset;
        is_same.then(|| *self = ahead)
    }

    /// Skips `m=+0.000012345`, which Go prints after times that include a monotonic clock reading.
    pub(super) fn monotonic(&mut self) {
        let Some([b'+' | b'-', number @ ..]) = self.rest.strip_prefix(b"m=") else { return };
        let is_number = number.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
        if is_number && !number.is_empty() {
            self.rest = &[];
        }
    }

    /// Parses `AM` or `PM`.
    pub(super) fn half_of_day(&mut self, parts: &mut Parts) -> Option<()> {
        let word = self.letters();
        let is_pm = word.eq_ignore_ascii_case(b"pm");
        if !is_pm && !word.eq_ignore_ascii_case(b"am") {
            return None;
        }
        parts.is_pm = Some(is_pm);
        self.skip(2);
        Some(())
    }

    /// Parses a number since 1970 with an optional fraction; its size determines its unit.
    pub(super) fn epoch(&mut self) -> Option<i64> {
        let (unit, fraction_digits) = match self.digit_count() {
            9 | 10 => (1_000_000_000, 9),
            12 | 13 => (1_000_000, 6),
            15 | 16 => (1000, 3),
            18 | 19 => (1, 0),
            _ => return None,
        };
        let whole = i64::try_from(self.number(1, 19)?).ok()?;
        let mut parts = Parts::default();
        self.maybe_fraction(&mut parts);
        let fraction = i64::from(parts.nanosecond) / 10_i64.pow(9 - fraction_digits);
        whole.checked_mul(unit)?.checked_add(fraction)
    }
}

/// Returns the year for two digits, as in Go and POSIX.
pub(super) fn short_year(two: u64) -> i64 {
    let two = i64::try_from(two).unwrap_or(0);
    if two >= 69 { 1900 + two } else { 2000 + two }
}
