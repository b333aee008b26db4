// SPDX-License-Identifier: MIT OR Apache-2.0
//! A message under construction. Values are written directly in their wire representation, so
//! parsing a record needs no memory beyond that of its message.

use super::message::ValueType;
use super::varint::{put_bytes, put_int32, put_int64, put_tag, put_varint, varint_len, wire_type};
use super::view::{MessageView, Value};

/// Upper bound on the bytes of a field beyond its name, representation and value.
const FIELD_OVERHEAD: usize = 32;

/// A header that is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextHeader {
    /// `Type`
    Type,
    /// `Logger`
    Logger,
    /// `Payload`
    Payload,
    /// `EnvVersion`
    EnvVersion,
    /// `Hostname`
    Hostname,
}

/// The value does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fields over the limit")]
pub struct Full;

/// The parts of a message that have been set; the rest comes from a base message. A draft is reused
/// for the next message, so that it stops allocating once warm.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    uuid: Option<[u8; 16]>,
    timestamp: Option<i64>,
    severity: Option<i32>,
    pid: Option<i32>,
    /// Ranges of the texts in `bytes`.
    texts: [Option<(usize, usize)>; 5],
    bytes: Vec<u8>,
    /// Fields, encoded as in a message.
    fields: Vec<u8>,
    /// The values of the list that is open.
    list: Vec<u8>,
    /// Limit on the bytes of headers and fields, without the payload.
    limit: usize,
    payload_len: usize,
}

impl Draft {
    /// Creates a draft whose headers and fields, without the payload, take at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Clears everything that was set.
    pub fn clear(&mut self) {
        self.uuid = None;
        self.timestamp = None;
        self.severity = None;
        self.pid = None;
        self.texts = [None; 5];
        self.bytes.clear();
        self.fields.clear();
        self.payload_len = 0;
    }

    /// Sets the Uuid.
    pub fn set_uuid(&mut self, uuid: [u8; 16]) {
        self.uuid = Some(uuid);
    }

    /// Sets the time, in nanoseconds since 1970-01-01 UTC.
    pub fn set_timestamp(&mut self, timestamp: i64) {
        self.timestamp = Some(timestamp);
    }

    /// Returns the time, if set.
    pub fn timestamp(&self) -> Option<i64> {
        self.timestamp
    }

    /// Sets the severity.
    pub fn set_severity(&mut self, severity: i32) {
        self.severity = Some(severity);
    }

    /// Returns the severity, if set.
    pub fn severity(&self) -> Option<i32> {
        self.severity
    }

    /// Sets the Pid.
    pub fn set_pid(&mut self, pid: i32) {
        self.pid = Some(pid);
    }

    /// Returns the Pid, if set.
    pub fn pid(&self) -> Option<i32> {
        self.pid
    }

    /// Sets a text header.
    ///
    /// # Errors
    /// [`Full`], but never for a payload.
    pub fn set_text(&mut self, header: TextHeader, text: &[u8]) -> Result<(), Full> {
        if header == TextHeader::Payload {
            self.payload_len += text.len();
        } else {
            self.check(text.len())?;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text);
        self.texts[header as usize] = Some((start, self.bytes.len()));
        Ok(())
    }

    /// Removes the line end from the payload; returns whether there was one.
    pub fn chomp_payload(&mut self) -> bool {
        let Some((start, end)) = self.texts[TextHeader::Payload as usize] else { return false };
        let text = self.bytes.get(start..end).unwrap_or_default();
        let Some(rest) = text.strip_suffix(b"\n") else { return false };
        let rest = rest.strip_suffix(b"\r").unwrap_or(rest);
        self.texts[TextHeader::Payload as usize] = Some((start, start + rest.len()));
        true
    }

    /// Returns a text header, if set.
    pub fn text(&self, header: TextHeader) -> Option<&[u8]> {
        let (start, end) = self.texts[header as usize]?;
        self.bytes.get(start..end)
    }

    /// Adds a field with one value, with type and representation written explicitly as Go's
    /// `NewField` does.
    ///
    /// # Errors
    /// [`Full`].
    #[inline]
    pub fn put_field(
        &mut self,
        name: &[u8],
        representation: &[u8],
        value: Value<'_>,
    ) -> Result<(), Full> {
        let value_len = match value {
            Value::String(text) | Value::Bytes(text) => {
                1 + varint_len(text.len() as u64) + text.len()
            }
            Value::Integer(number) => 2 + varint_len(number.cast_unsigned()),
            Value::Double(_) => 10,
            Value::Bool(_) => 3,
        };
        self.open_field(name, representation, value.value_type(), value_len)?;
        let out = &mut self.fields;
        match value {
            Value::String(text) => put_bytes(out, 4, text),
            Value::Bytes(bytes) => put_bytes(out, 5, bytes),
            Value::Integer(number) => {
                out.extend_from_slice(&[6 << 3 | wire_type::LEN, value_len.to_le_bytes()[0] - 2]);
                put_varint(out, number.cast_unsigned());
            }
            Value::Double(number) => {
                out.extend_from_slice(&[7 << 3 | wire_type::LEN, 8]);
                out.extend_from_slice(&number.to_le_bytes());
            }
            Value::Bool(truth) => {
                out.extend_from_slice(&[8 << 3 | wire_type::LEN, 1, u8::from(truth)]);
            }
        }
        Ok(())
    }

    /// Returns the fields added so far, for reading.
    pub fn field_view(&self) -> MessageView<'_> {
        MessageView::parse(&self.fields).unwrap_or_default()
    }

    /// Begins a field with several values.
    pub fn open_list(&mut self) {
        self.list.clear();
    }

    /// Adds a value to the open list; all values must have the same type.
    ///
    /// # Errors
    /// [`Full`].
    pub fn push(&mut self, value: Value<'_>) -> Result<(), Full> {
        match value {
            Value::String(text) => put_bytes(&mut self.list, 4, text),
            Value::Bytes(bytes) => put_bytes(&mut self.list, 5, bytes),
            Value::Integer(number) => put_varint(&mut self.list, number.cast_unsigned()),
            Value::Double(number) => self.list.extend_from_slice(&number.to_le_bytes()),
            Value::Bool(truth) => self.list.push(u8::from(truth)),
        }
        self.check(self.list.len())
    }

    /// Adds the open list as a field.
    ///
    /// # Errors
    /// [`Full`].
    pub fn close_list(&mut self, name: &[u8], value_type: ValueType) -> Result<(), Full> {
        let list = std::mem::take(&mut self.list);
        let is_packed = !matches!(value_type, ValueType::String | ValueType::Bytes);
        let has_head = is_packed && !list.is_empty();
        let head = if has_head { 1 + varint_len(list.len() as u64) } else { 0 };
        let opened = self.open_field(name, b"", value_type, head + list.len());
        if opened.is_ok() {
            if has_head {
                put_tag(&mut self.fields, value_type as u32 + 4, wire_type::LEN);
                put_varint(&mut self.fields, list.len() as u64);
            }
            self.fields.extend_from_slice(&list);
        }
        self.list = list;
        opened
    }

    /// Appends the message. Whatever was not set is taken from `base`. The fields of the draft come
    /// first, then those of `added`.
    pub fn finish(&self, out: &mut Vec<u8>, base: &MessageView<'_>, added: &MessageView<'_>) {
        let text = |header| self.text(header);
        match (&self.uuid, base.uuid) {
            (Some(uuid), _) => put_bytes(out, 1, uuid),
            (None, Some(uuid)) => put_bytes(out, 1, uuid),
            (None, None) => {}
        }
        if let Some(timestamp) = self.timestamp.or(base.timestamp) {
            put_int64(out, 2, timestamp);
        }
        put_text(out, 3, text(TextHeader::Type).or(base.type_));
        put_text(out, 4, text(TextHeader::Logger).or(base.logger));
        if let Some(severity) = self.severity.or(base.severity) {
            put_int32(out, 5, severity);
        }
        put_text(out, 6, text(TextHeader::Payload).or(base.payload));
        put_text(out, 7, text(TextHeader::EnvVersion).or(base.env_version));
        if let Some(pid) = self.pid.or(base.pid) {
            put_int32(out, 8, pid);
        }
        put_text(out, 9, text(TextHeader::Hostname).or(base.hostname));
        for mut fields in [base.fields(), added.fields()] {
            while let Some(field) = fields.next_bytes() {
                put_bytes(out, 10, field);
            }
        }
        out.extend_from_slice(&self.fields);
    }

    fn check(&self, more: usize) -> Result<(), Full> {
        let used = self.bytes.len().saturating_sub(self.payload_len) + self.fields.len();
        if used.saturating_add(more) > self.limit { Err(Full) } else { Ok(()) }
    }

    /// Writes the part of a field that precedes its values.
    #[inline]
    fn open_field(
        &mut self,
        name: &[u8],
        representation: &[u8],
        value_type: ValueType,
        value_len: usize,
    ) -> Result<(), Full> {
        self.check(FIELD_OVERHEAD.saturating_add(name.len() + representation.len() + value_len))?;
        let text_len = |text: &[u8]| 1 + varint_len(text.len() as u64) + text.len();
        let len = text_len(name) + 2 + text_len(representation) + value_len;
        let out = &mut self.fields;
        out.reserve(FIELD_OVERHEAD + name.len() + representation.len() + value_len);
        match (u8::try_from(len), u8::try_from(name.len())) {
            (Ok(len @ ..0x80), Ok(name_len)) => {
                const FIELD: u8 = 10 << 3 | wire_type::LEN;
                out.extend_from_slice(&[FIELD, len, 1 << 3 | wire_type::LEN, name_len]);
                out.extend_from_slice(name);
            }
            _ => {
                out.push(10 << 3 | wire_type::LEN);
                put_varint(out, len as u64);
                put_bytes(out, 1, name);
            }
        }
        if representation.is_empty() {
            let empty = 3 << 3 | wire_type::LEN;
            out.extend_from_slice(&[2 << 3, value_type as u8, empty, 0]);
        } else {
            out.extend_from_slice(&[2 << 3, value_type as u8]);
            put_bytes(out, 3, representation);
        }
        Ok(())
    }
}

fn put_text(out: &mut Vec<u8>, number: u32, text: Option<&[u8]>) {
    if let Some(text) = text {
        put_bytes(out, number, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Field, Message, put_message};

    #[test]
    fn a_draft_is_what_the_message_would_be() {
        let base = Message {
            uuid: Some([7; 16].to_vec().into()),
            timestamp: Some(5),
            logger: Some("base".into()),
            payload: Some("payload".into()),
            hostname: Some("host".into()),
            fields: vec![Field::string("f", "base")],
            ..Message::default()
        };
        let mut bytes = Vec::new();
        put_message(&mut bytes, &base);
        let mut draft = Draft::new(1000);
        draft.set_severity(-1);
        draft.set_pid(70_000);
        draft.set_timestamp(9);
        draft.set_text(TextHeader::Type, b"t").unwrap();
        draft.set_text(TextHeader::Hostname, b"other").unwrap();
        draft.put_field(b"s", b"r", Value::String(b"x")).unwrap();
        draft.put_field(b"i", b"", Value::Integer(-3)).unwrap();
        draft.put_field(b"d", b"", Value::Double(0.5)).unwrap();
        draft.put_field(b"b", b"", Value::Bool(true)).unwrap();
        draft.put_field(b"raw", b"", Value::Bytes(b"\xff")).unwrap();
        draft.open_list();
        draft.push(Value::Integer(1)).unwrap();
        draft.push(Value::Integer(300)).unwrap();
        draft.close_list(b"list", ValueType::Integer).unwrap();
        draft.open_list();
        draft.close_list(b"none", ValueType::String).unwrap();
        let mut made = Vec::new();
        draft.finish(&mut made, &MessageView::parse(&bytes).unwrap(), &MessageView::default());
        let mut s = Field::string("s", "x");
        s.representation = Some("r".into());
        let fields = vec![
            Field::string("f", "base"),
            s,
            Field::integer("i", -3),
            Field { value_double: vec![0.5], ..Field::empty("d", ValueType::Double) },
            Field { value_bool: vec![true], ..Field::empty("b", ValueType::Bool) },
            Field { value_bytes: vec!["\u{ff}".into()], ..Field::empty("raw", ValueType::Bytes) },
            Field { value_integer: vec![1, 300], ..Field::empty("list", ValueType::Integer) },
            Field::empty("none", ValueType::String),
        ];
        let mut expected = Message {
            severity: Some(-1),
            pid: Some(70_000),
            timestamp: Some(9),
            r#type: Some("t".into()),
            hostname: Some("other".into()),
            fields,
            ..base
        };
        expected.fields[5].value_bytes = vec![vec![0xff].into()];
        let mut wanted = Vec::new();
        put_message(&mut wanted, &expected);
        assert_eq!(made, wanted);
    }

    #[test]
    fn fields_have_a_limit_and_payloads_have_none() {
        let mut draft = Draft::new(100);
        draft.set_text(TextHeader::Payload, &[b'x'; 1000]).unwrap();
        assert_eq!(draft.set_text(TextHeader::Type, &[b'x'; 101]), Err(Full));
        draft.put_field(b"a", b"", Value::Integer(1)).unwrap();
        assert_eq!(draft.put_field(b"a", b"", Value::String(&[b'x'; 60])), Err(Full));
        draft.open_list();
        assert_eq!((0..200).try_for_each(|_| draft.push(Value::Bool(true))), Err(Full));
        draft.clear();
        draft.put_field(b"a", b"", Value::String(&[b'x'; 60])).unwrap();
    }
}
