// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages as logfmt, one per line: `time=… host=web01 … msg="GET /x" status=404`.

use std::io::Write as _;

use super::FieldList;
use super::number::{put_base64, put_go, put_integer};
use super::severity::long_name;
use super::template::chomped;
use super::time::put_rfc3339;
use crate::wire::{FieldView, MessageView, Value};

/// Appends one message and a line end. `fields` selects the fields.
pub fn put(out: &mut Vec<u8>, message: &MessageView<'_>, fields: &FieldList) {
    let start = out.len();
    let mut put = |name: &[u8], value: &mut dyn FnMut(&mut Vec<u8>)| {
        put_name(out, name);
        out.push(b'=');
        value(out);
        out.push(b' ');
    };
    if let Some(time) = message.timestamp {
        put(b"time", &mut |out| put_rfc3339(out, time));
    }
    if let Some(severity) = message.severity {
        put(b"level", &mut |out| match long_name(severity) {
            Some(name) => out.extend_from_slice(name.as_bytes()),
            None => put_integer(out, i64::from(severity)),
        });
    }
    let texts: [(&[u8], _); 4] = [
        (b"host", message.hostname),
        (b"type", message.type_),
        (b"logger", message.logger),
        (b"msg", message.payload.map(chomped)),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            put(name, &mut |out| put_text(out, text));
        }
    }
    if let Some(pid) = message.pid {
        put(b"pid", &mut |out| put_integer(out, i64::from(pid)));
    }
    fields.each(message, |field| {
        put(field.name.unwrap_or_default(), &mut |out| put_values(out, field));
    });
    if out.len() > start {
        out.pop();
    }
    out.push(b'\n');
}

/// Appends a name; characters that would end it are replaced by underscores.
pub(super) fn put_name(out: &mut Vec<u8>, name: &[u8]) {
    let is_plain = |byte: u8| byte > b' ' && byte != 0x7f && !b"=\"".contains(&byte);
    out.extend(name.iter().map(|&byte| if is_plain(byte) { byte } else { b'_' }));
    if name.is_empty() {
        out.push(b'_');
    }
}

/// Appends the values of a field, separated by commas.
pub(super) fn put_values(out: &mut Vec<u8>, field: &FieldView<'_>) {
    let mut values = field.values();
    match (values.next(), values.next()) {
        (None, _) => {}
        (Some(Value::String(text)), None) => put_text(out, text),
        _ => put_list(out, field.values()),
    }
}

/// Appends values separated by commas, in quotes if they would otherwise not be one word.
fn put_list<'a>(out: &mut Vec<u8>, values: impl Iterator<Item = Value<'a>>) {
    let start = out.len();
    let mut is_utf8 = true;
    out.push(b'"');
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match value {
            Value::String(text) => is_utf8 &= put_escaped(out, text),
            value => put_plain(out, value),
        }
    }
    if is_utf8 && is_word(out.get(start + 1..).unwrap_or_default()) {
        out.remove(start);
    } else {
        out.push(b'"');
    }
}

/// Appends a value without quotes.
pub(super) fn put_plain(out: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::String(text) => out.extend_from_slice(text),
        Value::Bytes(bytes) => put_base64(out, bytes),
        Value::Integer(integer) => put_integer(out, integer),
        Value::Double(double) => put_go(out, double, "NaN", "+Inf"),
        Value::Bool(truth) => out.extend_from_slice(if truth { b"true" } else { b"false" }),
    }
}

/// Appends a text, in quotes if it would otherwise not be one word.
pub(super) fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    if is_word(text) && std::str::from_utf8(text).is_ok() {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    put_escaped(out, text);
    out.push(b'"');
}

fn is_word(text: &[u8]) -> bool {
    let is_plain = |&byte: &u8| byte > b' ' && byte != 0x7f && !b"=\"\\".contains(&byte);
    !text.is_empty() && text.iter().all(is_plain)
}

/// Appends the content of a quoted string; returns whether it was UTF-8.
fn put_escaped(out: &mut Vec<u8>, text: &[u8]) -> bool {
    let mut is_utf8 = true;
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => out.extend_from_slice(&[b'\\', c as u8]),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                // Writing to a Vec cannot fail, here and below.
                _ if c.is_control() => drop(write!(out, "\\u{:04x}", u32::from(c))),
                _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
            is_utf8 = false;
        }
    }
    is_utf8
}
