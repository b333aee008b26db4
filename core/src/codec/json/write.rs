// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages to JSON.

use super::fields;
use super::text::{put_base64, put_string};
use crate::codec::number::put_integer;
use crate::codec::text::put_uuid;
use crate::codec::time::put_rfc3339;
use crate::wire::MessageView;

/// Appends one message and a line end.
pub fn put(out: &mut Vec<u8>, message: &MessageView<'_>) {
    out.push(b'{');
    match message.uuid {
        Some(uuid) if uuid.len() == 16 => {
            out.extend_from_slice(b"\"Uuid\":\"");
            put_uuid(out, Some(uuid));
            out.extend_from_slice(b"\",");
        }
        Some(uuid) => {
            out.extend_from_slice(b"\"Uuid_base64\":");
            put_base64(out, uuid);
            out.push(b',');
        }
        None => out.extend_from_slice(b"\"Uuid\":null,"),
    }
    if let Some(timestamp) = message.timestamp {
        out.extend_from_slice(b"\"Timestamp\":\"");
        put_rfc3339(out, timestamp);
        out.extend_from_slice(b"\",\"TimestampNs\":");
        put_integer(out, timestamp);
        out.push(b',');
    } else {
        out.extend_from_slice(b"\"Timestamp\":null,");
    }
    put_text(out, "Type", message.type_);
    put_text(out, "Logger", message.logger);
    put_number(out, "Severity", message.severity);
    put_text(out, "Payload", message.payload);
    put_text(out, "EnvVersion", message.env_version);
    put_number(out, "Pid", message.pid);
    put_text(out, "Hostname", message.hostname);
    fields::put(out, message);
    if out.last() == Some(&b',') {
        out.pop();
    }
    out.extend_from_slice(b"}\n");
}

/// Appends `"NAME":"TEXT",`, and the bytes themselves if they are no text.
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

fn put_number(out: &mut Vec<u8>, name: &str, value: Option<i32>) {
    if let Some(value) = value {
        put_name(out, name, b"\":");
        put_integer(out, i64::from(value));
        out.push(b',');
    }
}

/// Appends `"NAME` and what follows it.
pub(super) fn put_name(out: &mut Vec<u8>, name: &str, rest: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(rest);
}
