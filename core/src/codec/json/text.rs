// SPDX-License-Identifier: MIT OR Apache-2.0
//! JSON's scalars: strings from bytes, and doubles.

use std::io::Write as _;

use crate::codec::number;

/// Whether a byte needs no escape inside a JSON string.
const PLAIN: [bool; 256] = {
    let mut plain = [true; 256];
    let mut byte = 0;
    while byte < 0x20 {
        plain[byte] = false;
        byte += 1;
    }
    plain[b'"' as usize] = false;
    plain[b'\\' as usize] = false;
    plain[0x7f] = false;
    plain
};

/// Appends `"TEXT"`, with U+FFFD for invalid UTF-8; returns whether the text was UTF-8.
#[inline]
pub fn put_string(out: &mut Vec<u8>, text: &[u8]) -> bool {
    out.push(b'"');
    if is_plain(text) {
        out.extend_from_slice(text);
        out.push(b'"');
        return true;
    }
    put_rest_of_string(out, text)
}

/// Whether a JSON string shows this text unchanged: ASCII without characters that need an escape.
/// Whole blocks are tested, which the compiler turns into a few instructions.
#[inline]
pub(super) fn is_plain(text: &[u8]) -> bool {
    let is_plain = |block: &[u8]| {
        block.iter().fold(true, |plain, &byte| {
            plain & (0x20..0x7f).contains(&byte) & (byte != b'"') & (byte != b'\\')
        })
    };
    let (blocks, rest) = text.as_chunks::<16>();
    if !blocks.iter().all(|block| is_plain(block)) {
        return false;
    }
    match (text.last_chunk::<16>(), rest.last_chunk::<8>()) {
        // The last block overlaps bytes that were tested before.
        (Some(last), _) => rest.is_empty() || is_plain(last),
        (None, Some(last)) => {
            is_plain(last) && rest.first_chunk::<8>().is_none_or(|first| is_plain(first))
        }
        (None, None) => is_plain(rest),
    }
}

#[inline(never)]
fn put_rest_of_string(out: &mut Vec<u8>, text: &[u8]) -> bool {
    let is_utf8 = match std::str::from_utf8(text) {
        Ok(_) => {
            put_escaped(out, text);
            true
        }
        Err(_) => {
            for chunk in text.utf8_chunks() {
                put_escaped(out, chunk.valid().as_bytes());
                if !chunk.invalid().is_empty() {
                    out.extend_from_slice("\u{fffd}".as_bytes());
                }
            }
            false
        }
    };
    out.push(b'"');
    is_utf8
}

fn put_escaped(out: &mut Vec<u8>, mut text: &[u8]) {
    while let Some(at) = find_escaped(text) {
        out.extend_from_slice(&text[..at]);
        match text[at] {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte => {
                let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
            }
        }
        text = &text[at + 1..];
    }
    out.extend_from_slice(text);
}

/// Finds the first byte that needs an escape. Whole blocks are tested, which the compiler turns
/// into a few instructions.
fn find_escaped(text: &[u8]) -> Option<usize> {
    let (blocks, rest) = text.as_chunks::<32>();
    for (index, block) in blocks.iter().enumerate() {
        let needed = block.iter().fold(false, |needed, &byte| {
            needed | (byte < 0x20) | (byte == b'"') | (byte == b'\\') | (byte == 0x7f)
        });
        if needed {
            let at = block.iter().position(|&byte| !PLAIN[usize::from(byte)])?;
            return Some(index * 32 + at);
        }
    }
    let at = rest.iter().position(|&byte| !PLAIN[usize::from(byte)])?;
    Some(text.len() - rest.len() + at)
}

/// Returns the nine digits of a number below a billion.
pub(super) fn digits_9(number: u64) -> [u8; 9] {
    let mut digits = [b'0'; 9];
    let mut rest = u32::try_from(number).unwrap_or(0);
    for pair in digits.rchunks_exact_mut(2) {
        let two = rest % 100;
        rest /= 100;
        pair.copy_from_slice(&[b'0' + (two / 10) as u8, b'0' + (two % 10) as u8]);
    }
    digits[0] = b'0' + (rest % 10) as u8;
    digits
}

/// Appends a double with at most three decimals, which is the usual case; otherwise returns
/// `false`. These are the fewest digits that yield the value again.
#[expect(clippy::cast_possible_truncation, reason = "compared with what it was")]
fn put_thousandths(out: &mut Vec<u8>, value: f64) -> bool {
    const LIMIT: f64 = 1e9;
    let thousandths = (value * 1000.0).round();
    // Not a NaN, and not 0, which has a sign.
    let is_near = value != 0.0 && value.abs() < LIMIT;
    if !is_near || thousandths / 1000.0 != value {
        return false;
    }
    let thousandths = thousandths as i64;
    if thousandths < 0 {
        out.push(b'-');
    }
    let thousandths = thousandths.unsigned_abs();
    out.extend_from_slice(itoa::Buffer::new().format(thousandths / 1000).as_bytes());
    let rest = thousandths % 1000;
    let digit = |number: u64| b'0' + (number % 10) as u8;
    let digits = [b'.', digit(rest / 100), digit(rest / 10), digit(rest)];
    let len = match (rest % 10, rest % 100) {
        (_, 0) => 2,
        (0, _) => 3,
        _ => 4,
    };
    out.extend_from_slice(digits.get(..len).unwrap_or(&digits));
    true
}

/// Appends `"BASE64"`.
pub(super) fn put_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    number::put_base64(out, bytes);
    out.push(b'"');
}

/// Appends a double with the fewest digits that yield it again, or a string if it is not finite.
pub(super) fn put_double(out: &mut Vec<u8>, value: f64) {
    if put_thousandths(out, value) {
        return;
    }
    if value.is_nan() && value.to_bits() != f64::NAN.to_bits() {
        // Writing to a Vec cannot fail, here and below.
        let _ = write!(out, "\"NaN({:#018x})\"", value.to_bits());
    } else if value.is_nan() {
        out.extend_from_slice(b"\"NaN\"");
    } else if value.is_infinite() {
        let word: &[u8] = if value > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" };
        out.extend_from_slice(word);
    } else {
        let _ = write!(out, "{value:?}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    fn double(value: f64) -> String {
        let mut out = Vec::new();
        put_double(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn doubles_of_few_decimals_are_as_all_others() {
        for value in [0.25, -0.25, 404.0, 0.001, 12.34, 0.1, 999_999_999.999, -1.0, 0.0, -0.0] {
            assert_eq!(double(value), format!("{value:?}"));
        }
    }

    proptest! {
        #[test]
        fn doubles_have_the_fewest_digits(number in any::<i64>(), shift in 0..64u32, by in 0..6usize) {
            let by = [1.0, 10.0, 100.0, 1000.0, 3.0, 1e4][by];
            let value = (number >> shift) as f64 / by;
            prop_assert_eq!(double(value), format!("{value:?}"));
        }
    }
}
