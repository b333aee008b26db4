// SPDX-License-Identifier: MIT OR Apache-2.0
//! The members of a field, whatever its declared type; and `read_message`'s names for the parts of
//! a message.

use heka_core::wire::varint::{Malformed, Reader, wire_type};
use heka_core::wire::{Header, MessageView, put_frame};
use mlua::{Lua, Value};

use super::strict::{is_value, walk};

/// One member of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Member<'a> {
    /// The field's name.
    Name(&'a [u8]),
    /// Its declared type.
    Type(i64),
    /// Its representation.
    Representation(&'a [u8]),
    /// A value, including packed ones.
    Value(FieldValue<'a>),
}

/// One value.
#[derive(Clone, Copy, Debug)]
pub(super) enum FieldValue<'a> {
    /// A string, or bytes.
    Text(&'a [u8]),
    /// An integer, or a double.
    Number(f64),
    /// True or false.
    Bool(bool),
}

/// Iterates over the members of a field, which may be in any order except that the name comes
/// before the values.
pub(super) fn members<'a>(
    bytes: &'a [u8],
    mut take: impl FnMut(Member<'a>),
) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    let mut is_named = false;
    while !reader.is_empty() {
        let key = *reader.take(1)?.first().ok_or(Malformed::Truncated)?;
        match (key >> 3, key & 7) {
            (1, wire_type::LEN) => {
                is_named = true;
                take(Member::Name(reader.bytes()?));
            }
            (2, wire_type::VARINT) => take(Member::Type(reader.varint()?.cast_signed())),
            (3, wire_type::LEN) => take(Member::Representation(reader.bytes()?)),
            (tag, wire) if is_value(tag, wire) => values(tag, wire, &mut reader, &mut take)?,
            _ => return Err(Malformed::Invalid),
        }
    }
    if is_named { Ok(()) } else { Err(Malformed::Invalid) }
}

fn values<'a>(
    tag: u8,
    wire: u8,
    reader: &mut Reader<'a>,
    take: &mut impl FnMut(Member<'a>),
) -> Result<(), Malformed> {
    if tag < 6 {
        take(Member::Value(FieldValue::Text(reader.bytes()?)));
    } else if wire == wire_type::LEN {
        let mut packed = Reader::new(reader.bytes()?);
        while !packed.is_empty() {
            take(Member::Value(number(tag, &mut packed)?));
        }
    } else {
        take(Member::Value(number(tag, reader)?));
    }
    Ok(())
}

fn number<'a>(tag: u8, reader: &mut Reader<'_>) -> Result<FieldValue<'a>, Malformed> {
    Ok(match tag {
        #[expect(clippy::cast_precision_loss, reason = "Lua's numbers are doubles")]
        6 => FieldValue::Number(reader.varint()?.cast_signed() as f64),
        7 => FieldValue::Number(f64::from_le_bytes(reader.fixed64()?)),
        _ => FieldValue::Bool(reader.varint()? != 0),
    })
}

/// A part of a message.
#[derive(Clone, Debug)]
pub(super) enum Part<'a> {
    /// Absent.
    Nothing,
    /// A value.
    Value(FieldValue<'a>),
    /// The message in a frame.
    Frame(Vec<u8>),
}

impl<'a> Part<'a> {
    fn text(text: Option<&'a [u8]>) -> Self {
        text.map_or(Self::Nothing, |text| Self::Value(FieldValue::Text(text)))
    }

    fn number(number: f64) -> Self {
        Self::Value(FieldValue::Number(number))
    }

    fn frame(message: &[u8]) -> Self {
        let mut frame = Vec::with_capacity(message.len() + 16);
        put_frame(&mut frame, Header::default(), message)
            .map_or(Self::Nothing, |()| Self::Frame(frame))
    }

    /// Converts the part to a Lua value.
    pub(super) fn to_lua(&self, lua: &Lua) -> mlua::Result<Value> {
        Ok(match self {
            Self::Nothing => Value::Nil,
            Self::Frame(frame) => Value::String(lua.create_string(frame)?),
            Self::Value(FieldValue::Text(text)) => Value::String(lua.create_string(text)?),
            Self::Value(FieldValue::Number(number)) => Value::Number(*number),
            Self::Value(FieldValue::Bool(bool)) => Value::Boolean(*bool),
        })
    }
}

/// Returns the part of a message called `name`; `None` if there is no such name. Without `decoded`,
/// only the whole bytes are available.
pub(super) fn part<'a>(
    message: &'a [u8],
    decoded: bool,
    name: &[u8],
    indices: (usize, usize),
) -> Option<Part<'a>> {
    let field = name.strip_prefix(b"Fields[").and_then(|rest| rest.strip_suffix(b"]"));
    if let Some(field) = field {
        let found = if decoded { value_of(message, field, indices) } else { None };
        return Some(found.map_or(Part::Nothing, Part::Value));
    }
    match name {
        b"raw" => return Some(Part::text(Some(message))),
        #[expect(clippy::cast_precision_loss, reason = "no message is that long")]
        b"size" => return Some(Part::number(message.len() as f64)),
        b"framed" => return Some(Part::frame(message)),
        _ => {}
    }
    let view = if decoded {
        MessageView::parse(message).unwrap_or_default()
    } else {
        MessageView::default()
    };
    Some(match name {
        b"Uuid" => Part::text(view.uuid),
        #[expect(clippy::cast_precision_loss, reason = "Lua's numbers are doubles")]
        b"Timestamp" => Part::number(view.timestamp.unwrap_or(0) as f64),
        b"Type" => Part::text(view.type_),
        b"Logger" => Part::text(view.logger),
        b"Severity" => Part::number(view.severity().into()),
        b"Payload" => Part::text(view.payload),
        b"EnvVersion" => Part::text(view.env_version),
        b"Pid" => view.pid.map_or(Part::Nothing, |pid| Part::number(pid.into())),
        b"Hostname" => Part::text(view.hostname),
        _ => return None,
    })
}

/// Returns a value of the field with this name: `indices` select among fields with the same name,
/// and among the field's values.
fn value_of<'a>(message: &'a [u8], name: &[u8], indices: (usize, usize)) -> Option<FieldValue<'a>> {
    let (mut fields_before, values_before) = indices;
    let mut found = None;
    // Anything but a message has no fields; those before damage are valid.
    let _ = walk(message, |bytes| {
        let (mut is_meant, mut count, mut value) = (false, 0, None);
        let read = members(bytes, |member| match member {
            Member::Name(given) => is_meant = given == name,
            Member::Value(given) => {
                value = value.or((count == values_before).then_some(given));
                count += 1;
            }
            Member::Type(_) | Member::Representation(_) => {}
        });
        if read.is_err() || !is_meant {
            return Ok(());
        }
        if let Some(left) = fields_before.checked_sub(1) {
            fields_before = left;
            return Ok(());
        }
        found = value;
        // Found, so stop.
        Err(Malformed::Invalid)
    });
    found
}
