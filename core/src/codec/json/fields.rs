// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fields of a message in JSON: an object where that says it all, else an array.

use super::text::{put_base64, put_double, put_string};
use super::write::{put_name, put_text};
use crate::codec::number::put_integer;
use crate::wire::{FieldView, MessageView, Value, ValueType};

/// With more fields than this the array is written without looking whether names repeat: that
/// would take time in proportion to the square of their number.
const MOST_NAMED: usize = 256;

/// Appends the members `Fields` and `FieldInfo`, each with a comma behind it.
pub(super) fn put(out: &mut Vec<u8>, message: &MessageView<'_>) {
    if message.fields().next().is_none() {
        return;
    }
    out.extend_from_slice(b"\"Fields\":");
    if is_simple(message) {
        out.push(b'{');
        for field in message.fields() {
            put_string(out, field.name.unwrap_or_default());
            out.push(b':');
            put_values(out, &field);
            out.push(b',');
        }
        close(out, b'}');
        put_info(out, message);
    } else {
        out.push(b'[');
        for field in message.fields() {
            put_whole(out, &field);
            out.push(b',');
        }
        close(out, b']');
    }
}

/// Replaces the comma behind the last member.
fn close(out: &mut Vec<u8>, bracket: u8) {
    out.pop();
    out.extend_from_slice(&[bracket, b',']);
}

fn is_simple(message: &MessageView<'_>) -> bool {
    message.fields().enumerate().all(|(index, field)| {
        let unique = || message.fields().take(index).all(|before| before.name != field.name);
        index < MOST_NAMED && is_simple_field(&field) && unique()
    })
}

fn is_simple_field(field: &FieldView<'_>) -> bool {
    let is_text = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
    let Some(value_type) = field.value_type() else { return false };
    field.name.is_some_and(is_text)
        && field.representation.is_none_or(is_text)
        && ValueType::ALL
            .into_iter()
            .all(|other| other == value_type || !field.has_values_of(other))
        && (value_type != ValueType::String
            || field.values().all(|value| matches!(value, Value::String(text) if is_text(text))))
}

fn put_values(out: &mut Vec<u8>, field: &FieldView<'_>) {
    let mut values = field.values();
    if let (Some(value), None) = (values.next(), values.next()) {
        put_value(out, value);
    } else {
        put_array(out, field.values());
    }
}

fn put_array<'a>(out: &mut Vec<u8>, values: impl Iterator<Item = Value<'a>>) {
    out.push(b'[');
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        put_value(out, value);
    }
    out.push(b']');
}

fn put_value(out: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::String(text) => {
            put_string(out, text);
        }
        Value::Bytes(bytes) => put_base64(out, bytes),
        Value::Integer(integer) => put_integer(out, integer),
        Value::Double(double) => put_double(out, double),
        Value::Bool(truth) => out.extend_from_slice(if truth { b"true" } else { b"false" }),
    }
}

/// Appends what the values do not tell: `"FieldInfo":{"NAME":{…}},` if there is anything.
fn put_info(out: &mut Vec<u8>, message: &MessageView<'_>) {
    let start = out.len();
    out.extend_from_slice(b"\"FieldInfo\":{");
    let empty = out.len();
    for field in message.fields() {
        let before = out.len();
        put_string(out, field.name.unwrap_or_default());
        out.extend_from_slice(b":{");
        let nothing = out.len();
        put_type(out, &field);
        match field.representation {
            None => out.extend_from_slice(b"\"representation\":null,"),
            Some(b"") => {}
            text => put_text(out, "representation", text),
        }
        if out.len() == nothing {
            out.truncate(before);
        } else {
            close(out, b'}');
        }
    }
    if out.len() == empty {
        out.truncate(start);
    } else {
        close(out, b'}');
    }
}

/// The type, where the values' JSON types do not give it back.
fn put_type(out: &mut Vec<u8>, field: &FieldView<'_>) {
    let name: &[u8] = match field.value_type() {
        // A default that is not written out.
        _ if field.value_type.is_none() => b"null",
        Some(ValueType::Bytes) => b"\"bytes\"",
        Some(ValueType::Double) => b"\"double\"",
        Some(ValueType::Integer) if field.values().next().is_none() => b"\"integer\"",
        Some(ValueType::Bool) if field.values().next().is_none() => b"\"bool\"",
        _ => return,
    };
    out.extend_from_slice(b"\"type\":");
    out.extend_from_slice(name);
    out.push(b',');
}

/// Appends a field member by member, as in the schema.
fn put_whole(out: &mut Vec<u8>, field: &FieldView<'_>) {
    out.push(b'{');
    put_text(out, "name", field.name);
    if let Some(number) = field.value_type {
        put_name(out, "value_type", b"\":");
        put_integer(out, i64::from(number));
        out.push(b',');
    }
    put_text(out, "representation", field.representation);
    for value_type in ValueType::ALL {
        put_list(out, field, value_type);
    }
    if out.last() == Some(&b',') {
        out.pop();
    }
    out.push(b'}');
}

fn put_list(out: &mut Vec<u8>, field: &FieldView<'_>, value_type: ValueType) {
    if !field.has_values_of(value_type) {
        return;
    }
    let name = match value_type {
        ValueType::String => "value_string",
        ValueType::Bytes => "value_bytes",
        ValueType::Integer => "value_integer",
        ValueType::Double => "value_double",
        ValueType::Bool => "value_bool",
    };
    put_name(out, name, b"\":");
    put_array(out, field.values_of(value_type));
    out.push(b',');
    let is_text =
        |value| !matches!(value, Value::String(text) if std::str::from_utf8(text).is_err());
    if !field.values_of(value_type).all(is_text) {
        put_name(out, name, b"_base64\":");
        let bytes = field.values_of(value_type).map(|value| match value {
            Value::String(text) => Value::Bytes(text),
            other => other,
        });
        put_array(out, bytes);
        out.push(b',');
    }
}
