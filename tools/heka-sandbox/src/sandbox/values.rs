// SPDX-License-Identifier: MIT OR Apache-2.0
//! The values of a field in Lua.

use mlua::{Table, Value};

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

/// Returns a number, however mlua represents it.
pub(super) fn double(value: &Value) -> f64 {
    match value {
        Value::Number(number) => *number,
        #[expect(clippy::cast_precision_loss, reason = "it was a double")]
        Value::Integer(number) => *number as f64,
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
