// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages as logfmt: `time=… host=web01 … msg="GET /x" status=404`, one a line.

use std::io::Write as _;

use data_encoding::BASE64;

use super::FieldList;
use super::number::{put_go, put_integer};
use super::severity::long_name;
use super::template::chomped;
use super::time::put_rfc3339;
use crate::wire::{FieldView, MessageView, Value};

/// Appends one message and a line end. `fields` chooses its fields.
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

/// Appends a name: what would end it is an underscore.
pub(super) fn put_name(out: &mut Vec<u8>, name: &[u8]) {
    let is_plain = |byte: u8| byte > b' ' && byte != 0x7f && !b"=\"".contains(&byte);
    out.extend(name.iter().map(|&byte| if is_plain(byte) { byte } else { b'_' }));
    if name.is_empty() {
        out.push(b'_');
    }
}

/// Appends the values of a field, several ones with commas between them.
pub(super) fn put_values(out: &mut Vec<u8>, field: &FieldView<'_>) {
    let mut values = field.values();
    match (values.next(), values.next()) {
        (None, _) => {}
        (Some(value), None) => put_one(out, value, &mut Vec::new()),
        _ => {
            let mut text = Vec::new();
            for (index, value) in field.values().enumerate() {
                if index > 0 {
                    text.push(b',');
                }
                put_plain(&mut text, value);
            }
            put_text(out, &text);
        }
    }
}

fn put_one(out: &mut Vec<u8>, value: Value<'_>, scratch: &mut Vec<u8>) {
    match value {
        Value::String(text) => put_text(out, text),
        Value::Bytes(_) => {
            put_plain(scratch, value);
            put_text(out, scratch);
        }
        _ => put_plain(out, value),
    }
}

/// Appends a value as it is.
pub(super) fn put_plain(out: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::String(text) => out.extend_from_slice(text),
        Value::Bytes(bytes) => out.extend_from_slice(BASE64.encode(bytes).as_bytes()),
        Value::Integer(integer) => put_integer(out, integer),
        Value::Double(double) => put_go(out, double, "NaN", "+Inf"),
        Value::Bool(truth) => out.extend_from_slice(if truth { b"true" } else { b"false" }),
    }
}

/// Appends a text, in quotes if it would not be one word without them.
pub(super) fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    let is_plain = |&byte: &u8| byte > b' ' && byte != 0x7f && !b"=\"\\".contains(&byte);
    if !text.is_empty() && text.iter().all(is_plain) && std::str::from_utf8(text).is_ok() {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
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
        }
    }
    out.push(b'"');
}
