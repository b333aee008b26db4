// SPDX-License-Identifier: MIT OR Apache-2.0
//! Integers, and doubles as other programs print them.

use std::fmt::Arguments;
use std::io::Write as _;

use data_encoding::BASE64;

/// Appends an integer in decimal.
pub(super) fn put_integer(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends bytes as base64.
pub(super) fn put_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + BASE64.encode_len(bytes.len()), 0);
    BASE64.encode_mut(bytes, &mut out[start..]);
}

/// Appends the shortest digits that yield `value` again, formatted like Go's `%g`: with an exponent
/// if it is below -4 or at least 6. `nan` and `plus_infinity` are the words for these values.
pub fn put_go(out: &mut Vec<u8>, value: f64, nan: &str, plus_infinity: &str) {
    if value.is_nan() {
        out.extend_from_slice(nan.as_bytes());
    } else if value.is_infinite() {
        if value < 0.0 {
            out.extend_from_slice(b"-");
            out.extend_from_slice(plus_infinity.trim_start_matches('+').as_bytes());
        } else {
            out.extend_from_slice(plus_infinity.as_bytes());
        }
    } else {
        put_general(out, format_args!("{value:e}"), 6);
    }
}

/// Appends `value` as C's `printf("%.17g")` does.
pub fn put_c17(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(b"nan");
    } else if value.is_infinite() {
        out.extend_from_slice(if value < 0.0 { b"-inf" } else { b"inf" });
    } else {
        put_general(out, format_args!("{value:.16e}"), 17);
    }
}

/// Longest double in exponential form.
const LONGEST: usize = 32;

/// Appends a number given as `-1.25e3`, without trailing zeros in its fraction; with an exponent of
/// at least two digits if it is below -4 or at least `from`.
fn put_general(out: &mut Vec<u8>, number: Arguments<'_>, from: i32) {
    let (mut room, mut digits) = ([0; LONGEST], [0; LONGEST]);
    let mut rest = room.as_mut_slice();
    // The buffer is large enough.
    let _ = rest.write_fmt(number);
    let free = rest.len();
    let scientific = std::str::from_utf8(&room[..LONGEST - free]).unwrap_or_default();
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    out.extend_from_slice(sign.as_bytes());
    let mut kept = 1;
    let written = mantissa.bytes().filter(u8::is_ascii_digit);
    for ((index, place), digit) in digits.iter_mut().enumerate().zip(written) {
        *place = digit;
        kept = if digit == b'0' { kept } else { index + 1 };
    }
    let digits = &digits[..kept];
    if (-4..from).contains(&exponent) {
        put_fixed(out, digits, exponent);
        return;
    }
    let (first, fraction) = digits.split_at(1);
    out.extend_from_slice(first);
    if !fraction.is_empty() {
        out.push(b'.');
        out.extend_from_slice(fraction);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    // Writing to a Vec cannot fail.
    let _ = write!(out, "e{sign}{:02}", exponent.unsigned_abs());
}

fn put_fixed(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    let Ok(whole) = usize::try_from(exponent + 1) else {
        out.extend_from_slice(b"0.");
        out.extend((exponent + 1..0).map(|_| b'0'));
        out.extend_from_slice(digits);
        return;
    };
    match digits.split_at_checked(whole) {
        None => {
            out.extend_from_slice(digits);
            out.extend((digits.len()..whole).map(|_| b'0'));
        }
        Some((integer, fraction)) => {
            out.extend_from_slice(if integer.is_empty() { b"0" } else { integer });
            if !fraction.is_empty() {
                out.push(b'.');
                out.extend_from_slice(fraction);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go(value: f64) -> String {
        let mut out = Vec::new();
        put_go(&mut out, value, "NaN", "+Inf");
        String::from_utf8(out).unwrap()
    }

    fn c17(value: f64) -> String {
        let mut out = Vec::new();
        put_c17(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn doubles_look_as_go_prints_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (99.9, "99.9"),
            (-2.5, "-2.5"),
            (0.1, "0.1"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (100_000.0, "100000"),
            (1e6, "1e+06"),
            (123_456_789.0, "1.23456789e+08"),
            (5e-324, "5e-324"),
            (1e308, "1e+308"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(go(value), text);
        }
    }

    #[test]
    fn doubles_look_as_c_prints_them() {
        for (value, text) in [
            (99.9, "99.900000000000006"),
            (0.1, "0.10000000000000001"),
            (1e308, "1e+308"),
            (5e-324, "4.9406564584124654e-324"),
            (-0.0, "-0"),
            (1e21, "1e+21"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (123_456_789.0, "123456789"),
            (0.25, "0.25"),
            (0.00025, "0.00025000000000000001"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(c17(value), text);
        }
    }
}
