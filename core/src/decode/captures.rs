// SPDX-License-Identifier: MIT OR Apache-2.0
//! Parses records with a regular expression, like Heka's `PayloadRegexDecoder`.

use regex::bytes::{CaptureLocations, Regex};

use super::cause::Cause;
use super::readers::{Readers, Target, put_typed};
use crate::codec::HeaderName;
use crate::wire::{Full, ValueType};

/// A regular expression and the targets of its groups.
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
    /// Name.
    pub name: String,
    /// Requested type of the values, if any.
    pub value_type: Option<ValueType>,
    /// Representation, often empty.
    pub representation: String,
}

/// A target in the message and the template of its value.
#[derive(Clone, Debug)]
struct Goal {
    to: Destination,
    parts: Vec<TemplatePart>,
    /// Whether the target is omitted if its only group did not match.
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
    /// Creates captures. The groups of `regex` named `Timestamp` and `Severity` become these
    /// headers. All other groups become headers or fields by their names, unless `fields` (names
    /// and templates) specifies them.
    ///
    /// # Errors
    /// A description of what is wrong.
    pub fn new(regex: Regex, fields: &[(FieldName, String)]) -> Result<Self, String> {
        if regex.captures_len() < 2 {
            return Err("contains no group".to_owned());
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

    /// Checks that an expression has the groups of a template.
    ///
    /// # Errors
    /// A description of what is wrong.
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
    /// Returns the text of the template; `room` is used if it is more than a single group.
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

/// Splits a template: `%NAME%` is a group, by name or number, `%%` a percent sign.
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
