// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages formatted by a template: `{Timestamp:%H:%M:%S} {Hostname:10} {Fields[status]:>3}
//! {Payload}`.
//!
//! Braces enclose a header, or a field with optional indices as in the matcher. Several values of a
//! field are joined by commas; an absent value is empty. `{Timestamp}` is RFC 3339 in UTC,
//! `{Timestamp:FORMAT}` is strftime(3) in the local zone. A width may follow a colon, preceded by
//! `<` (the default), `>` or `^` for left, right or centre, and followed by `.N` for at most N
//! columns; or `json` for a JSON value. `{{` and `}}` are literal braces; `\n`, `\t`, `\0` and `\\`
//! are as in C.

use unicode_width::UnicodeWidthChar as _;

use super::time::{Strftime, Zone};
use super::{FieldPath, HeaderName, Selector};
use crate::wire::MessageView;

/// A parsed template.
#[derive(Clone, Debug, Default)]
pub struct TextTemplate {
    parts: Vec<Part>,
    /// Byte written after each message, unless its last value ends with it.
    end: Option<u8>,
    zone: Zone,
}

#[derive(Clone, Debug)]
enum Part {
    Text(Vec<u8>),
    Time(Strftime),
    Plain(Selector),
    Padded(Selector, Padding),
    Json(Selector),
}

/// How a text is padded or cut.
#[derive(Clone, Copy, Debug, Default)]
struct Padding {
    align: Align,
    /// Minimum number of columns.
    least: usize,
    /// Maximum number of columns.
    most: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Align {
    #[default]
    Left,
    Centre,
    Right,
}

impl TextTemplate {
    /// Parses a template; times are in `zone`.
    ///
    /// # Errors
    /// A description of what is wrong.
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
        if !plain.is_empty() {
            parts.push(Part::Text(plain.into_bytes()));
        }
        Ok(Self { parts, end: None, zone })
    }

    /// Adds a byte after each message, unless the last value ends with it: a payload of heka-tail
    /// includes its line end.
    #[must_use]
    pub fn ending_with(mut self, byte: u8) -> Self {
        self.end = Some(byte);
        self
    }

    /// Returns the paths of the fields in the template.
    pub fn fields(&self) -> Vec<&FieldPath> {
        self.parts.iter().filter_map(Part::field).collect()
    }

    /// Appends one message.
    pub fn put(&self, out: &mut Vec<u8>, message: &MessageView<'_>) {
        let start = out.len();
        for part in &self.parts {
            match part {
                Part::Text(bytes) => out.extend_from_slice(bytes),
                Part::Time(format) => {
                    if let Some(time) = message.timestamp {
                        format.put(out, time, &self.zone);
                    }
                }
                Part::Plain(selector) => selector.put(out, message),
                Part::Json(selector) => selector.put_json(out, message),
                Part::Padded(selector, padding) => {
                    let start = out.len();
                    let mut message = *message;
                    message.payload = message.payload.map(chomped);
                    selector.put(out, &message);
                    padding.fit(out, start);
                }
            }
        }
        let brings_it = matches!(self.parts.last(), Some(Part::Plain(_)))
            && out.len() > start
            && out.last().copied() == self.end;
        if !brings_it {
            out.extend(self.end);
        }
    }
}

/// Returns a payload without its final line end.
pub(super) fn chomped(payload: &[u8]) -> &[u8] {
    let payload = payload.strip_suffix(b"\n").unwrap_or(payload);
    payload.strip_suffix(b"\r").unwrap_or(payload)
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
    fn field(&self) -> Option<&FieldPath> {
        match self {
            Self::Plain(Selector::Field(path))
            | Self::Padded(Selector::Field(path), _)
            | Self::Json(Selector::Field(path)) => Some(path),
            _ => None,
        }
    }

    fn new(inside: &str) -> Result<Self, String> {
        let unknown = || format!("unknown part {{{inside}}}");
        // The name of a field may contain a colon.
        let end = inside.rfind(']').map_or(0, |end| end + 1);
        let colon = inside.get(end..).and_then(|rest| rest.find(':')).map(|at| end + at);
        let (name, spec) = match colon {
            None => (inside, None),
            Some(at) => (inside.get(..at).unwrap_or_default(), inside.get(at + 1..)),
        };
        let is_named = name.starts_with("Fields[") || HeaderName::named(name).is_some();
        let selector = Selector::parse(name).filter(|_| is_named).ok_or_else(unknown)?;
        match spec {
            None => Ok(Self::Plain(selector)),
            Some("json") => Ok(Self::Json(selector)),
            Some(spec) => match Padding::parse(spec) {
                Some(padding) => Ok(Self::Padded(selector, padding)),
                None if name == "Timestamp" => Strftime::new(spec).map(Self::Time),
                None => Err(unknown()),
            },
        }
    }
}

impl Padding {
    /// Parses `[<>^][LEAST][.MOST]`.
    fn parse(text: &str) -> Option<Self> {
        let (align, rest) = match text.as_bytes().first()? {
            b'<' => (Align::Left, text.get(1..)?),
            b'^' => (Align::Centre, text.get(1..)?),
            b'>' => (Align::Right, text.get(1..)?),
            _ => (Align::Left, text),
        };
        let number = |digits: &str| digits.parse::<u16>().ok().map(usize::from);
        let (least, most) = match rest.split_once('.') {
            None => (number(rest)?, None),
            Some(("", most)) => (0, Some(number(most)?)),
            Some((least, most)) => (number(least)?, Some(number(most)?)),
        };
        Some(Self { align, least, most })
    }

    /// Pads or cuts the text that `out` holds from `start` on.
    fn fit(self, out: &mut Vec<u8>, start: usize) {
        let (mut columns, mut end) = (0, start);
        for chunk in out.get(start..).unwrap_or_default().utf8_chunks() {
            let bad = chunk.invalid().iter().map(|_| (1, 1));
            let good = chunk.valid().chars().map(|c| (c.len_utf8(), c.width().unwrap_or(0)));
            for (len, width) in good.chain(bad) {
                if self.most.is_some_and(|most| columns + width > most) {
                    out.truncate(end);
                    return self.pad(out, start, columns);
                }
                columns += width;
                end += len;
            }
        }
        self.pad(out, start, columns);
    }

    fn pad(self, out: &mut Vec<u8>, start: usize, columns: usize) {
        let blanks = self.least.saturating_sub(columns);
        let before = match self.align {
            Align::Left => 0,
            Align::Centre => blanks / 2,
            Align::Right => blanks,
        };
        out.splice(start..start, std::iter::repeat_n(b' ', before));
        out.extend(std::iter::repeat_n(b' ', blanks - before));
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
            fields: vec![
                several,
                Field::string("s", "v"),
                Field::integer("n", 3),
                Field::string("wide", "日本"),
                Field::string("bad", bytes::Bytes::from_static(b"\xff")),
            ],
            ..Message::default()
        };
        let (mut bytes, mut out) = (Vec::new(), Vec::new());
        put_message(&mut bytes, &message);
        TextTemplate::new(template, Zone::utc())
            .unwrap()
            .put(&mut out, &MessageView::parse(&bytes).unwrap());
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn parts_are_filled_in_and_what_is_absent_is_empty() {
        assert_eq!(filled("{Timestamp} {Payload}"), "1970-01-01T00:00:01.000000001Z hi");
        assert_eq!(filled("{Fields[n]}|{Fields[n][0][1]}|{Fields[s]}|{Fields[x]}"), "1,2|2|v|");
        assert_eq!(filled("{{{Severity}}}\\t{Hostname}"), "{7}\t");
    }

    #[test]
    fn texts_are_fitted_in() {
        assert_eq!(
            filled("[{Payload:4}|{Payload:>4}|{Payload:^4}|{Payload:.1}]"),
            "[hi  |  hi| hi |h]"
        );
        assert_eq!(
            filled("{Fields[wide]:5}|{Fields[wide]:3.3}|{Fields[bad]:>3}"),
            "日本 |日 |  \u{fffd}"
        );
        assert_eq!(filled("{Timestamp:>32}"), "  1970-01-01T00:00:01.000000001Z");
    }

    #[test]
    fn values_are_json_if_that_is_asked_for() {
        assert_eq!(
            filled("{{{Payload:json},{Fields[n]:json},{Fields[s]:json},{Hostname:json}}}"),
            "{\"hi\",[1,2],\"v\",null}"
        );
        assert_eq!(
            filled("{Severity:json} {Pid:json} {Uuid:json} {Fields[bad]:json}"),
            "7 null null \"\u{fffd}\""
        );
    }

    #[test]
    fn a_star_means_all() {
        assert_eq!(filled("{Fields[n][*]} {Fields[n][*][0]} {Fields[n][0][*]}"), "1,2,3 1,3 1,2");
    }

    #[test]
    fn what_is_absent_is_empty() {
        let mut out = Vec::new();
        let template = TextTemplate::new("[{Pid}{Timestamp}{Timestamp:%Y}{Hostname}]", Zone::utc());
        template.unwrap().put(&mut out, &MessageView::default());
        assert_eq!(out, b"[]");
    }

    #[test]
    fn a_line_end_that_a_payload_brings_is_enough() {
        let written = |template: &str, payload: &'static str| {
            let mut message = MessageView::default();
            message.payload = Some(payload.as_bytes());
            let mut out = Vec::new();
            let template = TextTemplate::new(template, Zone::utc()).unwrap().ending_with(b'\n');
            template.put(&mut out, &message);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written("> {Payload}", "a\n"), "> a\n");
        assert_eq!(written("> {Payload}", "a\n\n"), "> a\n\n");
        assert_eq!(written("> {Payload}", "a"), "> a\n");
        assert_eq!(written("{Payload}", ""), "\n");
        assert_eq!(written("[{Payload}]", "a\n"), "[a\n]\n");
        assert_eq!(written("{Payload}\\n", "a"), "a\n\n");
        assert_eq!(written("{Payload:3}|", "a\r\n"), "a  |\n");
    }

    #[test]
    fn mistakes_are_told() {
        for template in [
            "{Nope}",
            "{Payload",
            "}",
            "{Fields[x}",
            "{Fields[x][a]}",
            "{Fields[x]:y}",
            "{Payload:}",
            "{Payload:1.}",
            "\\q",
            "\\",
        ] {
            assert!(TextTemplate::new(template, Zone::utc()).is_err(), "{template}");
        }
    }
}
