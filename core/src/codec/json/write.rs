// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages to JSON.

use super::Writer;
use super::text::{put_base64, put_string};
use crate::codec::number::put_integer;
use crate::codec::time::put_rfc3339;
use crate::wire::MessageView;

/// Appends one message and a line end.
pub fn put(out: &mut Vec<u8>, message: &MessageView<'_>) {
    Writer::default().put(out, message, None);
}

/// Appends the Uuid, `null` if absent.
pub(super) fn put_uuid_member(out: &mut Vec<u8>, uuid: Option<&[u8]>) {
    match uuid {
        Some(uuid) => {
            out.extend_from_slice(b"\"Uuid_base64\":");
            put_base64(out, uuid);
            out.push(b',');
        }
        None => out.extend_from_slice(b"\"Uuid\":null,"),
    }
}

/// Appends both members of a time, `null` if absent.
pub(super) fn put_time(out: &mut Vec<u8>, time: Option<i64>) {
    let Some(time) = time else { return out.extend_from_slice(b"\"Timestamp\":null,") };
    out.extend_from_slice(b"\"Timestamp\":\"");
    put_rfc3339(out, time);
    out.extend_from_slice(b"\",\"TimestampNs\":");
    put_integer(out, time);
    out.push(b',');
}

/// Appends a mark, which is not a message, and a line end.
pub fn put_mark(out: &mut Vec<u8>, checkpoint: &[u8]) {
    out.extend_from_slice(b"{\"_mark\":true,");
    put_position(out, checkpoint);
    out.pop();
    out.extend_from_slice(b"}\n");
}

pub(super) fn put_position(out: &mut Vec<u8>, checkpoint: &[u8]) {
    out.extend_from_slice(b"\"_position\":");
    put_base64(out, checkpoint);
    out.push(b',');
}

/// Appends `"NAME":"TEXT",`, and the bytes if the text is not UTF-8.
pub(super) fn put_text(out: &mut Vec<u8>, name: &str, text: Option<&[u8]>) {
    let Some(text) = text else { return };
    put_name(out, name, b"\":");
    let is_utf8 = put_string(out, text);
    out.push(b',');
    if !is_utf8 {
        put_name(out, name, b"_base64\":");
        put_base64(out, text);
        out.push(b',');
    }
}

pub(super) fn put_number(out: &mut Vec<u8>, name: &str, value: Option<i32>) {
    if let Some(value) = value {
        put_name(out, name, b"\":");
        put_integer(out, i64::from(value));
        out.push(b',');
    }
}

/// Appends `"NAME`, followed by `rest`.
pub(super) fn put_name(out: &mut Vec<u8>, name: &str, rest: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(rest);
}
