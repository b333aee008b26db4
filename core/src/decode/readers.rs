// SPDX-License-Identifier: MIT OR Apache-2.0
//! Converts text to headers and fields. Text that cannot be converted is kept in a field of its own
//! name.

use super::cause::{Flaw, Flaws};
use super::time::Times;
use crate::codec::HeaderName;
use crate::codec::json::number;
use crate::codec::severity::SeverityMap;
use crate::wire::{Draft, Full, TextHeader, Value, ValueType};

/// Requested types of fields, by name.
pub type FieldTypes = Vec<(Vec<u8>, ValueType)>;

/// The rules for reading text.
#[derive(Clone, Debug, Default)]
pub struct Readers {
    /// Times.
    pub times: Times,
    /// Severities.
    pub severities: SeverityMap,
    /// Fields of a given type.
    pub types: FieldTypes,
}

/// The message that a record is converted to.
#[derive(Clone, Debug, Default)]
pub(super) struct Target {
    pub(super) draft: Draft,
    pub(super) flaws: Flaws,
    /// The time that completes partial times.
    pub(super) now: i64,
    /// Bit set of the headers that were set.
    set: u16,
}

impl Target {
    pub(super) fn new(limit: usize) -> Self {
        Self { draft: Draft::new(limit), ..Self::default() }
    }

    /// Begins a new message.
    pub(super) fn begin(&mut self, now: i64) {
        self.draft.clear();
        self.flaws.clear();
        self.now = now;
        self.set = 0;
    }

    /// Whether a header has been set.
    pub(super) fn has(&self, header: HeaderName) -> bool {
        self.set & (1 << header as u16) != 0
    }

    /// Adds a text field.
    #[inline]
    pub(super) fn put(&mut self, name: &[u8], text: &[u8]) -> Result<(), Full> {
        self.draft.put_field(name, b"", Value::String(text))
    }

    /// Adds an integer field.
    #[inline]
    pub(super) fn put_integer(&mut self, name: &[u8], number: i64) -> Result<(), Full> {
        self.draft.put_field(name, b"", Value::Integer(number))
    }

    /// Sets the payload.
    pub(super) fn set_payload(&mut self, text: &[u8]) -> Result<(), Full> {
        self.set |= 1 << HeaderName::Payload as u16;
        self.draft.set_text(TextHeader::Payload, text)
    }

    pub(super) fn set_severity(&mut self, severity: i32) {
        self.set |= 1 << HeaderName::Severity as u16;
        self.draft.set_severity(severity);
    }

    pub(super) fn set_time(&mut self, time: i64) {
        self.set |= 1 << HeaderName::Timestamp as u16;
        self.draft.set_timestamp(time);
    }

    pub(super) fn set_hostname(&mut self, name: &[u8]) -> Result<(), Full> {
        self.set |= 1 << HeaderName::Hostname as u16;
        self.draft.set_text(TextHeader::Hostname, name)
    }

    /// Sets the Pid, or adds a field if the text is not a number.
    pub(super) fn set_pid(&mut self, field: &[u8], text: &[u8]) -> Result<(), Full> {
        match number::integer(text).and_then(|pid| i32::try_from(pid).ok()) {
            Some(pid) => {
                self.set |= 1 << HeaderName::Pid as u16;
                self.draft.set_pid(pid);
                Ok(())
            }
            None => self.put(field, text),
        }
    }

    /// Keeps a value that could not be parsed as a text field named `name`.
    pub(super) fn keep(&mut self, flaw: Flaw, name: &[u8], text: &[u8]) -> Result<(), Full> {
        self.flaws.add(flaw, name, text);
        self.put(name, text)
    }
}

impl Readers {
    /// Sets a header from text. `own` is the name of the field that keeps the text if it cannot be
    /// parsed.
    #[inline]
    pub(super) fn set(
        &self,
        target: &mut Target,
        header: HeaderName,
        own: &[u8],
        text: &[u8],
    ) -> Result<(), Full> {
        let as_text = match header {
            HeaderName::Type => TextHeader::Type,
            HeaderName::Logger => TextHeader::Logger,
            HeaderName::Payload => TextHeader::Payload,
            HeaderName::EnvVersion => TextHeader::EnvVersion,
            HeaderName::Hostname => TextHeader::Hostname,
            HeaderName::Uuid => return set_uuid(target, own, text),
            HeaderName::Timestamp => {
                return match self.times.read(text, target.now) {
                    Some(time) => {
                        target.set_time(time);
                        Ok(())
                    }
                    None => target.keep(Flaw::Time, own, text),
                };
            }
            HeaderName::Severity => {
                return match self.severities.severity(text) {
                    Some(severity) => {
                        target.set_severity(severity);
                        Ok(())
                    }
                    None => target.keep(Flaw::Severity, own, text),
                };
            }
            HeaderName::Pid => return set_pid(target, own, text),
        };
        target.set |= 1 << header as u16;
        target.draft.set_text(as_text, text)
    }

    /// Adds a field of the requested type, or a text field.
    #[inline]
    pub(super) fn put(&self, target: &mut Target, name: &[u8], text: &[u8]) -> Result<(), Full> {
        match self.type_of(name) {
            None => target.put(name, text),
            Some(value_type) => put_typed(target, name, b"", value_type, text),
        }
    }

    /// Adds a field for a word: a number, `true` or `false`, otherwise text.
    #[inline]
    pub(super) fn put_word(
        &self,
        target: &mut Target,
        name: &[u8],
        word: &[u8],
    ) -> Result<(), Full> {
        if let Some(value_type) = self.type_of(name) {
            return put_typed(target, name, b"", value_type, word);
        }
        let value = match word {
            b"true" => Value::Bool(true),
            b"false" => Value::Bool(false),
            _ => number::of_word(word).unwrap_or(Value::String(word)),
        };
        target.draft.put_field(name, b"", value)
    }

    /// Returns the requested type of a field.
    #[inline]
    pub(super) fn type_of(&self, name: &[u8]) -> Option<ValueType> {
        let found = self.types.iter().find(|(known, _)| known == name);
        found.map(|(_, value_type)| *value_type)
    }
}

/// Adds a field of type `value_type`; an invalid value is kept as text.
pub(super) fn put_typed(
    target: &mut Target,
    name: &[u8],
    representation: &[u8],
    value_type: ValueType,
    text: &[u8],
) -> Result<(), Full> {
    match typed(value_type, text) {
        Some(value) => target.draft.put_field(name, representation, value),
        None => target.keep(Flaw::Type, name, text),
    }
}

/// Parses a value of type `value_type`.
pub(super) fn typed(value_type: ValueType, text: &[u8]) -> Option<Value<'_>> {
    let number = || std::str::from_utf8(text).ok()?.trim().parse::<f64>().ok();
    Some(match value_type {
        ValueType::String => Value::String(text),
        ValueType::Bytes => Value::Bytes(text),
        ValueType::Integer => Value::Integer(number::integer(text.trim_ascii())?),
        ValueType::Double => {
            let number = number()?;
            // Rejects numbers that are merely too large.
            let is_number = number.is_finite() || !text.iter().any(u8::is_ascii_digit);
            is_number.then_some(Value::Double(number))?
        }
        ValueType::Bool => match text {
            b"true" | b"TRUE" | b"True" | b"1" => Value::Bool(true),
            b"false" | b"FALSE" | b"False" | b"0" => Value::Bool(false),
            _ => return None,
        },
    })
}

fn set_uuid(target: &mut Target, own: &[u8], text: &[u8]) -> Result<(), Full> {
    match uuid::Uuid::try_parse_ascii(text) {
        Ok(uuid) => {
            target.set |= 1 << HeaderName::Uuid as u16;
            target.draft.set_uuid(uuid.into_bytes());
            Ok(())
        }
        Err(_) => target.keep(Flaw::Uuid, own, text),
    }
}

/// Sets the Pid to a whole number; a fraction, which some programs write, is ignored.
fn set_pid(target: &mut Target, own: &[u8], text: &[u8]) -> Result<(), Full> {
    let whole = text.split(|&byte| byte == b'.').next().unwrap_or_default().trim_ascii();
    match number::integer(whole).and_then(|pid| i32::try_from(pid).ok()) {
        Some(pid) => {
            target.set |= 1 << HeaderName::Pid as u16;
            target.draft.set_pid(pid);
            Ok(())
        }
        None => target.keep(Flaw::Pid, own, text),
    }
}
