// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records taken apart by a regular expression, as by Heka's `PayloadRegexDecoder`.

use crate::structure::field_arg::{FieldArg, FieldName, push_value};
use crate::structure::time_format::TimeFormat;
use heka_core::codec::HeaderName;
use heka_core::codec::severity::SeverityMap;
use heka_core::wire::{Message, ValueType};
use regex::bytes::{Captures as Groups, Regex};

use crate::structure::Readers;

/// A regular expression and what its groups become.
#[derive(Debug)]
pub(crate) struct Captures {
    regex: Regex,
    targets: Vec<Target>,
    readers: Readers,
    /// Longest message, in bytes.
    limit: usize,
}

/// What a part of the message is made of.
#[derive(Debug)]
struct Target {
    to: Place,
    parts: Vec<Part>,
    /// Left out if its only group took no part.
    optional: bool,
}

#[derive(Debug)]
enum Place {
    Header(HeaderName),
    Field(FieldName),
}

#[derive(Debug)]
enum Part {
    Text(String),
    Group(usize),
}

impl Captures {
    /// The groups of `regex` named `Timestamp` and `Severity` become these headers; so do
    /// all others by their names, and fields, unless `fields` says what is made of them.
    pub(crate) fn new(
        regex: Regex,
        fields: &[FieldArg],
        times: TimeFormat,
        severities: SeverityMap,
        limit: usize,
    ) -> Result<Self, String> {
        let named: Vec<(usize, &str)> = regex
            .capture_names()
            .enumerate()
            .filter_map(|(index, name)| name.map(|name| (index, name)))
            .collect();
        if regex.captures_len() < 2 {
            return Err("no group in it".to_owned());
        }
        let taken = |name: &str| fields.iter().any(|field| field.name.name == name);
        let mut targets = Vec::new();
        for &(index, name) in &named {
            let always = matches!(name, "Timestamp" | "Severity");
            if (always || fields.is_empty()) && !taken(name) {
                targets.push(Target {
                    to: Place::of(FieldName {
                        name: name.to_owned(),
                        value_type: ValueType::String,
                        representation: String::new(),
                    }),
                    parts: vec![Part::Group(index)],
                    optional: true,
                });
            }
        }
        for field in fields {
            let parts = parts(&field.value, &regex)?;
            targets.push(Target { to: Place::of(field.name.clone()), parts, optional: false });
        }
        Ok(Self { regex, targets, readers: Readers { times, severities }, limit })
    }

    /// Fills `message` from `record`.
    pub(crate) fn apply(&self, record: &[u8], message: &mut Message) -> Result<(), String> {
        let groups = self.regex.captures(record).ok_or("no match")?;
        let mut room = self.limit;
        for target in &self.targets {
            let Some(text) = target.text(&groups) else { continue };
            match &target.to {
                Place::Header(header) => self.readers.set(message, *header, &text)?,
                Place::Field(name) => {
                    room = room.checked_sub(text.len()).ok_or("fields over the limit")?;
                    let mut field = name.to_field();
                    if name.value_type == ValueType::String {
                        field.value_string.push(text.into());
                    } else if name.value_type == ValueType::Bytes {
                        field.value_bytes.push(text.into());
                    } else {
                        push_value(&mut field, &String::from_utf8_lossy(&text))
                            .map_err(|why| format!("{}: {why}", name.name))?;
                    }
                    message.fields.push(field);
                }
            }
        }
        Ok(())
    }
}

impl Place {
    fn of(name: FieldName) -> Self {
        match HeaderName::named(&name.name) {
            Some(header) => Self::Header(header),
            None => Self::Field(name),
        }
    }
}

impl Target {
    fn text(&self, groups: &Groups<'_>) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        for part in &self.parts {
            match part {
                Part::Text(words) => text.extend_from_slice(words.as_bytes()),
                Part::Group(index) => match groups.get(*index) {
                    Some(group) => text.extend_from_slice(group.as_bytes()),
                    None if self.optional => return None,
                    None => {}
                },
            }
        }
        Some(text)
    }
}

/// Takes a template apart: `%NAME%` is a group, by its name or number, `%%` a percent sign.
fn parts(template: &str, regex: &Regex) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    for (index, piece) in template.split('%').enumerate() {
        if index % 2 == 0 {
            parts.push(Part::Text(piece.to_owned()));
        } else if piece.is_empty() {
            parts.push(Part::Text("%".to_owned()));
        } else {
            let number = regex
                .capture_names()
                .position(|name| name == Some(piece))
                .or_else(|| piece.parse().ok().filter(|&number| number < regex.captures_len()));
            parts.push(Part::Group(number.ok_or_else(|| format!("no group %{piece}%"))?));
        }
    }
    if template.matches('%').count() % 2 == 1 {
        return Err(format!("a % without another in {template}"));
    }
    Ok(parts)
}
