// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines of logfmt: `level=warn msg="took too long" took=1.5 retry`.
//!
//! A value is bare; in double quotes with the escapes `\"`, `\\`, `\n`, `\r` and `\t`; or in single
//! quotes or backticks without escapes. A key without a value is true.

use super::cause::Cause;
use super::map::{Map, Rooms};
use super::readers::{Readers, Target};
use crate::wire::Value;

/// Reads a line.
pub(super) fn read(
    map: &Map,
    record: &[u8],
    readers: &Readers,
    rooms: &mut Rooms,
    target: &mut Target,
) -> Result<(), Cause> {
    let mut rest = record.trim_ascii_start();
    let mut has_pairs = false;
    while !rest.is_empty() {
        let column = record.len() - rest.len() + 1;
        let is_end = |byte: &u8| *byte == b'=' || *byte == b'"' || byte.is_ascii_whitespace();
        let end = rest.iter().position(is_end).unwrap_or(rest.len());
        let (key, behind) = rest.split_at(end);
        if key.is_empty() || behind.first() == Some(&b'"') {
            return Err(Cause::at(column, "expected KEY=VALUE"));
        }
        rest = match behind.strip_prefix(b"=") {
            None => {
                put_truth(map, key, readers, target)?;
                behind
            }
            Some(behind) => {
                has_pairs = true;
                let (value, is_quoted, behind) = value(behind, &mut rooms.text)
                    .ok_or_else(|| Cause::at(column, "no closing quote"))?;
                match map.header_of(key, target) {
                    Some(header) => readers.set(target, header, key, value)?,
                    None if is_quoted => readers.put(target, key, value)?,
                    None => readers.put_word(target, key, value)?,
                }
                behind
            }
        };
        rest = rest.trim_ascii_start();
    }
    if has_pairs { Ok(()) } else { Err(Cause::new("no KEY=VALUE")) }
}

fn put_truth(map: &Map, key: &[u8], readers: &Readers, target: &mut Target) -> Result<(), Cause> {
    match map.header_of(key, target) {
        Some(header) => readers.set(target, header, key, b"true")?,
        None => target.draft.put_field(key, b"", Value::Bool(true))?,
    }
    Ok(())
}

/// Returns the value at the front, whether it was quoted, and the rest.
#[inline]
fn value<'a: 'b, 'b>(text: &'a [u8], room: &'b mut Vec<u8>) -> Option<(&'b [u8], bool, &'a [u8])> {
    match text.first() {
        Some(b'"') => {
            let (value, rest) = quoted(text.get(1..)?, room)?;
            Some((value, true, rest))
        }
        Some(quote @ (b'\'' | b'`')) => match plainly_quoted(text, *quote) {
            Some((value, rest)) => Some((value, true, rest)),
            // The quote is part of the word.
            None => Some(bare(text)),
        },
        _ => Some(bare(text)),
    }
}

fn bare(text: &[u8]) -> (&[u8], bool, &[u8]) {
    let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    let (value, rest) = text.split_at(end);
    (value, false, rest)
}

/// Returns a quoted value without escapes that is followed by another pair or the end.
fn plainly_quoted(text: &[u8], quote: u8) -> Option<(&[u8], &[u8])> {
    let inside = text.get(1..)?;
    let end = memchr::memchr(quote, inside)?;
    let rest = inside.get(end + 1..)?;
    let is_end = rest.first().is_none_or(u8::is_ascii_whitespace);
    is_end.then(|| (inside.get(..end).unwrap_or_default(), rest))
}

/// Returns the text up to the closing quote, and the rest.
#[inline]
fn quoted<'a: 'b, 'b>(text: &'a [u8], room: &'b mut Vec<u8>) -> Option<(&'b [u8], &'a [u8])> {
    let first = memchr::memchr2(b'"', b'\\', text)?;
    if text.get(first) == Some(&b'"') {
        return Some((text.get(..first)?, text.get(first + 1..)?));
    }
    room.clear();
    let mut rest = text;
    loop {
        let at = memchr::memchr2(b'"', b'\\', rest)?;
        room.extend_from_slice(rest.get(..at)?);
        if rest.get(at) == Some(&b'"') {
            return Some((room, rest.get(at + 1..)?));
        }
        match rest.get(at + 1)? {
            b'n' => room.push(b'\n'),
            b'r' => room.push(b'\r'),
            b't' => room.push(b'\t'),
            escaped @ (b'"' | b'\\') => room.push(*escaped),
            other => room.extend_from_slice(&[b'\\', *other]),
        }
        rest = rest.get(at + 2..)?;
    }
}
