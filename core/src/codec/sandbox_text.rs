// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages as `lua_sandbox`'s `lsb_heka_cat -t` prints them.
//!
//! The output is the same byte for byte, including its oddities: times have a resolution of 256 ns
//! (they pass through a double), and strings end at their first NUL.

use std::io::Write as _;

use super::number::{put_c17, put_integer};
use super::text::put_uuid;
use super::time::put_rfc3339;
use crate::wire::{FieldView, MessageView, Value, ValueType};

/// Appends one message, followed by an empty line.
pub fn put(out: &mut Vec<u8>, message: &MessageView<'_>) {
    out.extend_from_slice(b":Uuid: ");
    put_uuid(out, message.uuid);
    out.extend_from_slice(b"\n:Timestamp: ");
    put_time(out, message.timestamp.unwrap_or(0));
    put_text(out, b"\n:Type: ", message.type_);
    put_text(out, b"\n:Logger: ", message.logger);
    out.extend_from_slice(b"\n:Severity: ");
    put_integer(out, i64::from(message.severity()));
    put_text(out, b"\n:Payload: ", message.payload);
    put_text(out, b"\n:EnvVersion: ", message.env_version);
    out.extend_from_slice(b"\n:Pid: ");
    match message.pid {
        // This number means "no pid" in `lsb_heka_cat`.
        None | Some(i32::MIN) => out.extend_from_slice(b"<nil>"),
        Some(pid) => put_integer(out, i64::from(pid)),
    }
    put_text(out, b"\n:Hostname: ", message.hostname);
    out.extend_from_slice(b"\n:Fields:\n");
    for field in message.fields() {
        put_field(out, &field);
    }
    out.push(b'\n');
}

/// Appends a time as a C program prints it that keeps nanoseconds in a double.
#[expect(clippy::cast_possible_truncation, reason = "rounding is the point")]
fn put_time(out: &mut Vec<u8>, nanoseconds: i64) {
    let double = nanoseconds as f64;
    let second = (double / 1e9).floor();
    let fraction = double - second * 1e9;
    put_rfc3339(out, second as i128 * 1_000_000_000 + fraction as i128);
}

fn put_text(out: &mut Vec<u8>, label: &[u8], value: Option<&[u8]>) {
    out.extend_from_slice(label);
    match value {
        None => out.extend_from_slice(b"<nil>"),
        Some(text) => put_c_string(out, text),
    }
}

fn put_c_string(out: &mut Vec<u8>, text: &[u8]) {
    let end = memchr::memchr(0, text).unwrap_or(text.len());
    out.extend_from_slice(&text[..end]);
}

fn put_field(out: &mut Vec<u8>, field: &FieldView<'_>) {
    put_text(out, b"    | name: ", Some(field.name.unwrap_or_default()));
    out.extend_from_slice(b" type: ");
    put_integer(out, i64::from(field.value_type.unwrap_or(0)));
    put_text(out, b" representation: ", field.representation);
    out.extend_from_slice(b" value: ");
    match field.value_type() {
        Some(ValueType::String) => put_joined(out, field.texts(), put_c_string),
        Some(ValueType::Bytes) => put_joined(out, field.texts(), put_bytes),
        _ => put_joined(out, field.values(), put_value),
    }
    out.push(b'\n');
}

fn put_joined<T>(
    out: &mut Vec<u8>,
    values: impl Iterator<Item = T>,
    put: impl Fn(&mut Vec<u8>, T),
) {
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.push(b'|');
        }
        put(out, value);
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    for &byte in bytes {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b' '..=b'~' => out.push(byte),
            // Writing to a Vec cannot fail.
            _ => drop(write!(out, "\\x{byte:02x}")),
        }
    }
}

fn put_value(out: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::String(bytes) | Value::Bytes(bytes) => put_bytes(out, bytes),
        Value::Integer(integer) => put_integer(out, integer),
        Value::Double(double) => put_c17(out, double),
        Value::Bool(truth) => out.extend_from_slice(if truth { b"true" } else { b"false" }),
    }
}
