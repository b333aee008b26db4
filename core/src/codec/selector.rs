// SPDX-License-Identifier: MIT OR Apache-2.0
//! Selects a header or field values of a message.

use super::HeaderName;
use super::json;
use super::logfmt::put_plain;
use super::number::put_integer;
use super::text::put_uuid;
use super::time::put_rfc3339;
use crate::wire::{MessageView, Value};

/// One of several, or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// The one with this index, from 0.
    Nth(usize),
    /// All of them.
    Every,
}

impl Pick {
    /// Parses an index or `*`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "*" => Some(Self::Every),
            _ => text.parse().ok().map(Self::Nth),
        }
    }

    fn of<I: Iterator>(self, all: I) -> std::iter::Take<std::iter::Skip<I>> {
        let (before, count) = match self {
            Self::Nth(number) => (number, 1),
            Self::Every => (0, usize::MAX),
        };
        all.skip(before).take(count)
    }
}

/// A path to field values: `Fields[name][field][value]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPath {
    /// The name of the field.
    pub name: Vec<u8>,
    /// Which of the fields with this name.
    pub field: Pick,
    /// Which of the field's values.
    pub value: Pick,
}

impl FieldPath {
    /// The path to all values of the first field named `name`.
    pub fn named(name: &str) -> Self {
        Self { name: name.as_bytes().to_vec(), field: Pick::Nth(0), value: Pick::Every }
    }

    /// Parses the text after `Fields[`: `NAME]` followed by up to two indices. Without an index,
    /// all values of the first field are selected; `[*]` alone selects all values of all fields.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, mut rest) = text.split_once(']')?;
        let mut picks = [None; 2];
        for pick in &mut picks {
            if rest.is_empty() {
                break;
            }
            let (index, behind) = rest.strip_prefix('[')?.split_once(']')?;
            *pick = Some(Pick::parse(index)?);
            rest = behind;
        }
        let [field, value] = picks;
        rest.is_empty().then_some(Self {
            name: name.as_bytes().to_vec(),
            field: field.unwrap_or(Pick::Nth(0)),
            value: value.unwrap_or(Pick::Every),
        })
    }

    /// Returns the selected values, in the order of the message.
    #[inline]
    pub fn values<'m>(&self, message: &MessageView<'m>) -> impl Iterator<Item = Value<'m>> {
        let fields = message.fields().filter(|field| field.name == Some(self.name.as_slice()));
        self.field.of(fields).flat_map(|field| self.value.of(field.values()))
    }

    /// Returns the name without surrounding quotes, if it has any: the quotes are part of the name,
    /// which is seldom intended.
    pub fn without_quotes(&self) -> Option<String> {
        match self.name.as_slice() {
            [b'"', inside @ .., b'"'] | [b'\'', inside @ .., b'\''] => {
                Some(String::from_utf8_lossy(inside).into_owned())
            }
            _ => None,
        }
    }
}

/// A header, or field values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// A header.
    Header(HeaderName),
    /// Field values.
    Field(FieldPath),
}

impl Selector {
    /// Parses `Hostname`, `Fields[name]`, or the `name` of a field.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(header) = HeaderName::named(text) {
            return Some(Self::Header(header));
        }
        match text.strip_prefix("Fields[") {
            Some(rest) => FieldPath::parse(rest).map(Self::Field),
            None => Some(Self::Field(FieldPath::named(text))),
        }
    }

    /// Appends the selection as text: nothing if absent, several values separated by commas.
    pub fn put(&self, out: &mut Vec<u8>, message: &MessageView<'_>) {
        match self {
            Self::Header(header) => put_header(out, message, *header),
            Self::Field(path) => {
                for (index, value) in path.values(message).enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    put_plain(out, value);
                }
            }
        }
    }

    /// Appends the selection as JSON: `null` if absent, an array of several values.
    pub fn put_json(&self, out: &mut Vec<u8>, message: &MessageView<'_>) {
        match self {
            Self::Header(header) => put_header_json(out, message, *header),
            Self::Field(path) => {
                let mut values = path.values(message);
                match (values.next(), values.next()) {
                    (None, _) => out.extend_from_slice(b"null"),
                    (Some(value), None) => json::put_value(out, value),
                    _ => json::put_array(out, path.values(message)),
                }
            }
        }
    }
}

/// Returns a text header.
fn text<'m>(message: &MessageView<'m>, header: HeaderName) -> Option<&'m [u8]> {
    match header {
        HeaderName::Type => message.type_,
        HeaderName::Logger => message.logger,
        HeaderName::Payload => message.payload,
        HeaderName::EnvVersion => message.env_version,
        HeaderName::Hostname => message.hostname,
        HeaderName::Uuid | HeaderName::Timestamp | HeaderName::Severity | HeaderName::Pid => None,
    }
}

fn put_header(out: &mut Vec<u8>, message: &MessageView<'_>, header: HeaderName) {
    match (header, message.timestamp, message.pid) {
        (HeaderName::Uuid, ..) => put_uuid(out, message.uuid),
        (HeaderName::Timestamp, Some(time), _) => put_rfc3339(out, time),
        (HeaderName::Severity, ..) => put_integer(out, i64::from(message.severity())),
        (HeaderName::Pid, _, Some(pid)) => put_integer(out, i64::from(pid)),
        _ => out.extend_from_slice(text(message, header).unwrap_or_default()),
    }
}

fn put_header_json(out: &mut Vec<u8>, message: &MessageView<'_>, header: HeaderName) {
    let start = out.len();
    match (header, text(message, header)) {
        (_, Some(text)) => drop(json::put_string(out, text)),
        (HeaderName::Severity | HeaderName::Pid, _) => put_header(out, message, header),
        (HeaderName::Uuid | HeaderName::Timestamp, _) => {
            out.push(b'"');
            put_header(out, message, header);
            if out.len() == start + 1 {
                out.truncate(start);
            } else {
                out.push(b'"');
            }
        }
        (_, None) => {}
    }
    if out.len() == start {
        out.extend_from_slice(b"null");
    }
}
