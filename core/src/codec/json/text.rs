// SPDX-License-Identifier: MIT OR Apache-2.0
//! JSON's scalars: strings from bytes, and doubles.

use std::io::Write as _;

use data_encoding::BASE64;

/// What a byte needs inside a JSON string: nothing, or an escape.
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

/// Appends `"TEXT"`, with U+FFFD for what is not UTF-8; tells whether all of it was.
pub fn put_string(out: &mut Vec<u8>, text: &[u8]) -> bool {
    out.push(b'"');
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

/// The first byte that needs an escape: blocks are looked at as a whole, which the compiler makes
/// a few instructions of.
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

/// Appends `"BASE64"`.
pub(super) fn put_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + BASE64.encode_len(bytes.len()), 0);
    BASE64.encode_mut(bytes, &mut out[start..]);
    out.push(b'"');
}

/// Appends a double with the fewest digits that give it back, or a string if it is not finite.
pub(super) fn put_double(out: &mut Vec<u8>, value: f64) {
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
