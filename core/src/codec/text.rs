// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages as heka-cat's blocks of text (`-format txt`).
//!
//! Header values are written unchanged, with defaults for absent ones; fields are in protobuf's
//! text format. The output is not for programs: a payload with line ends looks like further lines.

use super::number::{put_go, put_integer};
use super::time::{self, Zone};
use crate::wire::{FieldView, MessageView, Value, ValueType};

/// Appends one message, followed by an empty line.
pub fn put(out: &mut Vec<u8>, message: &MessageView<'_>, zone: &Zone) {
    out.extend_from_slice(b"Timestamp: ");
    time::put_go(out, message.timestamp.unwrap_or(0), zone);
    put_line(out, b"\nType: ", message.type_);
    put_line(out, b"\nHostname: ", message.hostname);
    put_line(out, b"\nPid: ", None);
    put_integer(out, i64::from(message.pid.unwrap_or(0)));
    put_line(out, b"\nUUID: ", None);
    put_uuid(out, message.uuid);
    put_line(out, b"\nLogger: ", message.logger);
    put_line(out, b"\nPayload: ", message.payload);
    put_line(out, b"\nEnvVersion: ", message.env_version);
    put_line(out, b"\nSeverity: ", None);
    put_integer(out, i64::from(message.severity()));
    out.extend_from_slice(b"\nFields: [");
    for (index, field) in message.fields().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        put_field(out, &field);
    }
    out.extend_from_slice(b"]\n\n");
}

fn put_line(out: &mut Vec<u8>, label: &[u8], value: Option<&[u8]>) {
    out.extend_from_slice(label);
    out.extend_from_slice(value.unwrap_or_default());
}

/// Appends a Uuid of 16 bytes with dashes; nothing for any other length.
pub(super) fn put_uuid(out: &mut Vec<u8>, uuid: Option<&[u8]>) {
    if let Some(Ok(bytes)) = uuid.map(<&[u8; 16]>::try_from) {
        put_uuid_bytes(out, bytes);
    }
}

/// Appends 16 bytes as `01234567-89ab-cdef-0123-456789abcdef`.
pub(super) fn put_uuid_bytes(out: &mut Vec<u8>, bytes: &[u8; 16]) {
    let mut text = [0; 36];
    uuid::Uuid::from_bytes(*bytes).hyphenated().encode_lower(&mut text);
    out.extend_from_slice(&text);
}

fn put_field(out: &mut Vec<u8>, field: &FieldView<'_>) {
    if let Some(name) = field.name {
        put_quoted(out, b"name:", name);
    }
    if let Some(number) = field.value_type {
        out.extend_from_slice(b"value_type:");
        match type_name(number) {
            Some(name) => out.extend_from_slice(name.as_bytes()),
            None => put_integer(out, i64::from(number)),
        }
        out.push(b' ');
    }
    if let Some(representation) = field.representation {
        put_quoted(out, b"representation:", representation);
    }
    for value_type in ValueType::ALL {
        for value in field.values_of(value_type) {
            put_value(out, value);
        }
    }
}

/// Returns protobuf's name for a value type.
fn type_name(number: i32) -> Option<&'static str> {
    ValueType::try_from(number).ok().map(ValueType::name)
}

fn put_value(out: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::String(text) => return put_quoted(out, b"value_string:", text),
        Value::Bytes(bytes) => return put_quoted(out, b"value_bytes:", bytes),
        Value::Integer(integer) => {
            out.extend_from_slice(b"value_integer:");
            put_integer(out, integer);
        }
        Value::Double(double) => {
            out.extend_from_slice(b"value_double:");
            put_go(out, double, "nan", "inf");
        }
        Value::Bool(truth) => {
            out.extend_from_slice(if truth { b"value_bool:true" } else { b"value_bool:false" });
        }
    }
    out.push(b' ');
}

/// Appends `LABEL"TEXT" ` with all characters but printable ASCII escaped.
fn put_quoted(out: &mut Vec<u8>, label: &[u8], text: &[u8]) {
    out.extend_from_slice(label);
    out.push(b'"');
    for &byte in text {
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b' '..=b'~' => out.push(byte),
            _ => {
                let octal = |shift: u8| b'0' + (byte >> shift & 7);
                out.extend_from_slice(&[b'\\', octal(6), octal(3), octal(0)]);
            }
        }
    }
    out.extend_from_slice(b"\" ");
}
