// SPDX-License-Identifier: MIT OR Apache-2.0
//! One JSON object per line. 64-bit integers are strings, because many readers keep only 53 bits;
//! absent members are omitted.

use bytes::Bytes;
use data_encoding::BASE64;
use heka_core::codec::time::put_rfc3339;

use crate::envelope::{Content, Envelope, Kind, Member, Stream, Value};

/// Appends one envelope.
pub(super) fn put(out: &mut Vec<u8>, envelope: &Envelope, name: Option<&str>) {
    out.extend_from_slice(b"{\"time\":\"");
    put_rfc3339(out, envelope.timestamp);
    out.extend_from_slice(format!("\",\"timestamp\":\"{}\"", envelope.timestamp).as_bytes());
    put_member(out, "event_type", envelope.kind().name());
    if let Content::Log { payload, stream } = &envelope.content {
        match std::str::from_utf8(payload) {
            Ok(text) => put_member(out, "message", text),
            Err(_) => put_member(out, "message_base64", &BASE64.encode(payload)),
        }
        put_member(out, "message_type", &stream.to_string());
        put_stream(out, *stream);
    }
    if let Some(name) = name {
        put_member(out, "app", name);
    }
    for (name, value) in envelope.facts() {
        put_bytes_member(out, name, value);
    }
    if let Content::Other(kind, members) = &envelope.content {
        put_content(out, *kind, members);
    }
    put_lists(out, envelope);
    out.extend_from_slice(b"}\n");
}

fn put_stream(out: &mut Vec<u8>, stream: Stream) {
    let name = match stream {
        Stream::Out => "out",
        Stream::Err => "err",
        Stream::Unknown(_) => "unknown",
    };
    put_member(out, "stream", name);
    if let Some(severity) = stream.severity() {
        out.extend_from_slice(format!(",\"severity\":{severity}").as_bytes());
    }
}

/// Appends the values of an envelope other than a log, under the name of its kind.
fn put_content(out: &mut Vec<u8>, kind: Kind, members: &[Member]) {
    out.extend_from_slice(format!(",\"{}\":{{", kind.name()).as_bytes());
    let mut is_first = true;
    let mut done: Vec<&Bytes> = Vec::new();
    for member in members {
        if done.contains(&&member.name) {
            continue;
        }
        done.push(&member.name);
        if !std::mem::take(&mut is_first) {
            out.push(b',');
        }
        put_string(out, &member.name);
        out.push(b':');
        let same: Vec<&Member> = members.iter().filter(|other| other.name == member.name).collect();
        if kind == Kind::Gauge {
            out.extend_from_slice(b"{\"value\":");
            put_value(out, &member.value);
            out.extend_from_slice(b",\"unit\":");
            put_string(out, &member.unit);
            out.push(b'}');
        } else if member.name == "forwarded" {
            put_list(out, same.iter().map(|member| &member.value), put_value);
        } else {
            put_value(out, &member.value);
        }
        if kind == Kind::Value && !member.unit.is_empty() {
            put_bytes_member(out, "unit", &member.unit);
        }
    }
    out.push(b'}');
}

fn put_lists(out: &mut Vec<u8>, envelope: &Envelope) {
    if !envelope.tags.is_empty() {
        out.extend_from_slice(b",\"tags\":{");
        for (number, (name, value)) in envelope.tags.iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            put_string(out, name);
            out.push(b':');
            put_string(out, value);
        }
        out.push(b'}');
    }
    if !envelope.drain_urls.is_empty() {
        out.extend_from_slice(b",\"drain_urls\":");
        put_list(out, envelope.drain_urls.iter(), |out, url| put_string(out, url));
    }
    if envelope.is_late {
        out.extend_from_slice(b",\"late\":true");
    }
}

fn put_list<'a, T: 'a>(
    out: &mut Vec<u8>,
    items: impl Iterator<Item = &'a T>,
    put: impl Fn(&mut Vec<u8>, &T),
) {
    out.push(b'[');
    for (number, item) in items.enumerate() {
        if number > 0 {
            out.push(b',');
        }
        put(out, item);
    }
    out.push(b']');
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Text(text) => put_string(out, text),
        Value::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Long(number) => out.extend_from_slice(format!("\"{number}\"").as_bytes()),
        Value::Unsigned(number) => out.extend_from_slice(format!("\"{number}\"").as_bytes()),
        Value::Double(number) if number.is_finite() => {
            out.extend_from_slice(number.to_string().as_bytes());
        }
        Value::Double(number) if number.is_nan() => out.extend_from_slice(b"\"NaN\""),
        Value::Double(number) if *number > 0.0 => out.extend_from_slice(b"\"Infinity\""),
        Value::Double(_) => out.extend_from_slice(b"\"-Infinity\""),
    }
}

fn put_member(out: &mut Vec<u8>, name: &str, value: &str) {
    put_bytes_member(out, name, value.as_bytes());
}

fn put_bytes_member(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(format!(",\"{name}\":").as_bytes());
    put_string(out, value);
}

fn put_string(out: &mut Vec<u8>, text: &[u8]) {
    // Writing to a Vec cannot fail, and every str has a JSON form.
    let _ = serde_json::to_writer(out, &String::from_utf8_lossy(text));
}
