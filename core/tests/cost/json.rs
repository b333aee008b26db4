// SPDX-License-Identifier: MIT OR Apache-2.0
//! The cost of JSON: no allocation per message, once similar ones have been converted.

#[cfg(feature = "decode")]
use heka_core::codec::json::Verbatim;
use heka_core::codec::json::Writer;
use heka_core::wire::{Field, Message, MessageView, ValueType, put_message};

use super::allocations;

/// Returns messages of several kinds, with everything that a message can contain.
pub(crate) fn messages() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for number in 0..40_i32 {
        let text = |name: &'static str, text: &'static [u8]| Field::string(name, text);
        let list = |count: i64| Field {
            value_integer: (0..count).collect(),
            ..Field::empty("list", ValueType::Integer)
        };
        let double = Field { value_double: vec![0.25], ..Field::empty("took", ValueType::Double) };
        let raw = Field {
            value_bytes: vec![vec![0xff; 9].into()],
            ..Field::empty("raw", ValueType::Bytes)
        };
        let many = (0..100).map(|n| Field::integer(format!("name{n}"), n));
        let fields = match number % 8 {
            0 => vec![text("a", b"plain"), text("b", b"\"quoted\"\n\x1b"), double],
            1 => vec![text("a", "b\u{fc}ch".as_bytes()), list(3), raw],
            2 => vec![text("a", b"\xff\xfe"), text("a", b"twice")],
            3 => many.collect(),
            4 => many.chain([text("name0", b"twice")]).collect(),
            5 => vec![list(0), double, raw],
            6 => vec![Field { representation: Some("B".into()), ..text("size", b"1") }],
            _ => Vec::new(),
        };
        let message = Message {
            uuid: Some([0x55; 16].to_vec().into()),
            timestamp: Some((1 << 60) + i64::from(number) * 400_000_000),
            r#type: Some(format!("type{}", number % 3).into()),
            logger: Some("logger".into()),
            severity: Some(number % 8),
            payload: Some(format!("GET /{number} \"x\"").into()),
            pid: Some(number),
            hostname: Some("host".into()),
            fields,
            ..Message::default()
        };
        let mut bytes = Vec::new();
        put_message(&mut bytes, &message);
        all.push(bytes);
    }
    all
}

#[test]
fn nothing_is_allocated_per_message() {
    let messages = messages();
    let views: Vec<_> = messages.iter().map(|bytes| MessageView::parse(bytes).unwrap()).collect();
    let (mut writer, mut out) = (Writer::default(), Vec::new());
    let mut write = |out: &mut Vec<u8>| views.iter().for_each(|view| writer.put(out, view, None));
    write(&mut out);
    let room = Vec::with_capacity(2 * out.len());
    let first = std::mem::replace(&mut out, room);
    assert_eq!(allocations(|| write(&mut out)), 0);
    assert_eq!(first, out);
}

#[cfg(feature = "decode")]
#[test]
fn nothing_is_allocated_to_read_a_message_again() {
    let messages = messages();
    let (mut writer, mut lines) = (Writer::default(), Vec::new());
    for bytes in &messages {
        let mut line = Vec::new();
        writer.put(&mut line, &MessageView::parse(bytes).unwrap(), Some(b"position"));
        lines.push(line);
    }
    let none = MessageView::default();
    let (mut reader, mut out) = (Verbatim::default(), Vec::with_capacity(1 << 20));
    let mut read = || {
        lines
            .iter()
            .filter(|line| {
                let is_read = reader.read(line);
                out.clear();
                reader.draft().finish(&mut out, &none, &none);
                is_read
            })
            .count()
    };
    // Except those whose fields do not fit into an object, or that contain bytes.
    let wanted = messages.len() / 2;
    assert_eq!(read(), wanted);
    assert_eq!(allocations(|| assert_eq!(read(), wanted)), 0);
}
