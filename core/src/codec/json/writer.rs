// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages to JSON, optimised for streams. The messages of a stream resemble each other, so parts
//! of the output are kept and reused for the next message: names with quotes and escapes, the
//! second, headers that do not change.

use super::fields::{self, FieldsAs, Order};
use super::shape::Shapes;
use super::text::{digits_9, is_plain};
use super::write::{put_number, put_position, put_text, put_time, put_uuid_member};
use crate::codec::number::put_integer;
use crate::codec::text::put_uuid_bytes;
use crate::codec::time::put_rfc3339;
use crate::wire::MessageView;

pub(super) const BILLION: i64 = 1_000_000_000;

/// Writes one message per line; the output is the same as that of [`super::put`], but faster.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    fields_as: FieldsAs,
    second: Second,
    front: Kept,
    back: Kept,
    shapes: Shapes,
    order: Order,
}

impl Writer {
    /// Creates a writer with this representation of fields.
    pub fn new(fields_as: FieldsAs) -> Self {
        Self { fields_as, ..Self::default() }
    }

    /// Appends one message and a line end, with the checkpoint of its frame.
    pub fn put(&mut self, out: &mut Vec<u8>, message: &MessageView<'_>, checkpoint: Option<&[u8]>) {
        put_uuid(out, message.uuid);
        match message.timestamp {
            Some(time) if time >= BILLION => self.second.put(out, time),
            time => put_time(out, time),
        }
        self.front.put(out, [message.type_, message.logger], message.severity, |out| {
            put_text(out, "Type", message.type_);
            put_text(out, "Logger", message.logger);
            put_number(out, "Severity", message.severity);
        });
        match message.payload {
            Some(payload) if is_plain(payload) => {
                out.extend_from_slice(b"\"Payload\":\"");
                out.extend_from_slice(payload);
                out.extend_from_slice(b"\",");
            }
            payload => put_text(out, "Payload", payload),
        }
        self.back.put(out, [message.env_version, message.hostname], message.pid, |out| {
            put_text(out, "EnvVersion", message.env_version);
            put_number(out, "Pid", message.pid);
            put_text(out, "Hostname", message.hostname);
        });
        if message.has_fields() && !self.shapes.put(out, message, self.fields_as) {
            fields::put(out, message, self.fields_as, &mut self.order);
            self.shapes.learn(message, &mut self.order);
        }
        if let Some(checkpoint) = checkpoint {
            put_position(out, checkpoint);
        }
        if out.last() == Some(&b',') {
            out.pop();
        }
        out.extend_from_slice(b"}\n");
    }
}

/// Begins the object.
fn put_uuid(out: &mut Vec<u8>, uuid: Option<&[u8]>) {
    match uuid.map(<&[u8; 16]>::try_from) {
        Some(Ok(bytes)) => {
            out.extend_from_slice(b"{\"Uuid\":\"");
            put_uuid_bytes(out, bytes);
            out.extend_from_slice(b"\",");
        }
        _ => {
            out.push(b'{');
            put_uuid_member(out, uuid);
        }
    }
}

/// The second of recent times, as text.
#[derive(Clone, Debug, Default)]
pub(super) struct Second {
    second: i64,
    /// `"Timestamp":"2006-01-02T15:04:05.`
    before: Vec<u8>,
    /// `Z","TimestampNs":1136214245`
    between: Vec<u8>,
}

impl Second {
    /// Appends both members of a time at least one second after 1970.
    fn put(&mut self, out: &mut Vec<u8>, time: i64) {
        self.set(time);
        let digits = digits_9((time % BILLION).unsigned_abs());
        out.extend_from_slice(&self.before);
        out.extend_from_slice(&digits);
        out.extend_from_slice(&self.between);
        out.extend_from_slice(&digits);
        out.push(b',');
    }

    /// Whether `text` is the written form of `time`.
    #[cfg(feature = "decode")]
    pub(super) fn is_text_of(&mut self, time: i64, text: &[u8]) -> bool {
        self.set(time);
        let digits = digits_9((time % BILLION).unsigned_abs());
        let before = self.before.strip_prefix(b"\"Timestamp\":\"").unwrap_or_default();
        text.strip_prefix(before).and_then(|rest| rest.strip_prefix(&digits)) == Some(b"Z")
    }

    fn set(&mut self, time: i64) {
        let second = time / BILLION;
        if second != self.second {
            self.second = second;
            self.before.clear();
            self.before.extend_from_slice(b"\"Timestamp\":\"");
            put_rfc3339(&mut self.before, second * BILLION);
            self.before.truncate(self.before.len() - b"000000000Z".len());
            self.between.clear();
            self.between.extend_from_slice(b"Z\",\"TimestampNs\":");
            put_integer(&mut self.between, second);
        }
    }
}

/// Members that seldom change, as text, and the values they were made of.
#[derive(Clone, Debug, Default)]
struct Kept {
    is_filled: bool,
    texts: [Vec<u8>; 2],
    is_present: [bool; 2],
    number: Option<i32>,
    members: Vec<u8>,
}

impl Kept {
    /// Appends the members that `make` creates from two texts and a number.
    fn put(
        &mut self,
        out: &mut Vec<u8>,
        texts: [Option<&[u8]>; 2],
        number: Option<i32>,
        make: impl FnOnce(&mut Vec<u8>),
    ) {
        let is_same = |(index, text): (usize, &Option<&[u8]>)| {
            self.is_present.get(index) == Some(&text.is_some())
                && self.texts.get(index).is_some_and(|kept| kept == text.unwrap_or_default())
        };
        let known =
            self.is_filled && self.number == number && texts.iter().enumerate().all(is_same);
        if !known {
            self.is_filled = true;
            self.number = number;
            self.is_present = texts.map(|text| text.is_some());
            for (kept, text) in self.texts.iter_mut().zip(texts) {
                kept.clear();
                kept.extend_from_slice(text.unwrap_or_default());
            }
            self.members.clear();
            make(&mut self.members);
        }
        out.extend_from_slice(&self.members);
    }
}
