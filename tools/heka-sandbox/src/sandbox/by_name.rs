// SPDX-License-Identifier: MIT OR Apache-2.0
//! A message in the form that decoders accept and change: a table with its headers, and its fields
//! by name. What such a table cannot represent is kept separately.

use heka_core::wire::varint::put_bytes;
use heka_core::wire::{FieldView, MessageView, Value as Member, ValueType};
use mlua::{Lua, Table, Value};

use super::push::headers;

/// Integers up to this are exact as Lua numbers.
const EXACT: u64 = 1 << 53;

/// Creates the table. `others` receives, unchanged, fields with a repeated name, without a name or
/// value, or with numbers that Lua would round.
pub(super) fn table(
    lua: &Lua,
    view: &MessageView<'_>,
    others: &mut Vec<u8>,
) -> mlua::Result<Table> {
    let table = headers(lua, view)?;
    let by_name = lua.create_table()?;
    let mut fields = view.fields();
    while let Some(bytes) = fields.next_bytes() {
        let field = FieldView::parse(bytes);
        let name = field.name.filter(|_| is_exact(&field));
        let name = name.map(|name| lua.create_string(name)).transpose()?;
        match name {
            Some(name) if by_name.raw_get::<Value>(&name)?.is_nil() => {
                by_name.raw_set(name, value(lua, &field)?)?;
            }
            _ => put_bytes(others, 10, bytes),
        }
    }
    table.raw_set("Fields", by_name)?;
    Ok(table)
}

/// Whether Lua can represent all values of a field exactly.
fn is_exact(field: &FieldView<'_>) -> bool {
    let rounds = |value| matches!(value, Member::Integer(it) if it.unsigned_abs() > EXACT);
    field.values().next().is_some() && !field.values().any(rounds)
}

/// Converts the values of a field to the simplest form.
fn value(lua: &Lua, field: &FieldView<'_>) -> mlua::Result<Value> {
    let mut values = field.values();
    let first = values.next().map_or(Ok(Value::Nil), |value| member(lua, value))?;
    let value = match values.next() {
        None => first,
        Some(second) => {
            let list = lua.create_table()?;
            list.raw_push(first)?;
            list.raw_push(member(lua, second)?)?;
            for value in values {
                list.raw_push(member(lua, value)?)?;
            }
            Value::Table(list)
        }
    };
    let is_usual = !matches!(field.value_type(), Some(ValueType::Bytes | ValueType::Integer));
    if is_usual && field.representation.is_none() {
        return Ok(value);
    }
    let table = lua.create_table()?;
    table.raw_set("value", value)?;
    table.raw_set("value_type", field.value_type)?;
    if let Some(representation) = field.representation {
        table.raw_set("representation", lua.create_string(representation)?)?;
    }
    Ok(Value::Table(table))
}

fn member(lua: &Lua, value: Member<'_>) -> mlua::Result<Value> {
    Ok(match value {
        Member::String(text) | Member::Bytes(text) => Value::String(lua.create_string(text)?),
        #[expect(clippy::cast_precision_loss, reason = "only exact ones come here")]
        Member::Integer(number) => Value::Number(number as f64),
        Member::Double(number) => Value::Number(number),
        Member::Bool(bool) => Value::Boolean(bool),
    })
}
