// SPDX-License-Identifier: MIT OR Apache-2.0
//! The shapes of fields in earlier messages: the bytes before their value, and the corresponding
//! JSON.

use std::ops::Range;

use super::fields::{self, FieldsAs, Order};
use super::text::{is_plain, put_base64, put_double, put_string};
use crate::codec::number::put_integer;
use crate::wire::varint::{Reader, wire_type};
use crate::wire::{FieldView, MessageView, ValueType};

/// Number of kinds of messages that are remembered.
const KINDS: usize = 16;
/// Fields with more bytes before their value are not remembered.
const LONGEST: usize = 1024;

/// The fields of the most recent kinds of messages.
#[derive(Clone, Debug, Default)]
pub(super) struct Shapes {
    kinds: Vec<Kind>,
}

/// The fields of one kind of message, in order, with unique names.
#[derive(Clone, Debug, Default)]
struct Kind {
    fields: Vec<Shape>,
    bytes: Vec<u8>,
    /// Whether any field has a member in `FieldInfo`.
    has_info: bool,
}

/// One field; the ranges refer to the bytes of the kind.
#[derive(Clone, Debug)]
struct Shape {
    /// The bytes of the field before its value.
    head: Range<usize>,
    /// `"NAME":`, and the opening quote of a string.
    name: Range<usize>,
    /// `"NAME":{…},`
    info: Range<usize>,
    value_type: ValueType,
}

impl Shapes {
    /// Appends the members `Fields` and `FieldInfo` if all fields have a known shape; otherwise
    /// returns `false`.
    #[inline]
    pub(super) fn put(
        &self,
        out: &mut Vec<u8>,
        message: &MessageView<'_>,
        fields_as: FieldsAs,
    ) -> bool {
        let Some(kind) = self.kinds.get(slot(message)) else { return false };
        let start = out.len();
        let done = fields_as != FieldsAs::Array && kind.put(out, message);
        if !done {
            out.truncate(start);
        }
        done
    }

    /// Remembers the shapes of a message's fields, if an object can represent all of them.
    pub(super) fn learn(&mut self, message: &MessageView<'_>, order: &mut Order) {
        if !fields::is_simple(message, order) {
            return;
        }
        if self.kinds.is_empty() {
            self.kinds.resize_with(KINDS, Kind::default);
        }
        if let Some(kind) = self.kinds.get_mut(slot(message)) {
            kind.learn(message);
        }
    }
}

/// Returns the slot for a kind of message; messages with the same type and logger resemble each
/// other.
fn slot(message: &MessageView<'_>) -> usize {
    let mark = |text: Option<&[u8]>| match text {
        Some([first, .., last]) => text.map_or(0, <[u8]>::len) + usize::from(first ^ last),
        _ => 0,
    };
    (mark(message.type_) * 5 + mark(message.logger)) % KINDS
}

impl Kind {
    #[inline]
    fn put(&self, out: &mut Vec<u8>, message: &MessageView<'_>) -> bool {
        let mut fields = message.fields();
        let mut shapes = self.fields.iter();
        out.extend_from_slice(b"\"Fields\":{");
        while let Some(field) = fields.next_bytes() {
            let Some(shape) = shapes.next() else { return false };
            let Some(value) = field.strip_prefix(self.part(&shape.head)) else { return false };
            out.extend_from_slice(self.part(&shape.name));
            if !put_only_value(out, value, shape.value_type) {
                return false;
            }
        }
        fields::close(out, b'}');
        if self.has_info {
            let known = self.fields.len() - shapes.len();
            self.put_info(out, known);
        }
        true
    }

    fn put_info(&self, out: &mut Vec<u8>, count: usize) {
        let start = out.len();
        out.extend_from_slice(b"\"FieldInfo\":{");
        let empty = out.len();
        for shape in self.fields.iter().take(count) {
            out.extend_from_slice(self.part(&shape.info));
        }
        if out.len() == empty {
            out.truncate(start);
        } else {
            fields::close(out, b'}');
        }
    }

    #[inline]
    fn part(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }

    fn learn(&mut self, message: &MessageView<'_>) {
        self.fields.clear();
        self.bytes.clear();
        self.has_info = false;
        let mut fields = message.fields();
        while let Some(bytes) = fields.next_bytes() {
            let field = FieldView::parse(bytes);
            let (Some(value_type), Some((head, _))) = (
                field.value_type(),
                bytes.split_at_checked(bytes.len() - field.value_bytes().len()),
            ) else {
                return;
            };
            let before = FieldView::parse(head);
            let is_whole = (before.name, before.value_type, before.representation)
                == (field.name, field.value_type, field.representation);
            // The type of an empty field is written elsewhere.
            if !is_whole || field.values().next().is_none() || head.len() > LONGEST {
                return;
            }
            let head = self.add(|out| out.extend_from_slice(head));
            let name = self.add(|out| {
                put_string(out, field.name.unwrap_or_default());
                out.push(b':');
                if value_type == ValueType::String {
                    out.push(b'"');
                }
            });
            let info = self.add(|out| fields::put_field_info(out, &field));
            self.has_info |= !info.is_empty();
            self.fields.push(Shape { head, name, info, value_type });
        }
    }

    fn add(&mut self, put: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let start = self.bytes.len();
        put(&mut self.bytes);
        start..self.bytes.len()
    }
}

/// Appends a value and a comma if `bytes` are exactly one value of type `value_type`; otherwise
/// returns `false`.
#[inline]
fn put_only_value(out: &mut Vec<u8>, bytes: &[u8], value_type: ValueType) -> bool {
    let mut reader = Reader::new(bytes);
    let put = match value_type {
        ValueType::String => text(&mut reader, 4).and_then(|text| put_rest(out, text)),
        ValueType::Bytes => text(&mut reader, 5).map(|bytes| put_base64(out, bytes)),
        ValueType::Integer => number(&mut reader, 6, wire_type::VARINT).and_then(|mut reader| {
            let value = reader.varint().ok()?;
            put_integer(out, value.cast_signed());
            reader.is_empty().then_some(())
        }),
        ValueType::Double => number(&mut reader, 7, wire_type::FIXED64).and_then(|mut reader| {
            let value = reader.fixed64().ok()?;
            put_double(out, f64::from_le_bytes(value));
            reader.is_empty().then_some(())
        }),
        ValueType::Bool => number(&mut reader, 8, wire_type::VARINT).and_then(|mut reader| {
            let truth = reader.varint().ok()? != 0;
            out.extend_from_slice(if truth { b"true" } else { b"false" });
            reader.is_empty().then_some(())
        }),
    };
    out.push(b',');
    put.is_some()
}

/// Reads the rest of a field that is one length-delimited value.
#[inline]
fn text<'a>(reader: &mut Reader<'a>, wanted: u32) -> Option<&'a [u8]> {
    let tag = reader.tag().ok()?;
    let bytes = reader.bytes().ok()?;
    (tag == (wanted, wire_type::LEN) && reader.is_empty()).then_some(bytes)
}

/// Reads the rest of a field that holds numbers, packed or not.
#[inline]
fn number<'a>(reader: &mut Reader<'a>, wanted: u32, alone: u8) -> Option<Reader<'a>> {
    match reader.tag().ok()? {
        (found, wire_type::LEN) if found == wanted => {
            let packed = reader.bytes().ok()?;
            reader.is_empty().then(|| Reader::new(packed))
        }
        (found, wire) if found == wanted && wire == alone => Some(*reader),
        _ => None,
    }
}

/// Appends a string after its opening quote; `None` if it is not UTF-8.
#[inline]
fn put_rest(out: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    if is_plain(text) {
        out.extend_from_slice(text);
        out.push(b'"');
        return Some(());
    }
    out.pop();
    put_string(out, text).then_some(())
}
