// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages through a template: `{Timestamp:%H:%M:%S} {Hostname} {Fields[status]} {Payload}`.
//!
//! Between braces stands a header, or a field with or without indices as in the matcher; several
//! values of a field are joined by commas, what is absent is empty. `{Timestamp}` is RFC 3339 in
//! UTC, `{Timestamp:FORMAT}` strftime(3) in the local zone. `{{` and `}}` are braces; `\n`, `\t`,
//! `\0` and `\\` are what they are in C.

use data_encoding::BASE64;

use super::HeaderName;
use super::number::{self, put_integer};
use super::text::put_uuid;
use super::time::{Strftime, Zone, put_rfc3339};
use crate::wire::{FieldView, MessageView, Value};

/// A template, ready to be filled in.
#[derive(Clone, Debug, Default)]
pub struct Template {
    parts: Vec<Part>,
    zone: Zone,
}

#[derive(Clone, Debug)]
enum Part {
    Text(Vec<u8>),
    Header(HeaderName),
    Time(Strftime),
    Field { name: Vec<u8>, field: usize, value: Option<usize> },
}

impl Template {
    /// Reads a template; its times are in `zone`.
    ///
    /// # Errors
    /// Words on what is wrong.
    pub fn new(text: &str, zone: Zone) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let (taken, part) = match c {
                '{' | '}' if rest.get(1..).is_some_and(|rest| rest.starts_with(c)) => {
                    plain.push(c);
                    (2, None)
                }
                '{' => {
                    let (inside, _) = rest
                        .get(1..)
                        .and_then(|rest| rest.split_once('}'))
                        .ok_or("no } for a {")?;
                    (inside.len() + 2, Some(Part::new(inside)?))
                }
                '}' => return Err("a } without its { (write }})".to_owned()),
                '\\' => {
                    plain.push(unescape(rest)?);
                    (2, None)
                }
                _ => {
                    plain.push(c);
                    (c.len_utf8(), None)
                }
            };
            rest = rest.get(taken..).unwrap_or_default();
            if let Some(part) = part {
                parts.push(Part::Text(std::mem::take(&mut plain).into_bytes()));
                parts.push(part);
            }
        }
        parts.push(Part::Text(plain.into_bytes()));
        Ok(Self { parts, zone })
    }

    /// The same with a byte behind it.
    #[must_use]
    pub fn ending_with(mut self, byte: u8) -> Self {
        self.parts.push(Part::Text(vec![byte]));
        self
    }

    /// Appends one message.
    pub fn put(&self, out: &mut Vec<u8>, message: &MessageView<'_>) {
        for part in &self.parts {
            match part {
                Part::Text(bytes) => out.extend_from_slice(bytes),
                Part::Header(header) => put_header(out, message, *header),
                Part::Time(format) => format.put(out, message.timestamp.unwrap_or(0), &self.zone),
                Part::Field { name, field, value } => {
                    if let Some(field) = message.field(name, *field) {
                        put_field(out, &field, *value);
                    }
                }
            }
        }
    }
}

fn put_header(out: &mut Vec<u8>, message: &MessageView<'_>, header: HeaderName) {
    let text = match header {
        HeaderName::Uuid => return put_uuid(out, message.uuid),
        HeaderName::Timestamp => return put_rfc3339(out, message.timestamp.unwrap_or(0)),
        HeaderName::Severity => return put_integer(out, i64::from(message.severity())),
        HeaderName::Pid => return put_integer(out, i64::from(message.pid.unwrap_or(0))),
        HeaderName::Type => message.type_,
        HeaderName::Logger => message.logger,
        HeaderName::Payload => message.payload,
        HeaderName::EnvVersion => message.env_version,
        HeaderName::Hostname => message.hostname,
    };
    out.extend_from_slice(text.unwrap_or_default());
}

fn unescape(text: &str) -> Result<char, String> {
    match text.get(1..).and_then(|rest| rest.chars().next()) {
        Some('n') => Ok('\n'),
        Some('t') => Ok('\t'),
        Some('0') => Ok('\0'),
        Some('\\') => Ok('\\'),
        _ => Err("unknown escape (\\n, \\t, \\0, \\\\)".to_owned()),
    }
}

impl Part {
    fn new(inside: &str) -> Result<Self, String> {
        let unknown = || format!("unknown part {{{inside}}}");
        if let Some(header) = HeaderName::named(inside) {
            return Ok(Self::Header(header));
        }
        match (inside.strip_prefix("Timestamp:"), inside.strip_prefix("Fields[")) {
            (Some(format), _) => Strftime::new(format).map(Self::Time),
            (_, Some(rest)) => Self::field(rest).ok_or_else(unknown),
            _ => Err(unknown()),
        }
    }

    /// `NAME]`, `NAME][field]` or `NAME][field][value]`.
    fn field(text: &str) -> Option<Self> {
        let (name, mut rest) = text.split_once(']')?;
        let mut indices = [None; 2];
        for index in &mut indices {
            if rest.is_empty() {
                break;
            }
            let (digits, behind) = rest.strip_prefix('[')?.split_once(']')?;
            *index = Some(digits.parse::<usize>().ok()?);
            rest = behind;
        }
        let [field, value] = indices;
        let name = name.as_bytes().to_vec();
        rest.is_empty().then_some(Self::Field { name, field: field.unwrap_or(0), value })
    }
}

fn put_field(out: &mut Vec<u8>, field: &FieldView<'_>, value: Option<usize>) {
    let (skipped, taken) = value.map_or((0, usize::MAX), |value| (value, 1));
    for (index, value) in field.values().skip(skipped).take(taken).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match value {
            Value::String(text) => out.extend_from_slice(text),
            Value::Bytes(bytes) => out.extend_from_slice(BASE64.encode(bytes).as_bytes()),
            Value::Integer(integer) => put_integer(out, integer),
            Value::Double(double) => number::put_go(out, double, "NaN", "+Inf"),
            Value::Bool(truth) => {
                out.extend_from_slice(if truth { b"true" } else { b"false" });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Field, Message, ValueType, put_message};

    fn filled(template: &str) -> String {
        let several = Field { value_integer: vec![1, 2], ..Field::empty("n", ValueType::Integer) };
        let message = Message {
            timestamp: Some(1_000_000_001),
            payload: Some("hi".into()),
            fields: vec![several, Field::string("s", "v")],
            ..Message::default()
        };
        let (mut bytes, mut out) = (Vec::new(), Vec::new());
        put_message(&mut bytes, &message);
        Template::new(template, Zone::utc())
            .unwrap()
            .put(&mut out, &MessageView::parse(&bytes).unwrap());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn parts_are_filled_in_and_what_is_absent_is_empty() {
        assert_eq!(filled("{Timestamp} {Payload}"), "1970-01-01T00:00:01.000000001Z hi");
        assert_eq!(filled("{Fields[n]}|{Fields[n][0][1]}|{Fields[s]}|{Fields[x]}"), "1,2|2|v|");
        assert_eq!(filled("{{{Severity}}}\\t{Hostname}"), "{7}\t");
    }

    #[test]
    fn mistakes_are_told() {
        for template in ["{Nope}", "{Payload", "}", "{Fields[x}", "{Fields[x][a]}", "\\q", "\\"] {
            assert!(Template::new(template, Zone::utc()).is_err(), "{template}");
        }
    }
}
