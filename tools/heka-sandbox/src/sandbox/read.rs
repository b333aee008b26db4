// SPDX-License-Identifier: MIT OR Apache-2.0
//! One field of a message with all its values, whatever type it declares; and `read_message`'s
//! names for the parts of a message.

use heka_core::wire::varint::{Malformed, Reader, wire_type};
use heka_core::wire::{Header, MessageView, put_frame};
use mlua::{Lua, Value};

use super::strict::is_value;

/// A field's parts.
#[derive(Debug, Default)]
pub(super) struct FieldParts<'a> {
    /// Its name.
    pub(super) name: Option<&'a [u8]>,
    /// Its declared type, if it declares one.
    pub(super) value_type: Option<i64>,
    /// Its representation.
    pub(super) representation: Option<&'a [u8]>,
    /// Its values, packed ones unpacked.
    pub(super) values: Vec<FieldValue<'a>>,
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

impl FieldValue<'_> {
    /// The value as a plugin sees it.
    pub(super) fn to_lua(self, lua: &Lua) -> mlua::Result<Value> {
        Ok(match self {
            Self::Text(text) => Value::String(lua.create_string(text)?),
            Self::Number(number) => Value::Number(number),
            Self::Bool(bool) => Value::Boolean(bool),
        })
    }
}

impl<'a> FieldParts<'a> {
    /// Reads a field; members may stand in any order.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut field = Self::default();
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            let key = *reader.take(1)?.first().ok_or(Malformed::Truncated)?;
            match (key >> 3, key & 7) {
                (1, wire_type::LEN) => field.name = Some(reader.bytes()?),
                (2, wire_type::VARINT) => field.value_type = Some(reader.varint()?.cast_signed()),
                (3, wire_type::LEN) => field.representation = Some(reader.bytes()?),
                (tag, wire) if is_value(tag, wire) => field.read_values(tag, wire, &mut reader)?,
                _ => return Err(Malformed::Invalid),
            }
        }
        if field.name.is_none() { Err(Malformed::Invalid) } else { Ok(field) }
    }

    fn read_values(&mut self, tag: u8, wire: u8, reader: &mut Reader<'a>) -> Result<(), Malformed> {
        if tag < 6 {
            self.values.push(FieldValue::Text(reader.bytes()?));
        } else if wire == wire_type::LEN {
            let mut packed = Reader::new(reader.bytes()?);
            while !packed.is_empty() {
                self.values.push(number(tag, &mut packed)?);
            }
        } else {
            self.values.push(number(tag, reader)?);
        }
        Ok(())
    }
}

fn number<'a>(tag: u8, reader: &mut Reader<'_>) -> Result<FieldValue<'a>, Malformed> {
    Ok(match tag {
        #[expect(clippy::cast_precision_loss, reason = "Lua's numbers are doubles")]
        6 => FieldValue::Number(reader.varint()?.cast_signed() as f64),
        7 => FieldValue::Number(f64::from_le_bytes(reader.fixed64()?)),
        _ => FieldValue::Bool(reader.varint()? != 0),
    })
}

/// Bytes of the fields of a message, in the order of the wire.
pub(super) fn fields(message: &[u8]) -> Vec<&[u8]> {
    let mut fields = Vec::new();
    // What is not a message has no fields; those before the damage are as good as any.
    let _ = super::strict::walk(message, |field| {
        fields.push(field);
        Ok(())
    });
    fields
}

/// The part of a message that `name` names, or `None` if there is no such name. Without `decoded`
/// only the bytes as a whole can be had.
pub(super) fn part(
    lua: &Lua,
    message: &[u8],
    decoded: bool,
    name: &[u8],
    (field_index, array_index): (usize, usize),
) -> mlua::Result<Option<Value>> {
    let view = if decoded {
        MessageView::parse(message).unwrap_or_default()
    } else {
        MessageView::default()
    };
    let text = |bytes: Option<&[u8]>| -> mlua::Result<Value> {
        match bytes {
            Some(bytes) => Ok(Value::String(lua.create_string(bytes)?)),
            None => Ok(Value::Nil),
        }
    };
    let value = match name {
        b"Uuid" => text(view.uuid)?,
        #[expect(clippy::cast_precision_loss, reason = "Lua's numbers are doubles")]
        b"Timestamp" => Value::Number(view.timestamp.unwrap_or(0) as f64),
        b"Type" => text(view.type_)?,
        b"Logger" => text(view.logger)?,
        b"Severity" => Value::Number(view.severity().into()),
        b"Payload" => text(view.payload)?,
        b"EnvVersion" => text(view.env_version)?,
        b"Pid" => view.pid.map_or(Value::Nil, |pid| Value::Number(pid.into())),
        b"Hostname" => text(view.hostname)?,
        b"raw" => text(Some(message))?,
        #[expect(clippy::cast_precision_loss, reason = "no message is that long")]
        b"size" => Value::Number(message.len() as f64),
        b"framed" => {
            let mut frame = Vec::with_capacity(message.len() + 16);
            match put_frame(&mut frame, Header::default(), message) {
                Ok(()) => text(Some(&frame))?,
                Err(_) => Value::Nil,
            }
        }
        _ => {
            let field = name.strip_prefix(b"Fields[").and_then(|rest| rest.strip_suffix(b"]"));
            let Some(field) = field else { return Ok(None) };
            let found =
                if decoded { value_of(message, field, field_index, array_index) } else { None };
            found.map_or(Ok(Value::Nil), |value| value.to_lua(lua))?
        }
    };
    Ok(Some(value))
}

fn value_of<'a>(
    message: &'a [u8],
    name: &[u8],
    field_index: usize,
    array_index: usize,
) -> Option<FieldValue<'a>> {
    let parsed = fields(message).into_iter().filter_map(|field| FieldParts::parse(field).ok());
    let field = parsed.filter(|field| field.name == Some(name)).nth(field_index)?;
    field.values.get(array_index).copied()
}
