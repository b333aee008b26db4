// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages as Heka's `RstEncoder` writes them: a reStructuredText field list.

use super::number::{put_base64, put_go, put_integer};
use super::text::put_uuid;
use super::time::{self, Zone};
use crate::wire::{FieldView, MessageView, Value};

/// Appends one message, with an empty line before and after it.
pub fn put(out: &mut Vec<u8>, message: &MessageView<'_>) {
    out.extend_from_slice(b"\n:Timestamp: ");
    time::put_go(out, message.timestamp.unwrap_or(0), &Zone::utc());
    put_line(out, b"\n:Type: ", message.type_);
    put_line(out, b"\n:Hostname: ", message.hostname);
    out.extend_from_slice(b"\n:Pid: ");
    put_integer(out, i64::from(message.pid.unwrap_or(0)));
    out.extend_from_slice(b"\n:Uuid: ");
    put_uuid(out, message.uuid);
    put_line(out, b"\n:Logger: ", message.logger);
    put_line(out, b"\n:Payload: ", message.payload);
    put_line(out, b"\n:EnvVersion: ", message.env_version);
    out.extend_from_slice(b"\n:Severity: ");
    put_integer(out, i64::from(message.severity()));
    out.push(b'\n');
    let mut fields = message.fields().peekable();
    if fields.peek().is_some() {
        out.extend_from_slice(b":Fields:\n");
    }
    for field in fields {
        put_field(out, &field);
    }
    out.push(b'\n');
}

fn put_line(out: &mut Vec<u8>, label: &[u8], value: Option<&[u8]>) {
    out.extend_from_slice(label);
    out.extend_from_slice(value.unwrap_or_default());
}

fn put_field(out: &mut Vec<u8>, field: &FieldView<'_>) {
    put_line(out, b"    | name:\"", field.name);
    out.extend_from_slice(b"\" type:");
    match field.value_type() {
        Some(value_type) => {
            out.extend(value_type.name().bytes().map(|byte| byte.to_ascii_lowercase()));
        }
        None => put_integer(out, i64::from(field.value_type.unwrap_or(0))),
    }
    out.extend_from_slice(b" value:");
    let brackets = field.values().count() != 1;
    if brackets {
        out.push(b'[');
    }
    for (index, value) in field.values().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        put_value(out, value);
    }
    if brackets {
        out.push(b']');
    }
    if let Some(representation) = field.representation.filter(|text| !text.is_empty()) {
        put_line(out, b" representation:\"", Some(representation));
        out.push(b'"');
    }
    out.push(b'\n');
}

fn put_value(out: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::String(text) => {
            put_line(out, b"\"", Some(text));
            out.push(b'"');
        }
        Value::Bytes(bytes) => put_base64(out, bytes),
        Value::Integer(integer) => put_integer(out, integer),
        Value::Double(double) => put_go(out, double, "NaN", "+Inf"),
        Value::Bool(truth) => out.extend_from_slice(if truth { b"true" } else { b"false" }),
    }
}
