// SPDX-License-Identifier: MIT OR Apache-2.0
//! JSON objects of any shape, and logfmt, to messages: some members become headers, all others
//! fields.
//!
//! Members of objects in objects get names joined by dots (`http.status`), elements of arrays that
//! hold objects or several types their number (`hops.0.host`). Numbers are INTEGER or DOUBLE,
//! booleans BOOL, an array of one such type a field of several values; `null` is skipped.

use super::cause::{Cause, Flaw};
use super::readers::{Readers, Target, typed};
use crate::codec::HeaderName;
use crate::codec::json::cursor::{Cursor, MAX_DEPTH, Token};
use crate::codec::json::number;
use crate::wire::{Full, Value, ValueType};

/// What separates the names of nested members.
const SEPARATOR: u8 = b'.';

/// Which members become headers.
#[derive(Clone, Debug, Default)]
pub struct Map {
    headers: Vec<(HeaderName, Vec<u8>)>,
    /// A prefix that members other than headers lose.
    prefix: &'static [u8],
    /// The headers are a guess: one that does not fit is no flaw.
    is_guess: bool,
}

/// Buffers that are used for one record after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Rooms {
    /// The whole name of the member at hand.
    pub(super) name: Vec<u8>,
    /// The text of a value.
    pub(super) text: Vec<u8>,
}

/// What the elements of an array have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// There are none.
    Nothing,
    Type(ValueType),
    /// Nothing that a field could hold.
    Mixed,
}

impl Map {
    /// Reads `HEADER=MEMBER[,…]`.
    ///
    /// # Errors
    /// Words on what is wrong.
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

    /// The same, for presets.
    pub(super) fn of(pairs: &[(HeaderName, &str)]) -> Self {
        let headers = pairs.iter().map(|(header, member)| (*header, member.as_bytes().to_vec()));
        Self { headers: headers.collect(), is_guess: true, ..Self::default() }
    }

    /// Members that do not become headers lose this prefix.
    #[must_use]
    pub(super) fn without_prefix(mut self, prefix: &'static [u8]) -> Self {
        self.prefix = prefix;
        self
    }

    /// Whether it has no headers.
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

    /// The header that a member becomes, unless another one has.
    #[inline]
    pub(super) fn header_of(&self, name: &[u8], target: &Target) -> Option<HeaderName> {
        let found =
            self.headers.iter().find(|(header, member)| member == name && !target.has(*header));
        found.map(|(header, _)| *header)
    }

    /// The name of the field that a member becomes.
    fn field_name<'a>(&self, name: &'a [u8]) -> &'a [u8] {
        let rest = name.strip_prefix(self.prefix).unwrap_or(name);
        if rest.is_empty() { name } else { rest }
    }
}

/// The walk over one record.
struct Walk<'a> {
    map: &'a Map,
    readers: &'a Readers,
    rooms: &'a mut Rooms,
    target: &'a mut Target,
}

impl Walk<'_> {
    /// The members of an object whose bracket is done with.
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

    /// The value of the member that is named in the room for it.
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

    /// A header does not take what its member holds.
    fn miss(&mut self, header: Option<HeaderName>, value: &[u8]) {
        if header.is_some() && !self.map.is_guess {
            self.target.flaws.add(Flaw::Header, &self.rooms.name, value);
        }
    }

    /// The elements of an array whose bracket is done with.
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

    /// Elements that get a name each.
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

    /// Elements of one type: values of one field.
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

    /// Text that is written as an array of bytes, as journald does with what is not UTF-8.
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

/// Adds a field of one value.
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

/// What the elements have in common; the cursor is a copy.
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
                // No number gives it back: all numbers become text.
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
    // So far BYTES meant numbers as text.
    let is_text =
        kind == Kind::Type(ValueType::Bytes) || has_large && kind == Kind::Type(ValueType::Double);
    Ok(if is_text { Kind::Type(ValueType::String) } else { kind })
}

/// Whether a double gives the integer back.
fn is_exact_as_double(integer: i64) -> bool {
    let digits = integer.unsigned_abs();
    let len = u64::BITS - digits.leading_zeros();
    len.saturating_sub(digits.trailing_zeros()) <= f64::MANTISSA_DIGITS
}

/// The type that holds numbers of both.
fn joined(one: ValueType, other: ValueType) -> Option<ValueType> {
    use ValueType::{Bytes, Double, Integer};
    match (one, other) {
        (Integer, Double) | (Double, Integer) => Some(Double),
        (Bytes, Integer | Double) | (Integer | Double, Bytes) => Some(Bytes),
        _ => None,
    }
}
