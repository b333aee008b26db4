// SPDX-License-Identifier: MIT OR Apache-2.0
//! Texts and numbers with C semantics.

use mlua::{Lua, Value};

/// Maximum length of a stored error text in bytes.
pub(super) const MAX_ERROR: usize = 8 * 1024;

/// Returns an error value as in C: strings and numbers, up to the first NUL.
pub(super) fn error_text(lua: &Lua, error: &Value) -> Option<Vec<u8>> {
    let text = lua.coerce_string(error.clone()).ok().flatten()?;
    Some(c_string(&text.as_bytes()).to_vec())
}

/// Returns `text` up to its first NUL.
pub(super) fn c_string(text: &[u8]) -> &[u8] {
    text.split(|&byte| byte == 0).next().unwrap_or(text)
}

pub(super) fn cut(text: &[u8]) -> &[u8] {
    text.get(..MAX_ERROR).unwrap_or(text)
}

pub(super) fn cut_text(mut text: String) -> String {
    let end = (0..=MAX_ERROR.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    text.truncate(end.unwrap_or(0));
    text
}

/// Casts a number to `int` as C does on this platform: 0 if out of range.
#[expect(clippy::cast_possible_truncation, reason = "that is the point")]
pub(super) fn truncated(number: f64) -> i32 {
    const EXACT: f64 = 9_223_372_036_854_775_808.0;
    if number.abs() < EXACT { number as i64 as i32 } else { 0 }
}

/// Removes a first line that starts with #; its line end is kept so that line numbers stay correct.
pub(super) fn without_shebang(source: &[u8]) -> &[u8] {
    match source {
        [b'#', ..] => {
            source.iter().position(|&byte| byte == b'\n').map_or(&[], |end| &source[end..])
        }
        _ => source,
    }
}
