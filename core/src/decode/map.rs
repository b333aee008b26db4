// SPDX-License-Identifier: MIT OR Apache-2.0
//! JSON objects of any shape, and logfmt, to messages: some members become headers, all others
//! fields.
//!
//! Members of nested objects get names joined by dots (`http.status`); elements of arrays that hold
//! objects or mixed types get their index (`hops.0.host`). Numbers are INTEGER or DOUBLE, booleans
//! BOOL, an array of one such type a field with several values; `null` is skipped.

use super::cause::{Cause, Flaw};
use super::readers::{Readers, Target, typed};
use crate::codec::HeaderName;
use crate::codec::json::cursor::{Cursor, MAX_DEPTH, Token};
use crate::codec::json::number;
use crate::wire::{Full, Value, ValueType};

/// Separator in the names of nested members.
const SEPARATOR: u8 = b'.';

/// A map of members to headers.
#[derive(Clone, Debug, Default)]
pub struct Map {
    headers: Vec<(HeaderName, Vec<u8>)>,
    /// A prefix that is removed from members that do not become headers.
    prefix: &'static [u8],
    /// Whether the headers are a guess: a value that does not fit is then not a flaw.
    is_guess: bool,
}

/// Buffers reused from record to record.
#[derive(Clone, Debug, Default)]
pub(super) struct Rooms {
    /// The full name of the current member.
    pub(super) name: Vec<u8>,
    /// The text of a value.
    pub(super) text: Vec<u8>,
}

/// The common type of the elements of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// There are no elements.
    Nothing,
    Type(ValueType),
    /// The elements do not fit into one field.
    Mixed,
}

impl Map {
    /// Parses `HEADER=MEMBER[,…]`.
    ///
    /// # Errors
    /// A description of what is wrong.
    pub fn new(text: &str) -> Result<Self, String> {
        let pairs = text.split(',').filter(|pair| !pair.is_empty());
        let headers = pairs
            .map(|pair| {
                let (name, member) = pair
                    .split_once('=')
                    .ok_or_else(|| format!("expected HEADER=MEMBER: {pair}"))?;
                let header = HeaderName::named(name).ok_or_else(|| format!("no header {name}"))?;
                Ok((header, member.as_bytes().to_vec()))
            })
            .collect::<Result<_, String>>()?;
        Ok(Self { headers, ..Self::default() })
    }

    /// Creates a map for a preset.
    pub(super) fn of(pairs: &[(HeaderName, &str)]) -> Self {
        let headers = pairs.iter().map(|(header, member)| (*header, member.as_bytes().to_vec()));
        Self { headers: headers.collect(), is_guess: true, ..Self::default() }
    }

    /// Removes a prefix from members that do not become headers.
    #[must_use]
    pub(super) fn without_prefix(mut self, prefix: &'static [u8]) -> Self {
        self.prefix = prefix;
        self
    }

    /// Whether the map has no headers.
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty()
    }

    /// Reads a JSON object.
    pub(super) fn read_json(
        &self,
        record: &[u8],
        readers: &Readers,
        rooms: &mut Rooms,
        target: &mut Target,
    ) -> Result<(), Cause> {
        let mut cursor = Cursor::new(record);
        if cursor.value()? != Token::Object {
            return Err(Cause::new("not an object"));
        }
        rooms.name.clear();
        Walk { map: self, readers, rooms, target }.object(&mut cursor, 0)?;
        Ok(cursor.finish()?)
    }

    /// Returns the header that a member becomes, unless it has been set by another one.
    #[inline]
    pub(super) fn header_of(&self, name: &[u8], target: &Target) -> Option<HeaderName> {
        let found =
            self.headers.iter().find(|(header, member)| member == name && !target.has(*header));
        found.map(|(header, _)| *header)
    }

    /// Returns the name of the field that a member becomes.
    fn field_name<'a>(&self, name: &'a [u8]) -> &'a [u8] {
        let rest = name.strip_prefix(self.prefix).unwrap_or(name);
        if rest.is_empty() { name } else { rest }
    }
}

/// One traversal of a record.
struct Walk<'a> {
    map: &'a Map,
    readers: &'a Readers,
    rooms: &'a mut Rooms,
    target: &'a mut Target,
}

impl Walk<'_> {
    /// Reads the members of an object, after its opening bracket.
    fn object(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Result<(), Cause> {
        if depth > MAX_DEPTH {
            return Err(Cause::new("nested too deeply"));
        }
        let len = self.rooms.name.len();
        let mut is_first = true;
        while let Some(name) = cursor.member(is_first)? {
            is_first = false;
            if depth > 0 {
                self.rooms.name.push(SEPARATOR);
            }
            name.put(&mut self.rooms.name);
            self.value(cursor, depth)?;
            self.rooms.name.truncate(len);
        }
        Ok(())
    }

    /// Reads the value of the current member.
    #[inline]
    fn value(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Result<(), Cause> {
        let header = self.map.header_of(&self.rooms.name, self.target);
        let token = cursor.value()?;
        match token {
            Token::Null => return Ok(()),
            Token::Object => {
                self.miss(header, b"{...}");
                return self.object(cursor, depth + 1);
            }
            Token::Array => return self.array(header, cursor, depth + 1),
            _ => {}
        }
        let Rooms { name, text } = &mut *self.rooms;
        match header {
            Some(header) => {
                let words = match &token {
                    Token::String(found) => found.read(text),
                    Token::Number(number) => number,
                    Token::Bool(true) => b"true",
                    Token::Bool(false) => b"false",
                    _ => b"NaN",
                };
                self.readers.set(self.target, header, name, words)?;
            }
            None => put_scalar(self.readers, self.target, self.map.field_name(name), &token, text)?,
        }
        Ok(())
    }

    /// Reports a value that a header cannot hold.
    fn miss(&mut self, header: Option<HeaderName>, value: &[u8]) {
        if header.is_some() && !self.map.is_guess {
            self.target.flaws.add(Flaw::Header, &self.rooms.name, value);
        }
    }

    /// Reads the elements of an array, after its opening bracket.
    fn array(
        &mut self,
        header: Option<HeaderName>,
        cursor: &mut Cursor<'_>,
        depth: usize,
    ) -> Result<(), Cause> {
        let kind = kind_of(*cursor)?;
        if let (Some(header), Kind::Type(ValueType::Integer)) = (header, kind)
            && is_text(header)
            && self.bytes(header, cursor)?
        {
            return Ok(());
        }
        self.miss(header, b"[...]");
        if depth > MAX_DEPTH {
            return Err(Cause::new("nested too deeply"));
        }
        match kind {
            Kind::Mixed => self.elements(cursor, depth),
            Kind::Nothing => self.list(cursor, ValueType::String),
            Kind::Type(value_type) => self.list(cursor, value_type),
        }
    }

    /// Reads elements that become fields of their own.
    fn elements(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Result<(), Cause> {
        let len = self.rooms.name.len();
        let mut index = 0_usize;
        while cursor.element(index == 0)? {
            self.rooms.name.push(SEPARATOR);
            self.rooms.name.extend_from_slice(itoa::Buffer::new().format(index).as_bytes());
            self.value(cursor, depth)?;
            self.rooms.name.truncate(len);
            index += 1;
        }
        Ok(())
    }

    /// Reads elements of one type into one field.
    fn list(&mut self, cursor: &mut Cursor<'_>, value_type: ValueType) -> Result<(), Cause> {
        let Rooms { name, text } = &mut *self.rooms;
        let draft = &mut self.target.draft;
        draft.open_list();
        let mut is_first = true;
        while cursor.element(is_first)? {
            is_first = false;
            let token = cursor.value()?;
            draft.push(match (value_type, token) {
                (_, Token::Bool(truth)) => Value::Bool(truth),
                (ValueType::Integer, Token::Number(written)) => number::value(written),
                (ValueType::Double, Token::Number(written)) => match number::value(written) {
                    Value::Integer(integer) => Value::Double(integer as f64),
                    value => value,
                },
                (_, Token::NotFinite(number)) => Value::Double(number),
                (_, Token::Number(written)) => Value::String(written),
                (_, Token::String(found)) => Value::String(found.read(text)),
                _ => continue,
            })?;
        }
        Ok(draft.close_list(self.map.field_name(name), value_type)?)
    }

    /// Reads text given as an array of bytes, as journald does for text that is not UTF-8.
    fn bytes(&mut self, header: HeaderName, cursor: &mut Cursor<'_>) -> Result<bool, Cause> {
        let mut ahead = *cursor;
        let Rooms { name, text } = &mut *self.rooms;
        text.clear();
        while ahead.element(text.is_empty())? {
            let Token::Number(written) = ahead.value()? else { return Ok(false) };
            match number::integer(written).and_then(|number| u8::try_from(number).ok()) {
                Some(byte) => text.push(byte),
                None => return Ok(false),
            }
        }
        *cursor = ahead;
        self.readers.set(self.target, header, name, text)?;
        Ok(true)
    }
}

/// Adds a field with one value.
#[inline]
fn put_scalar(
    readers: &Readers,
    target: &mut Target,
    name: &[u8],
    token: &Token<'_>,
    room: &mut Vec<u8>,
) -> Result<(), Full> {
    let value_type = readers.type_of(name);
    let value = match token {
        Token::String(text) => {
            let text = text.read(room);
            return match value_type {
                None => target.put(name, text),
                Some(value_type) => super::readers::put_typed(target, name, b"", value_type, text),
            };
        }
        Token::Number(written) => match value_type {
            Some(value_type) => {
                typed(value_type, written).unwrap_or_else(|| number::value(written))
            }
            None => number::value(written),
        },
        Token::NotFinite(number) => Value::Double(*number),
        Token::Bool(truth) if value_type == Some(ValueType::String) => {
            Value::String(if *truth { b"true" } else { b"false" })
        }
        Token::Bool(truth) => Value::Bool(*truth),
        Token::Null | Token::Array | Token::Object => return Ok(()),
    };
    target.draft.put_field(name, b"", value)
}

/// Whether a header is text.
fn is_text(header: HeaderName) -> bool {
    !matches!(
        header,
        HeaderName::Uuid | HeaderName::Timestamp | HeaderName::Severity | HeaderName::Pid
    )
}

/// Returns the common type of the elements; the cursor is a copy.
fn kind_of(mut cursor: Cursor<'_>) -> Result<Kind, Cause> {
    let mut kind = Kind::Nothing;
    let mut has_large = false;
    while cursor.element(kind == Kind::Nothing)? {
        let found = match cursor.value()? {
            Token::String(_) => Kind::Type(ValueType::String),
            Token::Bool(_) => Kind::Type(ValueType::Bool),
            Token::NotFinite(_) => Kind::Type(ValueType::Double),
            Token::Number(written) => match number::value(written) {
                Value::Integer(integer) => {
                    has_large |= !is_exact_as_double(integer);
                    Kind::Type(ValueType::Integer)
                }
                Value::Double(_) => Kind::Type(ValueType::Double),
                // Not exact as a number: all numbers become text.
                _ => Kind::Type(ValueType::Bytes),
            },
            Token::Null | Token::Array | Token::Object => return Ok(Kind::Mixed),
        };
        kind = match (kind, found) {
            (Kind::Nothing, found) => found,
            (one, other) if one == other => one,
            (Kind::Type(one), Kind::Type(other)) => match joined(one, other) {
                Some(joined) => Kind::Type(joined),
                None => return Ok(Kind::Mixed),
            },
            _ => return Ok(Kind::Mixed),
        };
    }
    // BYTES stands for numbers as text here.
    let is_text =
        kind == Kind::Type(ValueType::Bytes) || has_large && kind == Kind::Type(ValueType::Double);
    Ok(if is_text { Kind::Type(ValueType::String) } else { kind })
}

/// Whether a double represents the integer exactly.
fn is_exact_as_double(integer: i64) -> bool {
    let digits = integer.unsigned_abs();
    let len = u64::BITS - digits.leading_zeros();
    len.saturating_sub(digits.trailing_zeros()) <= f64::MANTISSA_DIGITS
}

/// Returns the type that holds numbers of both types.
fn joined(one: ValueType, other: ValueType) -> Option<ValueType> {
    use ValueType::{Bytes, Double, Integer};
    match (one, other) {
        (Integer, Double) | (Double, Integer) => Some(Double),
        (Bytes, Integer | Double) | (Integer | Double, Bytes) => Some(Bytes),
        _ => None,
    }
}
