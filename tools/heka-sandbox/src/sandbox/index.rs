// SPDX-License-Identifier: MIT OR Apache-2.0
//! An index of a message's parts, made once, because plugins read several parts of each message.

use heka_core::wire::MessageView;

use super::read::{FieldValue, Member, members};
use super::strict::walk;

/// Maximum number of indexed fields. Others are searched for each time.
const MOST_FIELDS: usize = 256;

/// The positions of a message's parts.
#[derive(Debug, Default)]
pub(super) struct Index {
    is_made: bool,
    uuid: Place,
    type_: Place,
    logger: Place,
    payload: Place,
    env_version: Place,
    hostname: Place,
    timestamp: f64,
    severity: f64,
    pid: Option<f64>,
    fields: Vec<Field>,
    has_more: bool,
}

/// The offset and length of some bytes of a message. The offset of absent bytes is beyond its end.
#[derive(Clone, Copy, Debug)]
struct Place(usize, usize);

impl Default for Place {
    fn default() -> Self {
        Self(usize::MAX, 0)
    }
}

impl Place {
    /// The place of a part of `message`.
    fn of(message: &[u8], part: &[u8]) -> Self {
        Self(part.as_ptr().addr().wrapping_sub(message.as_ptr().addr()), part.len())
    }

    fn of_any(message: &[u8], part: Option<&[u8]>) -> Self {
        part.map_or_else(Self::default, |part| Self::of(message, part))
    }

    fn bytes(self, message: &[u8]) -> Option<&[u8]> {
        message.get(self.0..)?.get(..self.1)
    }

    fn text(self, message: &[u8]) -> Option<FieldValue<'_>> {
        self.bytes(message).map(FieldValue::Text)
    }
}

#[derive(Debug)]
struct Field {
    name: Place,
    first: First,
}

/// The first value of a field.
#[derive(Clone, Copy, Debug)]
enum First {
    Missing,
    Text(Place),
    Number(f64),
    Bool(bool),
}

impl Index {
    /// Must be called when the message changes.
    pub(super) fn clear(&mut self) {
        self.is_made = false;
    }

    /// Returns a part of `message`, which is the same until [`Index::clear`] is called. `None` if the
    /// index does not have it.
    pub(super) fn part<'a>(
        &mut self,
        message: &'a [u8],
        name: &[u8],
    ) -> Option<Option<FieldValue<'a>>> {
        if !self.is_made {
            self.make(message);
        }
        if let Some(field) = name.strip_prefix(b"Fields[").and_then(|rest| rest.strip_suffix(b"]"))
        {
            return self.value(message, field);
        }
        let number = |number| Some(FieldValue::Number(number));
        Some(match name {
            b"Uuid" => self.uuid.text(message),
            b"Timestamp" => number(self.timestamp),
            b"Type" => self.type_.text(message),
            b"Logger" => self.logger.text(message),
            b"Severity" => number(self.severity),
            b"Payload" => self.payload.text(message),
            b"EnvVersion" => self.env_version.text(message),
            b"Pid" => self.pid.and_then(number),
            b"Hostname" => self.hostname.text(message),
            b"raw" => Some(FieldValue::Text(message)),
            #[expect(clippy::cast_precision_loss, reason = "no message is that long")]
            b"size" => number(message.len() as f64),
            _ => return None,
        })
    }

    fn value<'a>(&self, message: &'a [u8], name: &[u8]) -> Option<Option<FieldValue<'a>>> {
        let found = self.fields.iter().find(|field| field.name.bytes(message) == Some(name));
        match found {
            Some(field) => Some(match field.first {
                First::Missing => None,
                First::Text(place) => place.text(message),
                First::Number(number) => Some(FieldValue::Number(number)),
                First::Bool(bool) => Some(FieldValue::Bool(bool)),
            }),
            None if self.has_more => None,
            None => Some(None),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "Lua's numbers are doubles")]
    fn make(&mut self, message: &[u8]) {
        let view = MessageView::parse(message).unwrap_or_default();
        let place = |part| Place::of_any(message, part);
        self.uuid = place(view.uuid);
        self.type_ = place(view.type_);
        self.logger = place(view.logger);
        self.payload = place(view.payload);
        self.env_version = place(view.env_version);
        self.hostname = place(view.hostname);
        self.timestamp = view.timestamp.unwrap_or(0) as f64;
        self.severity = view.severity().into();
        self.pid = view.pid.map(f64::from);
        self.fields.clear();
        let fields = &mut self.fields;
        let mut count = 0usize;
        let _ = walk(message, |bytes| {
            count += 1;
            if fields.len() < MOST_FIELDS {
                fields.extend(field(message, bytes));
            }
            Ok(())
        });
        self.has_more = count > MOST_FIELDS;
        self.is_made = true;
    }
}

/// The index entry of a field, unless the field is damaged.
fn field(message: &[u8], bytes: &[u8]) -> Option<Field> {
    let (mut name, mut first) = (Place::default(), None);
    let read = members(bytes, |member| match member {
        Member::Name(given) => name = Place::of(message, given),
        Member::Value(value) => {
            first.get_or_insert(match value {
                FieldValue::Text(text) => First::Text(Place::of(message, text)),
                FieldValue::Number(number) => First::Number(number),
                FieldValue::Bool(bool) => First::Bool(bool),
            });
        }
        Member::Type(_) | Member::Representation(_) => {}
    });
    read.is_ok().then(|| Field { name, first: first.unwrap_or(First::Missing) })
}
