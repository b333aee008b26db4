// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exact numbers from text: a number that neither INTEGER nor DOUBLE reproduces stays text.

use std::io::{Cursor, Write as _};

use crate::wire::Value;

/// Number of digits that a double always reproduces.
const SAFE_DIGITS: usize = 15;
/// Powers of ten that a double represents exactly.
const POWERS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
/// Room for the shortest digits of any double.
const LONGEST: usize = 32;

/// The parts of a JSON number.
#[derive(Clone, Copy, Debug)]
struct Parts<'a> {
    is_negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    has_exponent: bool,
}

/// Returns the length in bytes of the JSON number at the front of `text`, if any.
pub(crate) fn length(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        text.get(from..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let mut at = usize::from(text.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || whole > 1 && text.get(at) == Some(&b'0') {
        return None;
    }
    at += whole;
    if text.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        if exponent == 0 {
            return None;
        }
        at += 1 + sign + exponent;
    }
    Some(at)
}

/// Returns the value of a JSON number, as text if no number reproduces its digits.
pub(crate) fn value(text: &[u8]) -> Value<'_> {
    let parts = parts(text);
    if !parts.has_exponent
        && parts.fraction.is_empty()
        && (!parts.is_negative || parts.whole != b"0")
    {
        return integer(text).map_or(Value::String(text), Value::Integer);
    }
    double(text, parts).map_or(Value::String(text), Value::Double)
}

/// Returns the value of a word that may be a number, as text if its digits would look different.
pub(crate) fn of_word(text: &[u8]) -> Option<Value<'_>> {
    if !matches!(text.first(), Some(b'-' | b'0'..=b'9')) || length(text) != Some(text.len()) {
        return None;
    }
    let parts = parts(text);
    if parts.has_exponent || parts.fraction.last() == Some(&b'0') {
        return None;
    }
    match value(text) {
        Value::String(_) => None,
        value => Some(value),
    }
}

/// Parses all of `text` as an integer, if it fits.
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if digits.is_empty() || digits.len() > 19 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // At most nineteen digits: no overflow.
    let value = digits.iter().fold(0_u64, |value, digit| value * 10 + u64::from(digit - b'0'));
    if is_negative { 0_i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

fn parts(text: &[u8]) -> Parts<'_> {
    let is_negative = text.first() == Some(&b'-');
    let text = text.get(usize::from(is_negative)..).unwrap_or_default();
    let end = text.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(text.len());
    let (mantissa, exponent) = text.split_at(end);
    let point = mantissa.iter().position(|&byte| byte == b'.').unwrap_or(mantissa.len());
    let (whole, fraction) = mantissa.split_at(point);
    let fraction = fraction.get(1..).unwrap_or_default();
    Parts { is_negative, whole, fraction, has_exponent: !exponent.is_empty() }
}

/// Parses a double that reproduces the digits.
fn double(text: &[u8], parts: Parts<'_>) -> Option<f64> {
    if !parts.has_exponent && parts.whole.len() + parts.fraction.len() <= SAFE_DIGITS {
        let digits = parts.whole.iter().chain(parts.fraction);
        let mantissa = digits.fold(0_u64, |value, digit| value * 10 + u64::from(digit - b'0'));
        // Both are exact, so the quotient is rounded only once.
        let value = mantissa as f64 / POWERS.get(parts.fraction.len())?;
        return Some(if parts.is_negative { -value } else { value });
    }
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let mut room = [0; LONGEST];
    let mut cursor = Cursor::new(&mut room[..]);
    write!(cursor, "{value:e}").ok()?;
    let len = usize::try_from(cursor.position()).ok()?;
    (value.is_finite() && significant(room.get(..len)?) == significant(text)).then_some(value)
}

/// Returns the digits of a number from the first to the last that is not 0, and the power of ten of
/// the first.
fn significant(text: &[u8]) -> Option<(Digits, i64)> {
    let end = text.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(text.len());
    let (mantissa, exponent) = text.split_at(end);
    let exponent = exponent.get(1..).unwrap_or_default();
    let exponent = exponent.strip_prefix(b"+").unwrap_or(exponent);
    let exponent = if exponent.is_empty() { 0 } else { integer(exponent)? };
    let mantissa = mantissa.strip_prefix(b"-").unwrap_or(mantissa);
    let point = mantissa.iter().position(|&byte| byte == b'.').unwrap_or(mantissa.len());
    let digits = mantissa.iter().filter(|&&byte| byte != b'.');
    let leading = digits.clone().take_while(|&&byte| byte == b'0').count();
    let mut found = Digits::default();
    for digit in digits.skip(leading) {
        found.push(*digit)?;
    }
    if found.len == 0 {
        return Some((found, 0));
    }
    found.trim();
    let power = i64::try_from(point).ok()? - i64::try_from(leading).ok()?;
    Some((found, power.checked_add(exponent)?))
}

/// A few digits. More than any double has are treated as none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Digits {
    digits: [u8; 20],
    len: usize,
    zeroes: usize,
}

impl Digits {
    fn push(&mut self, digit: u8) -> Option<()> {
        if digit == b'0' {
            self.zeroes += 1;
            return Some(());
        }
        let at = self.len + self.zeroes;
        let between = self.digits.get_mut(self.len..at)?;
        between.fill(b'0');
        *self.digits.get_mut(at)? = digit;
        self.len = at + 1;
        self.zeroes = 0;
        Some(())
    }

    /// Removes trailing zeros, which have no meaning.
    fn trim(&mut self) {
        self.zeroes = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_digit_is_lost() {
        for (text, expected) in [
            ("0", Value::Integer(0)),
            ("-7", Value::Integer(-7)),
            ("9223372036854775807", Value::Integer(i64::MAX)),
            ("-9223372036854775808", Value::Integer(i64::MIN)),
            ("9223372036854775808", Value::String(b"9223372036854775808")),
            ("123456789012345678901", Value::String(b"123456789012345678901")),
            ("-0", Value::Double(-0.0)),
            ("1.10", Value::Double(1.1)),
            ("0.5", Value::Double(0.5)),
            ("1e3", Value::Double(1000.0)),
            ("12345e7", Value::Double(12345e7)),
            ("1e400", Value::String(b"1e400")),
            ("0.001e-9223372036854775808", Value::String(b"0.001e-9223372036854775808")),
            ("100e9223372036854775807", Value::String(b"100e9223372036854775807")),
            ("0.1234567890123456789", Value::String(b"0.1234567890123456789")),
            ("3.141592653589793", Value::Double(std::f64::consts::PI)),
            ("1700000000.123456789", Value::String(b"1700000000.123456789")),
            ("100000000000000000000.0", Value::Double(1e20)),
            ("0.000", Value::Double(0.0)),
        ] {
            assert_eq!(length(text.as_bytes()), Some(text.len()), "{text}");
            assert_eq!(value(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn words_are_numbers_only_if_they_look_the_same_again() {
        for word in
            ["1.10", "12345e7", "007", "+5", "1.", ".5", "0x10", "1e5", "-", "1_000", "NaN", ""]
        {
            assert_eq!(of_word(word.as_bytes()), None, "{word}");
        }
        assert_eq!(of_word(b"1.5"), Some(Value::Double(1.5)));
        assert_eq!(of_word(b"-12"), Some(Value::Integer(-12)));
        assert_eq!(of_word(b"99999999999999999999"), None);
    }

    proptest! {
        #[test]
        fn doubles_are_read_as_the_standard_library_reads_them(text in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?") {
            match value(text.as_bytes()) {
                Value::Double(number) => {
                    prop_assert_eq!(number.to_bits(), text.parse::<f64>().unwrap().to_bits());
                }
                Value::Integer(number) => prop_assert_eq!(number.to_string(), text),
                other => prop_assert_eq!(other, Value::String(text.as_bytes())),
            }
        }

        #[test]
        fn what_a_double_prints_is_that_double(number in any::<f64>().prop_filter("", |n| n.is_finite())) {
            let text = format!("{number:e}");
            prop_assert_eq!(value(text.as_bytes()), Value::Double(number));
        }
    }
}
