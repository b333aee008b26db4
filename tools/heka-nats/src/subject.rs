// SPDX-License-Identifier: MIT OR Apache-2.0
//! Subjects with values of messages in them: `logs.{Logger}`.

use heka_core::codec::Selector;
use heka_core::wire::MessageView;

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Value(Selector),
}

/// A subject for each message.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    parts: Vec<Part>,
}

impl Subject {
    /// Reads one.
    ///
    /// # Errors
    /// Words on what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let (name, behind) = behind.split_once('}').ok_or("a } is missing in the subject")?;
            let unknown = || format!("{{{name}}} is not a header, nor Fields[name]");
            let is_known =
                name.starts_with("Fields[") || heka_core::codec::HeaderName::named(name).is_some();
            let value = Selector::parse(name).filter(|_| is_known).ok_or_else(unknown)?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Value(value));
            rest = behind;
        }
        parts.push(Part::Text(rest.to_owned()));
        if text.contains(['*', '>']) {
            return Err("messages are not sent to a subject with * or >".to_owned());
        }
        Ok(Self { parts })
    }

    /// A pattern that all of them match.
    pub(crate) fn pattern(&self) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) => text,
            Part::Value(_) => "*",
        });
        let joined: String = parts.collect();
        // A star matches a whole token only.
        let tokens = joined.split('.').map(|token| if token.contains('*') { "*" } else { token });
        tokens.collect::<Vec<_>>().join(".")
    }

    /// Appends the subject of a message.
    pub(crate) fn put(&self, out: &mut Vec<u8>, message: &MessageView<'_>) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Value(value) => {
                    let start = out.len();
                    value.put(out, message);
                    if out.len() == start {
                        out.push(b'_');
                    }
                    out.iter_mut().skip(start).for_each(|byte| *byte = allowed(*byte));
                }
            }
        }
    }
}

/// A byte that a server takes in a token.
fn allowed(byte: u8) -> u8 {
    match byte {
        b'.' | b'*' | b'>' | 0..=b' ' | 0x7f => b'_',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_tokens() {
        let subject = Subject::parse("logs.{Logger}.x-{Type}").unwrap();
        assert_eq!(subject.pattern(), "logs.*.*");
        let mut message = MessageView::default();
        message.logger = Some(b"a.b c*");
        let mut out = Vec::new();
        subject.put(&mut out, &message);
        assert_eq!(out, b"logs.a_b_c_.x-_");
    }

    #[test]
    fn what_is_no_value_is_told() {
        for text in ["a.{Logger", "a.{Nothing}", "a.*", "a.>"] {
            assert!(Subject::parse(text).is_err(), "{text}");
        }
    }
}
