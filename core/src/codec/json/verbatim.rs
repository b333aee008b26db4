// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages from lines as [`super::Writer`] writes them, read in place without allocation. Any
//! other line is left to [`super::parse`], which also reports what is wrong with it.

use data_encoding::BASE64;

use super::cursor::{Cursor, Text, Token};
use super::number;
use super::writer::{BILLION, Second};
use crate::wire::{Draft, TextHeader, Value, ValueType};

/// Maximum number of members of `FieldInfo`.
const MOST_INFO: usize = 16;

/// Reads such lines.
#[derive(Clone, Debug)]
pub struct Verbatim {
    draft: Draft,
    /// The checkpoint of the line; empty if there is none.
    checkpoint: Vec<u8>,
    second: Second,
    name: Vec<u8>,
    text: Vec<u8>,
}

/// The `FieldInfo` of a field.
#[derive(Clone, Copy, Debug)]
struct Info<'a> {
    name: &'a [u8],
    is_double: bool,
    representation: Option<&'a [u8]>,
}

/// The members of a line, each of which occurs at most once.
#[derive(Debug, Default)]
struct Members<'a> {
    seen: u16,
    time: Option<&'a [u8]>,
    nanoseconds: Option<i64>,
    fields: Option<Cursor<'a>>,
    info: Infos<'a>,
}

/// The `FieldInfo` of all fields.
#[derive(Debug, Default)]
struct Infos<'a> {
    all: [Option<Info<'a>>; MOST_INFO],
}

impl Default for Verbatim {
    fn default() -> Self {
        Self {
            draft: Draft::new(usize::MAX),
            checkpoint: Vec::new(),
            second: Second::default(),
            name: Vec::new(),
            text: Vec::new(),
        }
    }
}

impl Verbatim {
    /// Returns the message that was read last.
    pub fn draft(&self) -> &Draft {
        &self.draft
    }

    /// Returns the checkpoint of its line.
    pub fn checkpoint(&self) -> Option<&[u8]> {
        (!self.checkpoint.is_empty()).then_some(&self.checkpoint)
    }

    /// Reads a line; `false` unless it is a complete message with Uuid and time.
    pub fn read(&mut self, line: &[u8]) -> bool {
        self.draft.clear();
        self.checkpoint.clear();
        let line = line.trim_ascii_end();
        let is_plain = line.iter().fold(true, |plain, byte| plain & (*byte >= 0x20));
        is_plain && std::str::from_utf8(line).is_ok() && self.read_object(line).is_some()
    }

    fn read_object(&mut self, line: &[u8]) -> Option<()> {
        let mut cursor = Cursor::new(line);
        let mut members = Members::default();
        if cursor.value().ok()? != Token::Object {
            return None;
        }
        let mut is_first = true;
        while let Some(name) = cursor.member(is_first).ok()? {
            is_first = false;
            self.read_member(name.plain()?, &mut cursor, &mut members)?;
        }
        cursor.finish().ok()?;
        let (time, text) = (members.nanoseconds?, members.time?);
        if members.seen & 1 == 0 || time < BILLION || !self.second.is_text_of(time, text) {
            return None;
        }
        self.draft.set_timestamp(time);
        members.fields.map_or(Some(()), |fields| self.read_fields(fields, &members.info))
    }

    fn read_member<'a>(
        &mut self,
        name: &[u8],
        cursor: &mut Cursor<'a>,
        members: &mut Members<'a>,
    ) -> Option<()> {
        let number = match (name, cursor.value().ok()?) {
            (b"Timestamp", Token::String(text)) => {
                members.time = Some(text.plain()?);
                1
            }
            (b"TimestampNs", Token::Number(digits)) => {
                members.nanoseconds = Some(number::integer(digits)?);
                2
            }
            (b"Fields", Token::Object) => {
                members.fields = Some(*cursor);
                skip_fields(cursor)?;
                10
            }
            (b"FieldInfo", Token::Object) => {
                members.info = Infos::read(cursor)?;
                11
            }
            (b"_position", Token::String(text)) => {
                self.set_checkpoint(text.plain()?)?;
                12
            }
            (name, token) => self.set_header(name, token)?,
        };
        let is_new = members.seen & 1 << number == 0;
        members.seen |= 1 << number;
        is_new.then_some(())
    }

    /// Sets a header; returns its member number.
    fn set_header(&mut self, name: &[u8], token: Token<'_>) -> Option<u32> {
        let text_header = match (name, token) {
            (b"Uuid", Token::String(text)) => {
                let uuid = uuid::Uuid::try_parse_ascii(text.plain()?).ok()?;
                self.draft.set_uuid(uuid.into_bytes());
                return Some(0);
            }
            (b"Severity", Token::Number(digits)) => {
                self.draft.set_severity(i32::try_from(number::integer(digits)?).ok()?);
                return Some(8);
            }
            (b"Pid", Token::Number(digits)) => {
                self.draft.set_pid(i32::try_from(number::integer(digits)?).ok()?);
                return Some(9);
            }
            (b"Type", _) => TextHeader::Type,
            (b"Logger", _) => TextHeader::Logger,
            (b"Payload", _) => TextHeader::Payload,
            (b"EnvVersion", _) => TextHeader::EnvVersion,
            (b"Hostname", _) => TextHeader::Hostname,
            _ => return None,
        };
        let Token::String(text) = token else { return None };
        let text = strict(text, &mut self.text)?;
        self.draft.set_text(text_header, text).ok()?;
        Some(3 + text_header as u32)
    }

    fn set_checkpoint(&mut self, text: &[u8]) -> Option<()> {
        self.checkpoint.resize(BASE64.decode_len(text.len()).ok()?, 0);
        let len = BASE64.decode_mut(text, &mut self.checkpoint).ok()?;
        self.checkpoint.truncate(len);
        // An absent value differs from an empty one.
        (len > 0).then_some(())
    }

    /// Adds the fields of an object, after its opening bracket.
    fn read_fields(&mut self, mut cursor: Cursor<'_>, infos: &Infos<'_>) -> Option<()> {
        let Self { draft, name: name_room, text: text_room, .. } = self;
        let mut is_first = true;
        while let Some(name) = cursor.member(is_first).ok()? {
            is_first = false;
            let name = strict(name, name_room)?;
            let info = infos.of(name);
            let is_double = info.is_some_and(|info| info.is_double);
            let representation = info.and_then(|info| info.representation).unwrap_or_default();
            match cursor.value().ok()? {
                Token::Array if info.is_none() => {
                    draft.open_list();
                    let mut value_type = None;
                    while cursor.element(value_type.is_none()).ok()? {
                        let value = scalar(cursor.value().ok()?, false, text_room)?;
                        if *value_type.get_or_insert(value.value_type()) != value.value_type() {
                            return None;
                        }
                        draft.push(value).ok()?;
                    }
                    draft.close_list(name, value_type?).ok()?;
                }
                token => {
                    let value = scalar(token, is_double, text_room)?;
                    draft.put_field(name, representation, value).ok()?;
                }
            }
        }
        Some(())
    }
}

impl<'a> Infos<'a> {
    /// Reads an object, after its opening bracket.
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut infos = Self::default();
        let mut free = infos.all.iter_mut();
        let mut is_first = true;
        while let Some(name) = cursor.member(is_first).ok()? {
            is_first = false;
            let name = name.plain()?;
            let mut info = Info { name, is_double: false, representation: None };
            if cursor.value().ok()? != Token::Object {
                return None;
            }
            let mut is_first = true;
            while let Some(member) = cursor.member(is_first).ok()? {
                is_first = false;
                match (member.plain()?, cursor.value().ok()?) {
                    (b"type", Token::String(text)) if text.plain() == Some(b"double") => {
                        info.is_double = true;
                    }
                    (b"representation", Token::String(text)) => {
                        info.representation = Some(text.plain()?);
                    }
                    _ => return None,
                }
            }
            *free.next()? = Some(info);
        }
        Some(infos)
    }

    /// Returns the info of a field; the last entry for a name counts.
    fn of(&self, name: &[u8]) -> Option<&Info<'a>> {
        self.all.iter().map_while(Option::as_ref).filter(|info| info.name == name).last()
    }
}

/// Skips the fields of an object, after its opening bracket.
fn skip_fields(cursor: &mut Cursor<'_>) -> Option<()> {
    let mut is_first = true;
    while cursor.member(is_first).ok()?.is_some() {
        is_first = false;
        match cursor.value().ok()? {
            Token::Object => return None,
            Token::Array => {
                let mut is_first = true;
                while cursor.element(is_first).ok()? {
                    is_first = false;
                    if matches!(cursor.value().ok()?, Token::Object | Token::Array) {
                        return None;
                    }
                }
            }
            _ => {}
        }
    }
    Some(())
}

/// Returns the value of a field; `None` if the fast path cannot determine it.
fn scalar<'a>(token: Token<'a>, is_double: bool, room: &'a mut Vec<u8>) -> Option<Value<'a>> {
    let value = match token {
        Token::String(text) => Value::String(strict(text, room)?),
        Token::Bool(truth) => Value::Bool(truth),
        Token::Number(digits) => match number::value(digits) {
            Value::Integer(integer) if is_double => Value::Double(integer as f64),
            Value::String(_) => return None,
            value => value,
        },
        _ => return None,
    };
    (!is_double || value.value_type() == ValueType::Double).then_some(value)
}

/// Returns the meaning of a text that all readers agree on.
fn strict<'a>(text: Text<'a>, room: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    match text.plain() {
        Some(plain) => Some(plain),
        None => text.is_strict().then(|| text.read(room)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Identity, parse};
    use super::*;
    use crate::wire::{MessageView, put_message};

    const IDENTITY: Identity = Identity { uuid: [1; 16], timestamp: 1 };
    const START: &str = r#"{"Uuid":"00112233-4455-6677-8899-aabbccddeeff","Timestamp":"2014-08-23T22:54:00.000000007Z","TimestampNs":1408834440000000007"#;

    /// Whether a line was read, in which case the slow path must agree.
    fn is_read(line: &str) -> bool {
        let mut reader = Verbatim::default();
        if !reader.read(line.as_bytes()) {
            return false;
        }
        let (mut here, mut there) = (Vec::new(), Vec::new());
        let none = MessageView::default();
        reader.draft().finish(&mut here, &none, &none);
        let read = parse(line.as_bytes(), IDENTITY).unwrap();
        put_message(&mut there, &read.message.unwrap());
        assert_eq!(here, there, "{line}");
        assert_eq!(reader.checkpoint(), read.checkpoint.as_deref(), "{line}");
        true
    }

    #[test]
    fn what_is_read_is_what_the_other_way_reads() {
        for rest in [
            "",
            r#","Type":"t","Logger":"","Severity":-1,"Payload":"a \"b\" \u00e9\u0000\n","EnvVersion":"1","Pid":7,"Hostname":"h""#,
            r#","Fields":{"s":"x","i":-3,"d":0.25,"b":true,"l":[1,2],"t":["a","b"],"a \"b\"":"\/"}"#,
            r#","Fields":{"took":1,"n":5},"FieldInfo":{"took":{"type":"double","representation":"s"},"n":{"representation":"B"}}"#,
            r#","FieldInfo":{"took":{"type":"double"},"took":{"representation":"s"}},"Fields":{"took":1}"#,
            r#","_position":"Yf9i""#,
            r#", "Payload" : "spaces" "#,
            r#","Fields":{}"#,
        ] {
            assert!(is_read(&format!("{START}{rest}}}")), "{rest}");
            assert!(is_read(&format!("{START}{rest}}}\n")), "{rest}");
        }
    }

    #[test]
    fn all_else_is_left_to_it() {
        for rest in [
            r#","Pid":1,"Pid":2"#,
            r#","Payload":null"#,
            r#","Payload_base64":"Yf9i""#,
            r#","Payload":"\ud800""#,
            r#","Payload":"\q""#,
            r#","Pid":99999999999"#,
            r#","Pid":1.0"#,
            r#","Fields":[]"#,
            r#","Fields":{"o":{}}"#,
            r#","Fields":{"l":[]}"#,
            r#","Fields":{"l":[1,"a"]}"#,
            r#","Fields":{"l":[1,2.5]}"#,
            r#","Fields":{"n":null}"#,
            r#","Fields":{"n":12345678901234567890}"#,
            r#","Fields":{"b":"Yf9i"},"FieldInfo":{"b":{"type":"bytes"}}"#,
            r#","Fields":{"d":"NaN"},"FieldInfo":{"d":{"type":"double"}}"#,
            r#","Fields":{"d":1},"FieldInfo":{"d":{"type":null}}"#,
            r#","Fields":{"d":[1]},"FieldInfo":{"d":{"type":"double"}}"#,
            r#","_mark":true"#,
            r#","_position":"Yf9""#,
            r#","_position":null"#,
            r#","more":1"#,
            " x",
            ",",
        ] {
            assert!(!is_read(&format!("{START}{rest}}}")), "{rest}");
        }
        for line in [
            "{}",
            "",
            "[]",
            r#"{"Uuid":null}"#,
            // One of the two times was edited.
            r#"{"Uuid":"00112233-4455-6677-8899-aabbccddeeff","Timestamp":"2014-08-23T22:54:00.000000008Z","TimestampNs":1408834440000000007}"#,
            r#"{"Timestamp":"2014-08-23T22:54:00.000000007Z","TimestampNs":1408834440000000007}"#,
        ] {
            assert!(!is_read(line), "{line}");
        }
        assert!(!is_read(&format!("{START},\"Payload\":\"a\tb\"}}")));
    }
}
