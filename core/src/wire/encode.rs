// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages written straight into an output buffer.
//!
//! A [`Template`] holds what does not change from one message to the next (type, logger, severity;
//! `env_version`, pid, hostname, fields), encoded once. Per message, only Uuid, time and payload
//! are written. Sizes are computed in advance, so nothing is encoded twice or moved. Members are in
//! the order of their numbers, as in Go Heka's encoder, and a negative severity or pid takes five
//! bytes.

use super::framing::{FrameTooLarge, put_header};
use super::header::Header;
use super::message::{Field, Message, ValueType};
use super::signing::Signer;
use super::varint::{put_bytes, put_int32, put_int64, put_tag, put_varint, varint_len, wire_type};

/// The parts that all messages of a source have in common.
#[derive(Clone, Debug, Default)]
pub struct Template {
    before_payload: Vec<u8>,
    /// Number of the encoded bytes that precede the logger; the severity follows it.
    before_logger: usize,
    severity: Option<i32>,
    after_payload: Vec<u8>,
    scratch: Vec<u8>,
    signer: Option<Signer>,
}

impl Template {
    /// Copies everything from `message` except Uuid, timestamp and payload.
    pub fn new(message: &Message, signer: Option<Signer>) -> Self {
        let mut template = Self { signer, severity: message.severity, ..Self::default() };
        put_type(&mut template.before_payload, message);
        template.before_logger = template.before_payload.len();
        template.set_logger(message.logger.as_deref());
        put_after_payload(&mut template.after_payload, message);
        template
    }

    /// Replaces the logger.
    pub fn set_logger(&mut self, logger: Option<&[u8]>) {
        self.before_payload.truncate(self.before_logger);
        put_logger(&mut self.before_payload, logger, self.severity);
    }

    /// Returns the number of bytes of a message beyond its payload, including the payload's length
    /// prefix.
    pub fn overhead(&self, payload_len: usize) -> usize {
        18 + 11
            + self.before_payload.len()
            + self.after_payload.len()
            + 1
            + varint_len(payload_len as u64)
    }

    /// Returns the longest payload for which the message stays within `limit`, or `None` if not
    /// even one byte fits.
    pub fn room(&self, limit: usize) -> Option<usize> {
        limit.checked_sub(self.overhead(limit)).filter(|room| *room > 0)
    }

    /// Appends a whole frame. `header` may carry extensions; length and signature are filled in.
    ///
    /// # Errors
    /// [`FrameTooLarge`]; nothing is appended then.
    pub fn put_frame(
        &mut self,
        out: &mut Vec<u8>,
        header: Header<'_>,
        uuid: [u8; 16],
        timestamp: i64,
        payload: &[u8],
    ) -> Result<(), FrameTooLarge> {
        if let Some(signer) = &self.signer {
            let mut message = std::mem::take(&mut self.scratch);
            message.clear();
            self.put_message(&mut message, uuid, timestamp, payload);
            let digest = signer.sign(&message);
            let framed = super::framing::put_frame(out, signer.stamp(header, &digest), &message);
            self.scratch = message;
            return framed;
        }
        let len = self.before_payload.len()
            + self.after_payload.len()
            + 18
            + 1
            + varint_len(timestamp.cast_unsigned())
            + 1
            + varint_len(payload.len() as u64)
            + payload.len();
        let message_length = u32::try_from(len).map_err(|_| FrameTooLarge)?;
        out.reserve(len + 300);
        put_header(out, Header { message_length, ..header })?;
        self.put_message(out, uuid, timestamp, payload);
        Ok(())
    }

    /// Appends the message without a frame.
    pub fn put_message(&self, out: &mut Vec<u8>, uuid: [u8; 16], timestamp: i64, payload: &[u8]) {
        out.extend_from_slice(&[0x0a, 16]);
        out.extend_from_slice(&uuid);
        put_int64(out, 2, timestamp);
        out.extend_from_slice(&self.before_payload);
        put_bytes(out, 6, payload);
        out.extend_from_slice(&self.after_payload);
    }
}

/// Appends an owned message as Go Heka encodes it.
pub fn put_message(out: &mut Vec<u8>, message: &Message) {
    if let Some(uuid) = &message.uuid {
        put_bytes(out, 1, uuid);
    }
    if let Some(timestamp) = message.timestamp {
        put_int64(out, 2, timestamp);
    }
    put_type(out, message);
    put_logger(out, message.logger.as_deref(), message.severity);
    if let Some(payload) = &message.payload {
        put_bytes(out, 6, payload);
    }
    put_after_payload(out, message);
}

fn put_type(out: &mut Vec<u8>, message: &Message) {
    if let Some(value) = &message.r#type {
        put_bytes(out, 3, value);
    }
}

fn put_logger(out: &mut Vec<u8>, logger: Option<&[u8]>, severity: Option<i32>) {
    if let Some(value) = logger {
        put_bytes(out, 4, value);
    }
    if let Some(value) = severity {
        put_int32(out, 5, value);
    }
}

fn put_after_payload(out: &mut Vec<u8>, message: &Message) {
    if let Some(value) = &message.env_version {
        put_bytes(out, 7, value);
    }
    if let Some(value) = message.pid {
        put_int32(out, 8, value);
    }
    if let Some(value) = &message.hostname {
        put_bytes(out, 9, value);
    }
    let mut bytes = Vec::new();
    for field in &message.fields {
        bytes.clear();
        put_field(&mut bytes, field);
        put_bytes(out, 10, &bytes);
    }
}

fn put_field(out: &mut Vec<u8>, field: &Field) {
    if let Some(name) = &field.name {
        put_bytes(out, 1, name);
    }
    if let Some(value_type) = field.value_type {
        put_int32(out, 2, value_type);
    }
    if let Some(representation) = &field.representation {
        put_bytes(out, 3, representation);
    }
    for value in &field.value_string {
        put_bytes(out, 4, value);
    }
    for value in &field.value_bytes {
        put_bytes(out, 5, value);
    }
    if !field.value_integer.is_empty() {
        let len = field.value_integer.iter().map(|v| varint_len(v.cast_unsigned())).sum::<usize>();
        put_tag(out, 6, wire_type::LEN);
        put_varint(out, len as u64);
        for value in &field.value_integer {
            put_varint(out, value.cast_unsigned());
        }
    }
    if !field.value_double.is_empty() {
        put_tag(out, 7, wire_type::LEN);
        put_varint(out, 8 * field.value_double.len() as u64);
        for value in &field.value_double {
            out.extend_from_slice(&value.to_le_bytes());
        }
    }
    if !field.value_bool.is_empty() {
        put_tag(out, 8, wire_type::LEN);
        put_varint(out, field.value_bool.len() as u64);
        out.extend(field.value_bool.iter().map(|&value| u8::from(value)));
    }
}

impl Field {
    /// Creates a field with one string, with type and (empty) representation written explicitly as
    /// Go's `NewField` does.
    pub fn string(name: impl Into<bytes::Bytes>, value: impl Into<bytes::Bytes>) -> Self {
        Self { value_string: vec![value.into()], ..Self::empty(name, ValueType::String) }
    }

    /// Creates a field with one integer, like [`Field::string`].
    pub fn integer(name: impl Into<bytes::Bytes>, value: i64) -> Self {
        Self { value_integer: vec![value], ..Self::empty(name, ValueType::Integer) }
    }

    /// Creates a field of type `value_type` without values.
    pub fn empty(name: impl Into<bytes::Bytes>, value_type: ValueType) -> Self {
        Self {
            name: Some(name.into()),
            value_type: Some(value_type as i32),
            representation: Some(bytes::Bytes::new()),
            ..Self::default()
        }
    }
}
