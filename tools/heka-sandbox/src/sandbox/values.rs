// SPDX-License-Identifier: MIT OR Apache-2.0
//! The values of headers and fields in Lua and in a message.

use heka_core::os::clock;
use heka_core::wire::varint::{put_bytes, put_int64, put_varint, wire_type};
use mlua::{Table, Value};

use super::Settings;

/// Maximum length of a message in bytes if `output_limit` is 0.
const NO_LIMIT: usize = 1 << 30;

/// Maximum length of a message made from a table, in bytes.
pub(super) fn limit(settings: &Settings) -> usize {
    if settings.output_limit == 0 { NO_LIMIT } else { settings.output_limit }
}

/// Appends UUID and timestamp of a message. `exact`, the timestamp of the original message, is used if
/// `timestamp` is that number as a double.
pub(super) fn put_identity(
    out: &mut Vec<u8>,
    uuid: Option<[u8; 16]>,
    timestamp: Option<f64>,
    exact: Option<i64>,
) {
    put_bytes(out, 1, &uuid.unwrap_or_else(clock::random_uuid));
    let time = timestamp.map_or_else(clock::now_ns, |timestamp| {
        #[expect(clippy::cast_precision_loss, reason = "as the plugin sees it")]
        let is_same = |exact: &i64| *exact as f64 == timestamp;
        exact.filter(is_same).unwrap_or_else(|| integer(timestamp))
    });
    put_int64(out, 2, time);
}

/// The type of a field's values in Lua.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Bool,
}

impl Kind {
    /// Its name in errors.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Number => "numeric",
            Self::Bool => "boolean",
        }
    }

    /// The value type of such a field: the declared one, or the default.
    ///
    /// # Errors
    /// The declared type if these values cannot have it.
    pub(super) fn value_type(self, declared: Option<i64>) -> Result<i64, i64> {
        let (allowed, default) = match self {
            Self::Text => ([0, 1], 0),
            Self::Number => ([2, 3], 3),
            Self::Bool => ([4, 4], 4),
        };
        let value_type = declared.filter(|value_type| *value_type != -1).unwrap_or(default);
        if allowed.contains(&value_type) { Ok(value_type) } else { Err(value_type) }
    }
}

/// The member of a field that holds its numbers or booleans, and their wire type.
pub(super) fn number_member(value_type: i64) -> (u32, u8) {
    match value_type {
        2 => (6, wire_type::VARINT),
        3 => (7, wire_type::FIXED64),
        _ => (8, wire_type::VARINT),
    }
}

/// Appends a number, or a boolean as 0 or 1.
pub(super) fn put_scalar(out: &mut Vec<u8>, value_type: i64, number: f64) {
    match value_type {
        2 => put_varint(out, integer(number).cast_unsigned()),
        3 => out.extend_from_slice(&number.to_le_bytes()),
        _ => out.push(u8::from(number == 1.0)),
    }
}

/// The values of a field. They are taken from Lua one by one: there may be no memory for all at
/// once.
pub(super) enum Values<'a> {
    One(&'a Value),
    Array(&'a Table, usize),
}

impl Values<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Array(_, len) => *len,
        }
    }

    /// Returns a value, counted from 1.
    pub(super) fn get(&self, index: usize) -> mlua::Result<Value> {
        match self {
            Self::One(value) => Ok((*value).clone()),
            Self::Array(table, _) => table.raw_get(index),
        }
    }
}

/// Returns a number, however mlua represents it; true is 1.
pub(super) fn double(value: &Value) -> f64 {
    match value {
        Value::Number(number) => *number,
        #[expect(clippy::cast_precision_loss, reason = "it was a double")]
        Value::Integer(number) => *number as f64,
        Value::Boolean(bool) => f64::from(u8::from(*bool)),
        _ => 0.0,
    }
}

/// Truncates toward zero.
#[expect(clippy::cast_possible_truncation, reason = "saturates where C would not be defined")]
pub(super) fn integer(number: f64) -> i64 {
    number as i64
}

/// Parses 16 raw bytes, or 36 characters in the usual groups.
pub(super) fn parse_uuid(text: &[u8]) -> Option<[u8; 16]> {
    if let Ok(raw) = text.try_into() {
        return Some(raw);
    }
    if text.len() != 36 {
        return None;
    }
    let mut uuid = [0; 16];
    let mut digits = Vec::with_capacity(32);
    for (index, &byte) in text.iter().enumerate() {
        match index {
            8 | 13 | 18 | 23 if byte == b'-' => {}
            8 | 13 | 18 | 23 => return None,
            _ => digits.push(u8::try_from(char::from(byte).to_digit(16)?).ok()?),
        }
    }
    for (byte, pair) in uuid.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair[0] << 4 | pair[1];
    }
    Some(uuid)
}
