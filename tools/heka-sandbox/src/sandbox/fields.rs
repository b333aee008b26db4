// SPDX-License-Identifier: MIT OR Apache-2.0
//! Converts a Lua table to a Heka message: headers, then fields in either of their two forms.
//!
//! The bytes are those that `lua_sandbox` writes, with two differences. A message may use all of
//! `output_limit` (there, up to ten bytes of each length are held back), and a rejection always
//! gives its own reason (there, an earlier one of the same call may be repeated).

use std::borrow::Cow;

use heka_core::wire::varint::{put_bytes, put_int64, put_tag};
use mlua::{AnyUserData, Lua, LuaString, Table, Value};

use super::raise::{Raise, type_name};
use super::usual::name;
use super::values::{
    Kind, Values, double, integer, limit, number_member, parse_uuid, put_identity, put_scalar,
};
use super::{Settings, native};

/// Maximum nesting of `{value = {value = …}}`.
const MAX_DEPTH: usize = 100;

/// Strings looked up in every message, created once, and the values of missing headers.
#[derive(Debug)]
pub(super) struct Words {
    uuid: LuaString,
    timestamp: LuaString,
    type_: LuaString,
    logger: LuaString,
    severity: LuaString,
    payload: LuaString,
    env_version: LuaString,
    pid: LuaString,
    hostname: LuaString,
    fields: LuaString,
    default_logger: Value,
    default_hostname: Value,
    default_pid: Value,
    /// The same by the numbers of [`name`].
    pub(super) list: Table,
}

impl Words {
    /// Creates the strings.
    pub(super) fn new(lua: &Lua, settings: &Settings) -> mlua::Result<Self> {
        let text = |text: &Option<Vec<u8>>| match text {
            Some(text) => lua.create_string(text).map(Value::String),
            None => Ok(Value::Nil),
        };
        let list = lua.create_sequence_from(name::ALL)?;
        let (default_logger, default_hostname) =
            (text(&settings.logger)?, text(&settings.hostname)?);
        let default_pid = settings.pid.map_or(Value::Nil, Value::Number);
        for (name, default) in [
            (name::LOGGER, &default_logger),
            (name::PID, &default_pid),
            (name::HOSTNAME, &default_hostname),
        ] {
            list.raw_set(name::DEFAULT + name, default)?;
        }
        Ok(Self {
            uuid: lua.create_string("Uuid")?,
            timestamp: lua.create_string("Timestamp")?,
            type_: lua.create_string("Type")?,
            logger: lua.create_string("Logger")?,
            severity: lua.create_string("Severity")?,
            payload: lua.create_string("Payload")?,
            env_version: lua.create_string("EnvVersion")?,
            pid: lua.create_string("Pid")?,
            hostname: lua.create_string("Hostname")?,
            fields: lua.create_string("Fields")?,
            default_logger,
            default_hostname,
            default_pid,
            list,
        })
    }
}

/// Buffers reused from message to message.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The message.
    pub(super) message: Vec<u8>,
    /// The time of the message being decoded, which a Lua number represents only approximately.
    pub(super) timestamp: Option<i64>,
    /// A field.
    pub(super) field: Vec<u8>,
    /// Its values, if they are several numbers.
    pub(super) packed: Vec<u8>,
}

/// Encodes the message in `table`. Missing headers are set in the table too.
pub(super) fn put_message(
    lua: &Lua,
    settings: &Settings,
    words: &Words,
    scratch: &mut Scratch,
    table: &Table,
) -> Result<(), Raise> {
    scratch.message.clear();
    scratch.field.clear();
    let exact = scratch.timestamp;
    let Scratch { message: out, field, packed, .. } = scratch;
    let mut message = Encoder { lua, out, limit: limit(settings), field, packed };
    message.put_identity(settings, words, table, exact)?;
    message.put_text(3, &table.get(&words.type_)?)?;
    let restricted = settings.restricted_headers;
    let default = |name, value| default(table, name, restricted, value);
    message.put_text(4, default(&words.logger, &words.default_logger)?.as_ref())?;
    message.put_number(5, &table.get(&words.severity)?)?;
    message.put_text(6, &table.get(&words.payload)?)?;
    message.put_text(7, &table.get(&words.env_version)?)?;
    message.put_number(8, default(&words.pid, &words.default_pid)?.as_ref())?;
    message.put_text(9, default(&words.hostname, &words.default_hostname)?.as_ref())?;
    if let Value::Table(fields) = table.get(&words.fields)? {
        message.put_fields(&fields)?;
    }
    message.check()
}

/// Returns a header of the table, or the host's value if it is missing or `restricted`.
fn default<'a>(
    table: &Table,
    name: &LuaString,
    restricted: bool,
    value: &'a Value,
) -> Result<Cow<'a, Value>, Raise> {
    let given: Value = table.get(name)?;
    if !restricted && !given.is_nil() {
        return Ok(Cow::Owned(given));
    }
    if !(given.is_nil() && value.is_nil()) {
        table.set(name, value)?;
    }
    Ok(Cow::Borrowed(value))
}

/// Creates the error `inject_message() failed: REASON`.
fn failed(reason: impl std::fmt::Display) -> Raise {
    Raise::Here(format!("inject_message() failed: {reason}"))
}

struct Encoder<'a> {
    lua: &'a Lua,
    out: &'a mut Vec<u8>,
    limit: usize,
    /// The field being encoded.
    field: &'a mut Vec<u8>,
    packed: &'a mut Vec<u8>,
}

/// The attributes of a field's value.
#[derive(Clone, Default)]
struct Shape {
    value_type: Option<i64>,
    representation: Option<LuaString>,
    /// The owner of a light userdata.
    userdata: Option<AnyUserData>,
}

impl Encoder<'_> {
    fn check(&self) -> Result<(), Raise> {
        if self.out.len() + self.field.len() > self.limit {
            return Err(failed("exceeded output_limit"));
        }
        Ok(())
    }

    fn put_identity(
        &mut self,
        settings: &Settings,
        words: &Words,
        table: &Table,
        exact: Option<i64>,
    ) -> Result<(), Raise> {
        let (mut uuid, mut timestamp) = (None, None);
        if !settings.restricted_headers {
            if let Value::String(text) = table.get(&words.uuid)? {
                uuid = parse_uuid(&text.as_bytes());
            }
            timestamp = self.number(&table.get(&words.timestamp)?);
        }
        put_identity(self.out, uuid, timestamp, exact);
        Ok(())
    }

    fn put_text(&mut self, number: u32, value: &Value) -> Result<(), Raise> {
        match value {
            Value::String(text) => self.put_string(number, text),
            Value::Integer(_) | Value::Number(_) => match self.text(value)? {
                Some(text) => self.put_string(number, &text),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn put_string(&mut self, number: u32, text: &LuaString) -> Result<(), Raise> {
        let text = text.as_bytes();
        if text.len() > self.limit {
            return Err(failed("exceeded output_limit"));
        }
        put_bytes(self.out, number, &text);
        self.check()
    }

    fn put_number(&mut self, number: u32, value: &Value) -> Result<(), Raise> {
        if let Some(value) = self.number(value) {
            put_int64(self.out, number, integer(value));
        }
        self.check()
    }

    /// Converts strings and numbers to text.
    fn text(&self, value: &Value) -> Result<Option<LuaString>, Raise> {
        match value {
            Value::String(text) => Ok(Some(text.clone())),
            Value::Integer(_) | Value::Number(_) => Ok(self.lua.coerce_string(value.clone())?),
            _ => Ok(None),
        }
    }

    /// Converts numbers, and strings that look like one.
    fn number(&self, value: &Value) -> Option<f64> {
        match value {
            Value::Number(_) | Value::Integer(_) => Some(double(value)),
            Value::String(_) => self.lua.coerce_number(value.clone()).ok().flatten(),
            _ => None,
        }
    }

    fn put_fields(&mut self, fields: &Table) -> Result<(), Raise> {
        if !matches!(fields.raw_get(1)?, Value::Table(_)) {
            for pair in fields.pairs::<Value, Value>() {
                let (name, value) = pair?;
                let Value::String(name) = name else {
                    return Err(failed("field name must be a string"));
                };
                self.put_field(&name, &value, &Shape::default())?;
            }
            return Ok(());
        }
        for index in 1.. {
            let object = match fields.raw_get(index)? {
                Value::Nil => break,
                Value::Table(object) => object,
                other => {
                    let name = type_name(&other);
                    return Err(Raise::here(format!("attempt to index a {name} value")));
                }
            };
            let Some(name) = self.text(&object.get("name")?)? else {
                return Err(failed("field name must be a string"));
            };
            let shape = self.shape(&object, Shape::default())?;
            self.put_field(&name, &object.get("value")?, &shape)?;
        }
        Ok(())
    }

    /// Returns the object's own attributes, otherwise the outer ones.
    fn shape(&self, object: &Table, outer: Shape) -> Result<Shape, Raise> {
        let value_type = self.number(&object.get("value_type")?).map(integer);
        let representation = self.text(&object.get("representation")?)?;
        Ok(Shape {
            value_type: value_type.or(outer.value_type),
            representation: representation.or(outer.representation),
            userdata: object.get::<Option<AnyUserData>>("userdata").unwrap_or_default(),
        })
    }

    fn put_field(&mut self, name: &LuaString, value: &Value, shape: &Shape) -> Result<(), Raise> {
        self.field.clear();
        put_bytes(self.field, 1, &name.as_bytes());
        self.put_value(value, shape, 0)?;
        put_bytes(self.out, 10, self.field);
        self.field.clear();
        self.check()
    }

    fn put_value(&mut self, value: &Value, shape: &Shape, depth: usize) -> Result<(), Raise> {
        match value {
            Value::String(_) | Value::Integer(_) | Value::Number(_) | Value::Boolean(_) => {
                self.put_values(&Values::One(value), shape)
            }
            Value::Table(_) if depth == MAX_DEPTH => Err(failed("value nests too deeply")),
            Value::Table(table) => match table.raw_get(1)? {
                Value::String(_) | Value::Integer(_) | Value::Number(_) | Value::Boolean(_) => {
                    self.put_values(&Values::Array(table, table.raw_len()), shape)
                }
                Value::Nil => {
                    let shape = self.shape(table, shape.clone())?;
                    self.put_value(&table.get("value")?, &shape, depth + 1)
                }
                other => Err(failed(format_args!("unsupported array type: {}", type_name(&other)))),
            },
            Value::UserData(userdata) => self.put_native(&Value::Nil, userdata, shape),
            Value::LightUserData(_) => match &shape.userdata {
                Some(userdata) => self.put_native(value, userdata, shape),
                None => Err(failed("a lightuserdata output must also specify a userdata value")),
            },
            other => Err(failed(format_args!("unsupported type: {}", type_name(other)))),
        }
    }

    /// Writes a value that a C module encodes itself.
    fn put_native(
        &mut self,
        value: &Value,
        userdata: &AnyUserData,
        shape: &Shape,
    ) -> Result<(), Raise> {
        let bytes = native::output(self.lua, self.limit, value, userdata)?;
        let bytes = bytes.ok_or_else(|| failed("userdata object does not implement lsb_output"))?;
        put_int64(self.field, 2, 1);
        if let Some(representation) = &shape.representation {
            put_bytes(self.field, 3, &representation.as_bytes());
        }
        put_bytes(self.field, 5, &bytes.as_bytes());
        self.check()
    }

    fn put_values(&mut self, values: &Values<'_>, shape: &Shape) -> Result<(), Raise> {
        let first = values.get(1)?;
        for index in 2..=values.len() {
            if type_name(&values.get(index)?) != type_name(&first) {
                return Err(failed("array has mixed types"));
            }
        }
        let kind = match first {
            Value::String(_) => Kind::Text,
            Value::Boolean(_) => Kind::Bool,
            _ => Kind::Number,
        };
        let value_type = kind.value_type(shape.value_type).map_err(|value_type| {
            failed(format_args!("invalid {} value_type: {value_type}", kind.word()))
        })?;
        if value_type != 0 {
            put_int64(self.field, 2, value_type);
        }
        if let Some(representation) = &shape.representation {
            put_bytes(self.field, 3, &representation.as_bytes());
        }
        match value_type {
            2..=4 => self.put_numbers(values, value_type)?,
            _ => {
                let number = if value_type == 1 { 5 } else { 4 };
                for index in 1..=values.len() {
                    if let Value::String(text) = values.get(index)? {
                        put_bytes(self.field, number, &text.as_bytes());
                    }
                    self.check()?;
                }
            }
        }
        self.check()
    }

    /// Writes a single value, or several as packed.
    fn put_numbers(&mut self, values: &Values<'_>, value_type: i64) -> Result<(), Raise> {
        let (number, wire) = number_member(value_type);
        if values.len() == 1 {
            put_tag(self.field, number, wire);
            put_scalar(self.field, value_type, double(&values.get(1)?));
            return Ok(());
        }
        self.packed.clear();
        for index in 1..=values.len() {
            put_scalar(self.packed, value_type, double(&values.get(index)?));
            if self.packed.len() > self.limit {
                return Err(failed("exceeded output_limit"));
            }
        }
        put_bytes(self.field, number, self.packed);
        Ok(())
    }
}
