// SPDX-License-Identifier: MIT OR Apache-2.0
//! A fast path from common tables to Heka messages, with the same result as [`super::fields`], which
//! handles everything else: metatables, values that need a conversion or come from C modules,
//! `restricted_headers`, and errors.

use std::ffi::c_int;

use heka_core::wire::varint::{put_bytes, put_int64, put_tag};

use super::Settings;
use super::fields::Scratch;
use super::stack::{Item, Stack};
use super::values::{Kind, integer, limit, number_member, parse_uuid, put_identity, put_scalar};

/// Maximum depth of a value with its own type in another one.
const MAX_DEPTH: usize = 1;

/// Names by numbers. The number of a header is its number in a message.
pub(super) mod name {
    use std::ffi::c_int;

    pub(crate) const UUID: c_int = 1;
    pub(crate) const TIMESTAMP: c_int = 2;
    pub(crate) const TYPE: c_int = 3;
    pub(crate) const LOGGER: c_int = 4;
    pub(crate) const SEVERITY: c_int = 5;
    pub(crate) const PAYLOAD: c_int = 6;
    pub(crate) const ENV_VERSION: c_int = 7;
    pub(crate) const PID: c_int = 8;
    pub(crate) const HOSTNAME: c_int = 9;
    pub(crate) const FIELDS: c_int = 10;
    pub(crate) const NAME: c_int = 11;
    pub(crate) const VALUE: c_int = 12;
    pub(crate) const VALUE_TYPE: c_int = 13;
    pub(crate) const REPRESENTATION: c_int = 14;

    /// Added to the number of a header, gives the number of its default.
    pub(crate) const DEFAULT: c_int = 14;

    /// The names, from 1 on.
    pub(crate) const ALL: [&str; 14] = [
        "Uuid",
        "Timestamp",
        "Type",
        "Logger",
        "Severity",
        "Payload",
        "EnvVersion",
        "Pid",
        "Hostname",
        "Fields",
        "name",
        "value",
        "value_type",
        "representation",
    ];
}

/// Headers, and whether the table lacks them and gets their defaults.
pub(super) type Missing = [(c_int, bool); 3];

/// Encodes the table at that index. `None` if it is not a common one.
pub(super) fn put_message(
    stack: &Stack<'_>,
    table: c_int,
    settings: &Settings,
    scratch: &mut Scratch,
) -> Option<Missing> {
    if settings.restricted_headers {
        return None;
    }
    scratch.message.clear();
    scratch.field.clear();
    let exact = scratch.timestamp;
    let Scratch { message: out, field, packed, .. } = scratch;
    let mut message = Encoder { stack, out, field, packed, limit: limit(settings) };
    message.put_identity(table, exact)?;
    message.put_text(table, name::TYPE, None)?;
    let logger = message.put_text(table, name::LOGGER, settings.logger.as_deref())?;
    message.put_number(table, name::SEVERITY, None)?;
    message.put_text(table, name::PAYLOAD, None)?;
    message.put_text(table, name::ENV_VERSION, None)?;
    let pid = message.put_number(table, name::PID, settings.pid)?;
    let hostname = message.put_text(table, name::HOSTNAME, settings.hostname.as_deref())?;
    match stack.member(table, name::FIELDS) {
        Item::Nil => {}
        Item::Table(fields) => message.put_fields(fields)?,
        _ => return None,
    }
    message.check()?;
    Some([(name::LOGGER, logger), (name::PID, pid), (name::HOSTNAME, hostname)])
}

struct Encoder<'s, 'a> {
    stack: &'s Stack<'a>,
    out: &'s mut Vec<u8>,
    /// The field being made.
    field: &'s mut Vec<u8>,
    packed: &'s mut Vec<u8>,
    limit: usize,
}

/// What accompanies a field's value.
#[derive(Clone, Copy, Default)]
struct Shape<'a> {
    value_type: Option<i64>,
    representation: Option<&'a [u8]>,
}

impl<'a> Encoder<'_, 'a> {
    fn check(&self) -> Option<()> {
        (self.out.len() + self.field.len() <= self.limit).then_some(())
    }

    fn put_identity(&mut self, table: c_int, exact: Option<i64>) -> Option<()> {
        let uuid = match self.stack.member(table, name::UUID) {
            Item::Nil => None,
            Item::Text(text) => parse_uuid(text),
            _ => return None,
        };
        let timestamp = match self.stack.member(table, name::TIMESTAMP) {
            Item::Nil => None,
            Item::Number(number) => Some(number),
            _ => return None,
        };
        put_identity(self.out, uuid, timestamp, exact);
        Some(())
    }

    /// Appends a header or its default, and returns whether it was the default.
    fn put_text(&mut self, table: c_int, name: c_int, default: Option<&[u8]>) -> Option<bool> {
        let given = match self.stack.member(table, name) {
            Item::Nil => None,
            Item::Text(text) => Some(text),
            _ => return None,
        };
        if let Some(text) = given.or(default) {
            if text.len() > self.limit {
                return None;
            }
            put_bytes(self.out, name.unsigned_abs(), text);
            self.check()?;
        }
        Some(given.is_none() && default.is_some())
    }

    /// The same for a number.
    fn put_number(&mut self, table: c_int, name: c_int, default: Option<f64>) -> Option<bool> {
        let given = match self.stack.member(table, name) {
            Item::Nil => None,
            Item::Number(number) => Some(number),
            _ => return None,
        };
        if let Some(number) = given.or(default) {
            put_int64(self.out, name.unsigned_abs(), integer(number));
        }
        Some(given.is_none() && default.is_some())
    }

    fn put_fields(&mut self, fields: c_int) -> Option<()> {
        let stack = self.stack;
        match stack.element(fields, 1) {
            Item::Table(_) => {
                stack.cut(fields);
                self.put_list(fields)
            }
            Item::Other => None,
            _ => stack.each(fields, |name, value| {
                let Item::Text(name) = name else { return None };
                self.put_field(name, value, Shape::default())
            }),
        }
    }

    /// `{{name = …, value = …}, …}`.
    fn put_list(&mut self, fields: c_int) -> Option<()> {
        for number in 1.. {
            let object = match self.stack.element(fields, number) {
                Item::Nil => break,
                Item::Table(object) => object,
                _ => return None,
            };
            let Item::Text(name) = self.stack.member(object, name::NAME) else { return None };
            let shape = self.shape(object, Shape::default())?;
            let value = self.stack.member(object, name::VALUE);
            self.put_field(name, value, shape)?;
            self.stack.cut(fields);
        }
        Some(())
    }

    /// Returns the object's own shape, completed by the outer one.
    fn shape(&self, object: c_int, outer: Shape<'a>) -> Option<Shape<'a>> {
        let value_type = match self.stack.member(object, name::VALUE_TYPE) {
            Item::Nil => outer.value_type,
            Item::Number(number) => Some(integer(number)),
            _ => return None,
        };
        let representation = match self.stack.member(object, name::REPRESENTATION) {
            Item::Nil => outer.representation,
            Item::Text(text) => Some(text),
            _ => return None,
        };
        Some(Shape { value_type, representation })
    }

    fn put_field(&mut self, name: &[u8], value: Item<'a>, shape: Shape<'a>) -> Option<()> {
        self.field.clear();
        put_bytes(self.field, 1, name);
        self.put_value(value, shape, 0)?;
        put_bytes(self.out, 10, self.field);
        self.field.clear();
        self.check()
    }

    fn put_value(&mut self, value: Item<'a>, shape: Shape<'a>, depth: usize) -> Option<()> {
        let Item::Table(table) = value else { return self.put_values(value, None, shape) };
        let top = self.stack.top();
        match self.stack.element(table, 1) {
            Item::Nil if depth <= MAX_DEPTH => {
                let shape = self.shape(table, shape)?;
                let inner = self.stack.member(table, name::VALUE);
                self.put_value(inner, shape, depth + 1)?;
            }
            first => self.put_values(first, Some(table), shape)?,
        }
        self.stack.cut(top);
        Some(())
    }

    /// Appends one value, or those of a list.
    fn put_values(&mut self, first: Item<'a>, list: Option<c_int>, shape: Shape<'a>) -> Option<()> {
        let kind = kind(first)?;
        let value_type = kind.value_type(shape.value_type).ok()?;
        if value_type != 0 {
            put_int64(self.field, 2, value_type);
        }
        if let Some(representation) = shape.representation {
            put_bytes(self.field, 3, representation);
        }
        let count = list.map_or(Some(1), |list| self.stack.len(list))?;
        match (list, kind) {
            (Some(list), Kind::Text) => {
                for number in 1..=count {
                    let value @ Item::Text(_) = self.stack.element(list, number) else {
                        return None;
                    };
                    self.put_one(value, value_type)?;
                }
            }
            (Some(list), _) if count > 1 => self.put_packed(list, count, kind, value_type)?,
            _ => self.put_one(first, value_type)?,
        }
        self.check()
    }

    fn put_one(&mut self, value: Item<'a>, value_type: i64) -> Option<()> {
        match value {
            Item::Text(text) => {
                put_bytes(self.field, if value_type == 1 { 5 } else { 4 }, text);
                self.check()
            }
            value => {
                let (member, wire) = number_member(value_type);
                put_tag(self.field, member, wire);
                put_scalar(self.field, value_type, scalar(value)?);
                Some(())
            }
        }
    }

    fn put_packed(&mut self, list: c_int, count: c_int, all: Kind, value_type: i64) -> Option<()> {
        self.packed.clear();
        for number in 1..=count {
            let value = self.stack.element(list, number);
            if kind(value)? != all || self.packed.len() > self.limit {
                return None;
            }
            put_scalar(self.packed, value_type, scalar(value)?);
        }
        put_bytes(self.field, number_member(value_type).0, self.packed);
        Some(())
    }
}

fn kind(item: Item<'_>) -> Option<Kind> {
    match item {
        Item::Text(_) => Some(Kind::Text),
        Item::Number(_) => Some(Kind::Number),
        Item::Bool(_) => Some(Kind::Bool),
        Item::Nil | Item::Table(_) | Item::Other => None,
    }
}

fn scalar(item: Item<'_>) -> Option<f64> {
    match item {
        Item::Number(number) => Some(number),
        Item::Bool(bool) => Some(f64::from(u8::from(bool))),
        _ => None,
    }
}
