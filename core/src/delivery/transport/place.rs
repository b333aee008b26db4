// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names of subjects or topics with values from messages: `logs.{Logger}`.

use crate::codec::{HeaderName, Selector};
use crate::wire::MessageView;

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Value(Selector),
}

/// The destination of a message: a subject, a topic.
#[derive(Clone, Debug)]
pub struct Place {
    parts: Vec<Part>,
    allowed: fn(u8) -> u8,
}

impl Place {
    /// Parses a destination. `allowed` replaces bytes of values that the name must not contain.
    ///
    /// # Errors
    /// A description of what is wrong.
    pub fn parse(text: &str, allowed: fn(u8) -> u8) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let (name, behind) = behind.split_once('}').ok_or("a } is missing")?;
            let unknown = || format!("{{{name}}} is not a header, nor Fields[name]");
            let is_known = name.starts_with("Fields[") || HeaderName::named(name).is_some();
            let value = Selector::parse(name).filter(|_| is_known).ok_or_else(unknown)?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Value(value));
            rest = behind;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self { parts, allowed })
    }

    /// Returns the name, if it is the same for all messages.
    pub fn fixed(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Returns the name with `stand_in` for each value.
    pub fn with(&self, stand_in: &str) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) => text,
            Part::Value(_) => stand_in,
        });
        parts.collect()
    }

    /// Appends the name for a message.
    pub fn put(&self, out: &mut Vec<u8>, message: &MessageView<'_>) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Value(value) => {
                    let start = out.len();
                    value.put(out, message);
                    if out.len() == start {
                        out.push(b'_');
                    }
                    out.iter_mut().skip(start).for_each(|byte| *byte = (self.allowed)(*byte));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Place, String> {
        Place::parse(text, |byte| if byte.is_ascii_alphanumeric() { byte } else { b'_' })
    }

    #[test]
    fn values_become_tokens() {
        let place = parse("logs.{Logger}.x-{Type}").unwrap();
        assert_eq!((place.fixed(), place.with("*")), (None, "logs.*.x-*".to_owned()));
        let mut message = MessageView::default();
        message.logger = Some(b"a.b c*");
        let mut out = Vec::new();
        place.put(&mut out, &message);
        assert_eq!(out, b"logs.a_b_c_.x-_");
        assert_eq!(parse("logs").unwrap().fixed(), Some("logs"));
    }

    #[test]
    fn what_is_no_value_is_told() {
        for text in ["a.{Logger", "a.{Nothing}"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
