// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records taken apart by a regular expression, as by Heka's `PayloadRegexDecoder`.

use regex::bytes::{CaptureLocations, Regex};

use super::cause::Cause;
use super::readers::{Readers, Target, put_typed};
use crate::codec::HeaderName;
use crate::wire::{Full, ValueType};

/// A regular expression and what its groups become.
#[derive(Clone, Debug)]
pub struct Captures {
    regex: Regex,
    locations: CaptureLocations,
    targets: Vec<Goal>,
    room: Vec<u8>,
}

/// A field's name, type and representation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldName {
    /// Its name.
    pub name: String,
    /// The type of its values, if one was asked for.
    pub value_type: Option<ValueType>,
    /// Its representation, often empty.
    pub representation: String,
}

/// What a part of the message is made of.
#[derive(Clone, Debug)]
struct Goal {
    to: Destination,
    parts: Vec<TemplatePart>,
    /// Omitted if its only group took no part.
    optional: bool,
}

#[derive(Clone, Debug)]
enum Destination {
    Header(HeaderName, Vec<u8>),
    Field(FieldName),
}

#[derive(Clone, Debug)]
enum TemplatePart {
    Text(String),
    Group(usize),
}

impl Captures {
    /// The groups of `regex` named `Timestamp` and `Severity` become these headers; so do all
    /// others by their names, and fields, unless `fields` (names and templates) says what is made
    /// of them.
    ///
    /// # Errors
    /// Words on what is wrong.
    pub fn new(regex: Regex, fields: &[(FieldName, String)]) -> Result<Self, String> {
        if regex.captures_len() < 2 {
            return Err("no group in it".to_owned());
        }
        let taken = |name: &str| fields.iter().any(|(field, _)| field.name == name);
        let mut targets = Vec::new();
        for (index, name) in regex.capture_names().enumerate() {
            let Some(name) = name else { continue };
            let always = matches!(name, "Timestamp" | "Severity");
            if (always || fields.is_empty()) && !taken(name) {
                let name = FieldName {
                    name: name.to_owned(),
                    value_type: None,
                    representation: String::new(),
                };
                let parts = vec![TemplatePart::Group(index)];
                targets.push(Goal { to: Destination::of(name), parts, optional: true });
            }
        }
        for (field, template) in fields {
            let parts = parts(template, &regex)?;
            targets.push(Goal { to: Destination::of(field.clone()), parts, optional: false });
        }
        Ok(Self { locations: regex.capture_locations(), regex, targets, room: Vec::new() })
    }

    /// Whether an expression has the groups of a template.
    ///
    /// # Errors
    /// Words on what is wrong.
    pub fn check(regex: &Regex, template: &str) -> Result<(), String> {
        parts(template, regex).map(drop)
    }

    /// Reads a record.
    pub(super) fn read(
        &mut self,
        record: &[u8],
        readers: &Readers,
        target: &mut Target,
    ) -> Result<(), Cause> {
        let Self { regex, locations, targets, room } = self;
        regex.captures_read(locations, record).ok_or_else(|| Cause::new("no match"))?;
        for goal in targets {
            let Some(text) = goal.text(record, locations, room) else { continue };
            goal.to.put(text, readers, target)?;
        }
        Ok(())
    }
}

impl Destination {
    fn of(name: FieldName) -> Self {
        match HeaderName::named(&name.name) {
            Some(header) => Self::Header(header, name.name.into_bytes()),
            None => Self::Field(name),
        }
    }

    fn put(&self, text: &[u8], readers: &Readers, target: &mut Target) -> Result<(), Full> {
        match self {
            Self::Header(header, own) => readers.set(target, *header, own, text),
            Self::Field(FieldName { name, value_type, representation }) => {
                let (name, representation) = (name.as_bytes(), representation.as_bytes());
                let value_type = value_type.or_else(|| readers.type_of(name));
                let value_type = value_type.unwrap_or(ValueType::String);
                put_typed(target, name, representation, value_type, text)
            }
        }
    }
}

impl Goal {
    /// The text, and nothing if there is none; `room` is used if it is not all of one group.
    fn text<'a>(
        &self,
        record: &'a [u8],
        locations: &CaptureLocations,
        room: &'a mut Vec<u8>,
    ) -> Option<&'a [u8]> {
        let group = |index: usize| {
            let (start, end) = locations.get(index)?;
            record.get(start..end)
        };
        if let [TemplatePart::Group(index)] = self.parts[..] {
            return group(index).or_else(|| (!self.optional).then_some(&[][..]));
        }
        room.clear();
        for part in &self.parts {
            match part {
                TemplatePart::Text(words) => room.extend_from_slice(words.as_bytes()),
                TemplatePart::Group(index) => {
                    room.extend_from_slice(group(*index).unwrap_or_default());
                }
            }
        }
        Some(room)
    }
}

/// Takes a template apart: `%NAME%` is a group, by its name or number, `%%` a percent sign.
fn parts(template: &str, regex: &Regex) -> Result<Vec<TemplatePart>, String> {
    let mut parts = Vec::new();
    for (index, piece) in template.split('%').enumerate() {
        if index % 2 == 0 {
            if !piece.is_empty() {
                parts.push(TemplatePart::Text(piece.to_owned()));
            }
        } else if piece.is_empty() {
            parts.push(TemplatePart::Text("%".to_owned()));
        } else {
            let number = regex
                .capture_names()
                .position(|name| name == Some(piece))
                .or_else(|| piece.parse().ok().filter(|&number| number < regex.captures_len()));
            parts.push(TemplatePart::Group(number.ok_or_else(|| format!("no group %{piece}%"))?));
        }
    }
    if template.matches('%').count() % 2 == 1 {
        return Err(format!("a % without another in {template}"));
    }
    Ok(parts)
}
