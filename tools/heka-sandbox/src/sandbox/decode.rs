// SPDX-License-Identifier: MIT OR Apache-2.0
//! `decode_message`: a Heka message as a Lua table.

use heka_core::wire::MessageView;
use mlua::{Lua, MultiValue, Table, Value};

use super::raise::Raise;
use super::read::{FieldParts, fields};
use super::strict::{Refusal, walk};

/// Shortest message: Uuid and timestamp.
const MIN_MESSAGE: usize = 20;

/// Takes the arguments of `decode_message`.
pub(super) fn decode_message(lua: &Lua, arguments: &MultiValue) -> Result<Value, Raise> {
    if arguments.len() != 1 {
        let count = i32::try_from(arguments.len()).unwrap_or(i32::MAX);
        return Err(Raise::Argument(count, "incorrect number of arguments".to_owned()));
    }
    let text = match arguments.front() {
        Some(value @ (Value::String(_) | Value::Integer(_) | Value::Number(_))) => {
            lua.coerce_string(value.clone())?
        }
        _ => None,
    };
    let Some(text) = text else {
        return Err(Raise::wrong_type(1, "string or userdata", arguments.front()));
    };
    let message = text.as_bytes();
    if message.len() < MIN_MESSAGE {
        return Err(Raise::here("invalid message, too short"));
    }
    walk(&message, |field| FieldParts::parse(field).map(drop)).map_err(|refusal| {
        Raise::Here(match refusal {
            Refusal::Element { tag, wire, offset } => {
                format!("error in tag: {tag} wiretype: {wire} offset: {offset}")
            }
            Refusal::Missing { uuid, timestamp } => {
                let found = |there| if there { "found" } else { "not found" };
                let (uuid, timestamp) = (found(uuid), found(timestamp));
                format!("missing required field uuid: {uuid} timestamp: {timestamp}")
            }
        })
    })?;
    Ok(Value::Table(to_table(lua, &message)?))
}

fn to_table(lua: &Lua, message: &[u8]) -> mlua::Result<Table> {
    let table = headers(lua, &MessageView::parse(message).unwrap_or_default())?;
    let fields = fields(message);
    if !fields.is_empty() {
        let list = lua.create_table()?;
        for field in fields.into_iter().filter_map(|field| FieldParts::parse(field).ok()) {
            list.raw_push(field_table(lua, &field)?)?;
        }
        table.raw_set("Fields", list)?;
    }
    Ok(table)
}

/// A table with the headers of a message.
pub(super) fn headers(lua: &Lua, view: &MessageView<'_>) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let texts = [
        ("Uuid", view.uuid),
        ("Type", view.type_),
        ("Logger", view.logger),
        ("Payload", view.payload),
        ("EnvVersion", view.env_version),
        ("Hostname", view.hostname),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            table.raw_set(name, lua.create_string(text)?)?;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "Lua's numbers are doubles")]
    let timestamp = view.timestamp.map(|timestamp| timestamp as f64);
    let numbers = [
        ("Timestamp", timestamp),
        ("Severity", view.severity.map(f64::from)),
        ("Pid", view.pid.map(f64::from)),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            table.raw_set(name, number)?;
        }
    }
    Ok(table)
}

fn field_table(lua: &Lua, field: &FieldParts<'_>) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    if let Some(name) = field.name {
        table.raw_set("name", lua.create_string(name)?)?;
    }
    if let Some(value_type) = field.value_type {
        table.raw_set("value_type", value_type)?;
    }
    if let Some(representation) = field.representation {
        table.raw_set("representation", lua.create_string(representation)?)?;
    }
    let values = lua.create_table()?;
    for value in &field.values {
        values.raw_push(value.to_lua(lua)?)?;
    }
    table.raw_set("value", values)?;
    Ok(table)
}
