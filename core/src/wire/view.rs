// SPDX-License-Identifier: MIT OR Apache-2.0
//! A message read in place: slices of the frame, without copying or allocation.
//!
//! [`MessageView::parse`] visits every top-level tag once, which is enough to distinguish a message
//! from damage; values are decoded on demand. Fields are kept as bytes, and a lookup by name skips
//! the values of the other fields. Damage inside a field ends that field and keeps what was read of
//! it, as in Heka's own decoder; damage outside of fields makes the whole message invalid.

use super::message::{DEFAULT_SEVERITY, ValueType};
use super::varint::{Malformed, Reader, wire_type};

/// How far parsing of a message got.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// Members read, and bytes of groups.
    pub(super) members: usize,
    /// Offset of the last member; everything before it is valid.
    pub(super) checked: usize,
    /// Whether parsing stopped inside a group.
    pub(super) in_group: bool,
}

/// One borrowed message.
#[derive(Clone, Copy, Debug, Default)]
pub struct MessageView<'a> {
    /// The UUID, normally 16 bytes.
    pub uuid: Option<&'a [u8]>,
    /// Nanoseconds since 1970-01-01 UTC.
    pub timestamp: Option<i64>,
    /// Type.
    pub type_: Option<&'a [u8]>,
    /// Logger.
    pub logger: Option<&'a [u8]>,
    /// Severity as on the wire.
    pub severity: Option<i32>,
    /// Payload.
    pub payload: Option<&'a [u8]>,
    /// `EnvVersion`.
    pub env_version: Option<&'a [u8]>,
    /// Pid.
    pub pid: Option<i32>,
    /// Hostname.
    pub hostname: Option<&'a [u8]>,
    fields: &'a [u8],
}

impl<'a> MessageView<'a> {
    /// Parses a message.
    ///
    /// # Errors
    /// [`Malformed::Truncated`] if more bytes could complete a message, [`Malformed::Invalid`]
    /// otherwise.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        Self::parse_counting(bytes).0
    }

    /// Like [`MessageView::parse`], and also returns the progress, which is the cost of a failed
    /// attempt.
    pub(super) fn parse_counting(bytes: &'a [u8]) -> (Result<Self, Malformed>, Progress) {
        let mut view = Self::default();
        let mut progress = Progress::default();
        let outcome = view.read(bytes, &mut progress);
        (outcome.map(|()| view), progress)
    }

    /// Fills in the members of the message. It is inlined into its caller so that the view is built
    /// in place: copying a view costs as much as half of the parsing.
    #[inline(always)]
    pub(super) fn read(
        &mut self,
        bytes: &'a [u8],
        progress: &mut Progress,
    ) -> Result<(), Malformed> {
        let view = self;
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            progress.members += 1;
            let here = reader.rest();
            progress.checked = bytes.len() - here.len();
            let (number, wire) = reader.tag()?;
            match (number, wire) {
                (1, wire_type::LEN) => view.uuid = Some(reader.bytes()?),
                (2, wire_type::VARINT) => view.timestamp = Some(reader.varint()?.cast_signed()),
                (3, wire_type::LEN) => view.type_ = Some(reader.bytes()?),
                (4, wire_type::LEN) => view.logger = Some(reader.bytes()?),
                (5, wire_type::VARINT) => view.severity = Some(int32(reader.varint()?)),
                (6, wire_type::LEN) => view.payload = Some(reader.bytes()?),
                (7, wire_type::LEN) => view.env_version = Some(reader.bytes()?),
                (8, wire_type::VARINT) => view.pid = Some(int32(reader.varint()?)),
                (9, wire_type::LEN) => view.hostname = Some(reader.bytes()?),
                (10, wire_type::LEN) => {
                    reader.bytes()?;
                    if view.fields.is_empty() {
                        view.fields = here;
                    }
                }
                (1..=10, _) => return Err(Malformed::Invalid),
                (_, wire_type::START_GROUP) => {
                    let outcome = reader.skip(number, wire);
                    progress.members += here.len() - reader.rest().len();
                    progress.in_group = outcome.is_err();
                    outcome?;
                }
                _ => reader.skip(number, wire)?,
            }
        }
        Ok(())
    }

    /// Returns the severity, 7 if the message has none.
    pub fn severity(&self) -> i32 {
        self.severity.unwrap_or(DEFAULT_SEVERITY)
    }

    /// Whether there are fields.
    pub fn has_fields(&self) -> bool {
        !self.fields.is_empty()
    }

    /// Returns the bytes from the first field to the end of the message.
    pub fn field_bytes(&self) -> &'a [u8] {
        self.fields
    }

    /// Returns the fields in wire order.
    pub fn fields(&self) -> Fields<'a> {
        Fields { reader: Reader::new(self.fields) }
    }

    /// Returns the `index`-th field named `name`.
    pub fn field(&self, name: &[u8], index: usize) -> Option<FieldView<'a>> {
        self.fields().filter(|field| field.name == Some(name)).nth(index)
    }
}

/// One member of a message or of a group, with its size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Member {
    /// A complete value.
    Value(u64),
    /// The tag that opens a group, and the group's number.
    Group(u32, u64),
    /// The tag that closes a group, and the group's number.
    GroupEnd(u32, u64),
}

/// Reads the member at the front of `bytes`, by the rules of [`MessageView::parse`]. A
/// length-delimited value may end beyond `bytes`.
pub(super) fn member(bytes: &[u8], in_group: bool) -> Result<Member, Malformed> {
    let mut reader = Reader::new(bytes);
    let (number, wire) = reader.tag()?;
    let is_sound = in_group
        || match number {
            2 | 5 | 8 => wire == wire_type::VARINT,
            1..=10 => wire == wire_type::LEN,
            _ => true,
        };
    let mut value_len = 0;
    match wire {
        _ if !is_sound => return Err(Malformed::Invalid),
        wire_type::VARINT => drop(reader.varint()?),
        wire_type::FIXED64 => value_len = 8,
        wire_type::FIXED32 => value_len = 4,
        wire_type::LEN => value_len = reader.varint()?,
        _ => {}
    }
    let len = (bytes.len() - reader.rest().len()) as u64;
    match wire {
        wire_type::START_GROUP => Ok(Member::Group(number, len)),
        wire_type::END_GROUP => Ok(Member::GroupEnd(number, len)),
        wire_type::VARINT | wire_type::FIXED64 | wire_type::FIXED32 | wire_type::LEN
            if u32::try_from(value_len).is_ok() =>
        {
            Ok(Member::Value(len + value_len))
        }
        _ => Err(Malformed::Invalid),
    }
}

/// Converts a varint to an `int32` as protobuf does, from its low half.
fn int32(value: u64) -> i32 {
    let bytes = value.to_le_bytes();
    i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// Iterates over the fields of a message.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    reader: Reader<'a>,
}

impl<'a> Fields<'a> {
    /// Returns the bytes of the next field.
    #[inline]
    pub fn next_bytes(&mut self) -> Option<&'a [u8]> {
        while !self.reader.is_empty() {
            let (number, wire) = self.reader.tag().ok()?;
            if number == 10 && wire == wire_type::LEN {
                return self.reader.bytes().ok();
            }
            self.reader.skip(number, wire).ok()?;
        }
        None
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = FieldView<'a>;

    fn next(&mut self) -> Option<FieldView<'a>> {
        self.next_bytes().map(FieldView::parse)
    }
}

/// One borrowed field.
#[derive(Clone, Copy, Debug, Default)]
pub struct FieldView<'a> {
    /// Name; absent only in damaged or foreign data.
    pub name: Option<&'a [u8]>,
    /// Number of the declared type, even if [`ValueType`] does not know it.
    pub value_type: Option<i32>,
    /// Representation.
    pub representation: Option<&'a [u8]>,
    values: &'a [u8],
}

impl<'a> FieldView<'a> {
    /// Parses a field as far as it is valid.
    pub fn parse(bytes: &'a [u8]) -> Self {
        let mut view = Self::default();
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            let here = reader.rest();
            if view.read_member(&mut reader, here).is_err() {
                break;
            }
        }
        view
    }

    fn read_member(&mut self, reader: &mut Reader<'a>, here: &'a [u8]) -> Result<(), Malformed> {
        let (number, wire) = reader.tag()?;
        match (number, wire) {
            (1, wire_type::LEN) => self.name = Some(reader.bytes()?),
            (2, wire_type::VARINT) => self.value_type = Some(int32(reader.varint()?)),
            (3, wire_type::LEN) => self.representation = Some(reader.bytes()?),
            (1..=3, _) => return Err(Malformed::Invalid),
            _ => {
                reader.skip(number, wire)?;
                if (4..=8).contains(&number) && self.values.is_empty() {
                    self.values = here;
                }
            }
        }
        Ok(())
    }

    /// Returns the bytes from the first value to the end of the field.
    pub fn value_bytes(&self) -> &'a [u8] {
        self.values
    }

    /// Returns the declared type: `STRING` if none is declared, `None` if it is unknown.
    pub fn value_type(&self) -> Option<ValueType> {
        ValueType::try_from(self.value_type.unwrap_or(0)).ok()
    }

    /// Returns the values of the declared type.
    pub fn values(&self) -> Values<'a> {
        Values { wanted: self.value_type(), ..self.values_of(ValueType::String) }
    }

    /// Whether there are values of type `value_type`, whatever the declared type.
    pub fn has_values_of(&self, value_type: ValueType) -> bool {
        self.values_of(value_type).next().is_some()
    }

    /// Returns all length-delimited values in wire order, whatever list they belong to.
    /// `lua_sandbox` treats these as the values of a text field.
    pub fn texts(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut reader = Reader::new(self.values);
        std::iter::from_fn(move || {
            while !reader.is_empty() {
                let (number, wire) = reader.tag().ok()?;
                if (4..=8).contains(&number) && wire == wire_type::LEN {
                    return reader.bytes().ok();
                }
                reader.skip(number, wire).ok()?;
            }
            None
        })
    }

    /// Returns the values of type `value_type`, whatever the declared type.
    pub fn values_of(&self, value_type: ValueType) -> Values<'a> {
        Values {
            reader: Reader::new(self.values),
            packed: Reader::new(&[]),
            wanted: Some(value_type),
        }
    }
}

/// One value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Text, as bytes.
    String(&'a [u8]),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Signed 64 bits.
    Integer(i64),
    /// Double.
    Double(f64),
    /// True or false.
    Bool(bool),
}

impl Value<'_> {
    /// Returns the type of a field that holds this value.
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::String(_) => ValueType::String,
            Self::Bytes(_) => ValueType::Bytes,
            Self::Integer(_) => ValueType::Integer,
            Self::Double(_) => ValueType::Double,
            Self::Bool(_) => ValueType::Bool,
        }
    }
}

/// Iterates over the values of a field.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    reader: Reader<'a>,
    packed: Reader<'a>,
    wanted: Option<ValueType>,
}

impl<'a> Values<'a> {
    fn scalar(wanted: ValueType, reader: &mut Reader<'a>) -> Result<Value<'a>, Malformed> {
        Ok(match wanted {
            ValueType::String => Value::String(reader.bytes()?),
            ValueType::Bytes => Value::Bytes(reader.bytes()?),
            ValueType::Integer => Value::Integer(reader.varint()?.cast_signed()),
            ValueType::Double => Value::Double(f64::from_le_bytes(reader.fixed64()?)),
            ValueType::Bool => Value::Bool(reader.varint()? != 0),
        })
    }

    fn step(&mut self, wanted: ValueType) -> Result<Option<Value<'a>>, Malformed> {
        let number = match wanted {
            ValueType::String => 4,
            ValueType::Bytes => 5,
            ValueType::Integer => 6,
            ValueType::Double => 7,
            ValueType::Bool => 8,
        };
        let alone = match wanted {
            ValueType::String | ValueType::Bytes => wire_type::LEN,
            ValueType::Integer | ValueType::Bool => wire_type::VARINT,
            ValueType::Double => wire_type::FIXED64,
        };
        loop {
            if !self.packed.is_empty() {
                return Self::scalar(wanted, &mut self.packed).map(Some);
            }
            if self.reader.is_empty() {
                return Ok(None);
            }
            let (found, wire) = self.reader.tag()?;
            if found != number {
                self.reader.skip(found, wire)?;
            } else if wire == alone {
                return Self::scalar(wanted, &mut self.reader).map(Some);
            } else if wire == wire_type::LEN {
                self.packed = Reader::new(self.reader.bytes()?);
            } else {
                return Err(Malformed::Invalid);
            }
        }
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        let step = self.step(self.wanted?);
        if step.is_err() {
            self.wanted = None;
        }
        step.ok().flatten()
    }
}
