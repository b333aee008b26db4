// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fields of a message in JSON: an object if that is lossless, otherwise an array.

use std::cmp::Ordering;

use super::text::{put_base64, put_double, put_string};
use super::write::{put_name, put_text};
use crate::codec::number::put_integer;
use crate::wire::{FieldView, MessageView, Value, ValueType};

/// With more fields, the array is written without checking whether names repeat.
pub(super) const MOST_NAMED: usize = 256;
/// Up to this number, names are compared pairwise.
const FEW: usize = 8;

/// How `Fields` is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldsAs {
    /// An object if that is lossless, otherwise an array.
    #[default]
    Auto,
    /// Always an object: the values of fields with the same name are merged.
    Object,
    /// Always an array.
    Array,
}

/// Positions of names, kept so that no message allocates.
pub(super) type Order = Vec<(usize, usize)>;

/// Appends the members `Fields` and `FieldInfo`, each followed by a comma.
pub(super) fn put(
    out: &mut Vec<u8>,
    message: &MessageView<'_>,
    fields_as: FieldsAs,
    order: &mut Order,
) {
    out.extend_from_slice(b"\"Fields\":");
    match fields_as {
        FieldsAs::Auto | FieldsAs::Object if is_simple(message, order) => {
            out.push(b'{');
            for field in message.fields() {
                put_string(out, field.name.unwrap_or_default());
                out.push(b':');
                put_values(out, &field);
                out.push(b',');
            }
            close(out, b'}');
            put_info(out, message);
        }
        FieldsAs::Object => put_joined(out, message),
        FieldsAs::Auto | FieldsAs::Array => {
            out.push(b'[');
            for field in message.fields() {
                put_whole(out, &field);
                out.push(b',');
            }
            close(out, b']');
        }
    }
}

/// Appends an object with all names, each with the values of all fields of that name.
fn put_joined(out: &mut Vec<u8>, message: &MessageView<'_>) {
    let fields: Vec<_> = message.fields().collect();
    let name = |index: &usize| fields.get(*index).and_then(|field| field.name).unwrap_or_default();
    let mut order: Vec<usize> = (0..fields.len()).collect();
    order.sort_by_key(|index| name(index));
    let mut groups: Vec<&[usize]> = order.chunk_by(|one, next| name(one) == name(next)).collect();
    groups.sort_by_key(|group| group.first().copied());
    out.push(b'{');
    for group in groups {
        let first = group.first().copied().unwrap_or_default();
        put_string(out, name(&first));
        out.push(b':');
        let values = || {
            let fields = group.iter().filter_map(|&index| fields.get(index));
            fields.flat_map(|field| {
                ValueType::ALL.into_iter().flat_map(|value_type| field.values_of(value_type))
            })
        };
        let mut each = values();
        if let (Some(value), None) = (each.next(), each.next()) {
            put_value(out, value);
        } else {
            put_array(out, values());
        }
        out.push(b',');
    }
    close(out, b'}');
}

/// Replaces the comma after the last member.
pub(super) fn close(out: &mut Vec<u8>, bracket: u8) {
    out.pop();
    out.extend_from_slice(&[bracket, b',']);
}

/// Whether an object represents the fields without loss.
pub(super) fn is_simple(message: &MessageView<'_>, order: &mut Order) -> bool {
    let mut count = 0;
    let is_simple = message.fields().all(|field| {
        count += 1;
        count <= MOST_NAMED && is_simple_field(&field)
    });
    is_simple && are_unique(message, order, <[u8]>::cmp)
}

/// Whether all names are unique, determined in about n log n comparisons.
fn are_unique(
    message: &MessageView<'_>,
    order: &mut Order,
    mut compare: impl FnMut(&[u8], &[u8]) -> Ordering,
) -> bool {
    let base = message.field_bytes();
    order.clear();
    order.extend(message.fields().map(|field| {
        let name = field.name.unwrap_or_default();
        (name.as_ptr().addr().saturating_sub(base.as_ptr().addr()), name.len())
    }));
    let name = |&(start, len): &(usize, usize)| base.get(start..start + len).unwrap_or_default();
    if order.len() <= FEW {
        return order.iter().enumerate().all(|(index, one)| {
            order.iter().take(index).all(|other| compare(name(one), name(other)).is_ne())
        });
    }
    order.sort_unstable_by(|one, other| compare(name(one), name(other)));
    order.is_sorted_by(|one, next| compare(name(one), name(next)).is_lt())
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

pub(in crate::codec) fn put_array<'a>(out: &mut Vec<u8>, values: impl Iterator<Item = Value<'a>>) {
    out.push(b'[');
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        put_value(out, value);
    }
    out.push(b']');
}

pub(in crate::codec) fn put_value(out: &mut Vec<u8>, value: Value<'_>) {
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

/// Appends what the values do not show: `"FieldInfo":{"NAME":{…}},`, or nothing.
fn put_info(out: &mut Vec<u8>, message: &MessageView<'_>) {
    let start = out.len();
    out.extend_from_slice(b"\"FieldInfo\":{");
    let empty = out.len();
    message.fields().for_each(|field| put_field_info(out, &field));
    if out.len() == empty {
        out.truncate(start);
    } else {
        close(out, b'}');
    }
}

/// Appends `"NAME":{…},`, or nothing.
pub(super) fn put_field_info(out: &mut Vec<u8>, field: &FieldView<'_>) {
    let before = out.len();
    put_string(out, field.name.unwrap_or_default());
    out.extend_from_slice(b":{");
    let nothing = out.len();
    put_type(out, field);
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

/// Appends the type, if it cannot be recovered from the JSON types of the values.
fn put_type(out: &mut Vec<u8>, field: &FieldView<'_>) {
    let name: &[u8] = match field.value_type() {
        // The default type, not written explicitly.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Field, Message, put_message};

    #[test]
    fn names_are_compared_in_proportion_to_their_number() {
        for count in [8_u32, 64, 256] {
            let fields = (0..count).map(|n| Field::integer(format!("name{n}"), 1)).collect();
            let mut bytes = Vec::new();
            put_message(&mut bytes, &Message { fields, ..Message::default() });
            let (mut steps, mut order) = (0, Order::new());
            let message = MessageView::parse(&bytes).unwrap();
            assert!(are_unique(&message, &mut order, |one, other| {
                steps += 1;
                one.cmp(other)
            }));
            assert!(steps < 3 * count * count.ilog2(), "{steps} comparisons of {count} names");
        }
    }
}
