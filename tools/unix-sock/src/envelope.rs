// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stands around a record on standard input and output to say which peer it is from or for.
//!
//! | form | from a peer | for a peer |
//! | --- | --- | --- |
//! | payload | the record | the record |
//! | tag | `7<TAB>record` | the same |
//! | json | `{"unix_socket_server":{"path":"/tmp/s","peer":7,…},"data":"record"}` | the same; only `peer` and `data` count |
//! | heka | a message with Fields path, peer, pid, uid, gid | a message with Field peer |
//!
//! In JSON a record that is not UTF-8 is `"data_base64"`; coming in, a `"data"` that is no string
//! is sent as the JSON that it is.

use std::borrow::Cow;

use data_encoding::BASE64;
use heka_core::codec::Form;
use heka_core::os::clock;
use heka_core::wire::{
    Deframer, Field, Header, Message, More, Step, Template, Value, put_frame, put_message,
};
use prost::Message as _;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::facts::Facts;
use heka_core::record::Framing;

/// `Type` and, with the path behind it, `Logger` of the messages made here.
const TYPE: &str = "unix-sock";

/// What goes around the records of one peer.
#[derive(Debug)]
pub(crate) enum Envelope {
    /// Nothing.
    Plain,
    /// This in front.
    Tag(Vec<u8>),
    /// The object up to its data.
    Json(Vec<u8>),
    /// A message, or the Fields that a record which is one already gets.
    Heka(Box<Template>, Vec<Field>),
}

impl Envelope {
    /// What a form makes of a peer's facts.
    pub(crate) fn new(form: Form, facts: &Facts) -> Self {
        match form {
            Form::Tag => Self::Tag(format!("{}\t", facts.number).into_bytes()),
            Form::Json => Self::Json(facts.to_json().into_bytes()),
            Form::Heka => {
                let fields = facts.to_fields();
                let message = Message {
                    r#type: Some(TYPE.into()),
                    logger: Some(facts.path.clone().into_bytes().into()),
                    hostname: Some(clock::hostname().into_bytes().into()),
                    pid: facts.pid,
                    fields: fields.clone(),
                    ..Message::default()
                };
                Self::Heka(Box::new(Template::new(&message, None)), fields)
            }
            _ => Self::Plain,
        }
    }

    /// Appends a record in its envelope.
    ///
    /// # Errors
    /// If it cannot be framed so.
    pub(crate) fn put(
        &mut self,
        out: &mut Vec<u8>,
        stdio: Framing,
        record: &[u8],
    ) -> Result<(), String> {
        match self {
            Self::Plain => stdio.put(out, record).map_err(|unfit| unfit.to_string()),
            Self::Tag(tag) => put_with(out, stdio, |out| {
                out.extend_from_slice(tag);
                out.extend_from_slice(record);
            }),
            Self::Json(start) => put_with(out, stdio, |out| {
                out.extend_from_slice(start);
                put_data(out, record);
            }),
            Self::Heka(template, fields) => match message_of(record) {
                Some(mut message) => {
                    message.fields.extend_from_slice(fields);
                    let mut bytes = Vec::new();
                    put_message(&mut bytes, &message);
                    put_frame(out, Header::default(), &bytes).map_err(|error| error.to_string())
                }
                None => template
                    .put_frame(
                        out,
                        Header::default(),
                        clock::random_uuid(),
                        clock::now_ns(),
                        record,
                    )
                    .map_err(|error| error.to_string()),
            },
        }
    }
}

/// Appends a record that `build` appends, in place where nothing has to stand before it.
fn put_with(
    out: &mut Vec<u8>,
    stdio: Framing,
    build: impl FnOnce(&mut Vec<u8>),
) -> Result<(), String> {
    if let Framing::Delimited(byte) = stdio {
        build(out);
        out.push(byte);
        return Ok(());
    }
    let mut record = Vec::new();
    build(&mut record);
    stdio.put(out, &record).map_err(|unfit| unfit.to_string())
}

/// The message in a record that is a Heka frame, from its 0x1e to its end.
fn message_of(record: &[u8]) -> Option<Message> {
    match Deframer::new(record.len()).next(record, More::Ended) {
        Step::Frame(done, frame) if done == record.len() && frame.bytes.len() == done => {
            Message::decode(frame.message).ok()
        }
        _ => None,
    }
}

fn put_data(object: &mut Vec<u8>, record: &[u8]) {
    match std::str::from_utf8(record) {
        Ok(text) => {
            object.extend_from_slice(b"\"data\":");
            put_string(object, text);
        }
        Err(_) => {
            object.extend_from_slice(b"\"data_base64\":");
            put_string(object, &BASE64.encode(record));
        }
    }
    object.push(b'}');
}

/// Appends a JSON string.
pub(crate) fn put_string(object: &mut Vec<u8>, text: &str) {
    // Writing text into memory cannot fail.
    let _ = serde_json::to_writer(object, text);
}

/// A record that is to go to a peer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Addressed<'a> {
    /// The peer's number, if it names one.
    pub(crate) peer: Option<u64>,
    /// What the peer gets.
    pub(crate) data: Cow<'a, [u8]>,
}

/// Takes a record from standard input out of its envelope. `wire` is the framing of the socket.
///
/// # Errors
/// Words on why it is none of this form.
pub(crate) fn open(form: Form, wire: Framing, record: &[u8]) -> Result<Addressed<'_>, String> {
    match form {
        Form::Tag => Ok(open_tag(record)),
        Form::Json => open_json(record),
        Form::Heka => open_heka(wire, record),
        _ => Ok(Addressed { peer: None, data: record.into() }),
    }
}

fn open_tag(record: &[u8]) -> Addressed<'_> {
    let digits = record.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let peer = match (record.split_at_checked(digits), record.get(digits)) {
        (Some((number, _)), Some(b'\t')) => {
            std::str::from_utf8(number).ok().and_then(|number| number.parse().ok())
        }
        _ => None,
    };
    let data = if peer.is_some() { record.get(digits + 1..).unwrap_or_default() } else { record };
    Addressed { peer, data: data.into() }
}

#[derive(Deserialize)]
struct Object<'a> {
    unix_socket_server: Option<Server>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    data_base64: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Server {
    peer: Option<u64>,
}

fn open_json(record: &[u8]) -> Result<Addressed<'_>, String> {
    let object: Object<'_> = serde_json::from_slice(record).map_err(|error| error.to_string())?;
    let data = match (object.data, object.data_base64) {
        (Some(data), None) if data.get().starts_with('"') => {
            let text: String =
                serde_json::from_str(data.get()).map_err(|error| error.to_string())?;
            text.into_bytes().into()
        }
        (Some(data), None) => data.get().as_bytes().into(),
        (None, Some(text)) => {
            BASE64.decode(text.as_bytes()).map_err(|error| format!("data_base64: {error}"))?.into()
        }
        _ => return Err("expected one of the members data and data_base64".to_owned()),
    };
    Ok(Addressed { peer: object.unix_socket_server.and_then(|server| server.peer), data })
}

fn open_heka(wire: Framing, record: &[u8]) -> Result<Addressed<'_>, String> {
    let Step::Frame(_, frame) = Deframer::new(record.len()).next(record, More::Ended) else {
        return Err("not a Heka frame".to_owned());
    };
    let number = |value| match value {
        Value::Integer(number) => u64::try_from(number).ok(),
        _ => None,
    };
    let peer =
        frame.view.field(b"peer", 0).and_then(|field| field.values().next()).and_then(number);
    let data = if wire == Framing::Heka { record } else { frame.view.payload.unwrap_or_default() };
    Ok(Addressed { peer, data: data.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: Framing = Framing::Delimited(b'\n');

    fn facts() -> Facts {
        Facts {
            number: 7,
            path: "/tmp/s".to_owned(),
            is_server: true,
            pid: Some(42),
            uid: Some(0),
            gid: Some(0),
        }
    }

    fn put(form: Form, wire: Framing, record: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let stdio = if form == Form::Heka { Framing::Heka } else { wire };
        Envelope::new(form, &facts()).put(&mut out, stdio, record).unwrap();
        out
    }

    #[test]
    fn json_names_the_peer_and_keeps_any_bytes() {
        assert_eq!(
            String::from_utf8(put(Form::Json, LINES, b"a\"b")).unwrap(),
            "{\"unix_socket_server\":{\"path\":\"/tmp/s\",\"peer\":7,\"pid\":42,\"uid\":0,\"gid\":0},\
             \"data\":\"a\\\"b\"}\n"
        );
        for record in [&b"text"[..], b"\xff\x00\n", b""] {
            let object = put(Form::Json, LINES, record);
            let back = open(Form::Json, LINES, &object[..object.len() - 1]).unwrap();
            assert_eq!(back, Addressed { peer: Some(7), data: record.into() });
        }
    }

    #[test]
    fn json_data_that_is_no_string_keeps_its_digits() {
        let back = open(Form::Json, LINES, b"{\"data\":[848311734.7466849]}").unwrap();
        assert_eq!(back, Addressed { peer: None, data: b"[848311734.7466849]"[..].into() });
    }

    #[test]
    fn json_without_data_is_refused() {
        for text in
            ["{}", "1", "{\"data\":1,\"data_base64\":\"\"}", "{\"data", "{\"data_base64\":\"?\"}"]
        {
            assert!(open(Form::Json, LINES, text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_tag_is_digits_and_a_tab() {
        let tag = |text: &'static str| open(Form::Tag, LINES, text.as_bytes()).unwrap();
        assert_eq!(tag("7\tx\ty"), Addressed { peer: Some(7), data: b"x\ty"[..].into() });
        assert_eq!(tag("\tx"), Addressed { peer: None, data: b"\tx"[..].into() });
        assert_eq!(tag("x"), Addressed { peer: None, data: b"x"[..].into() });
        assert_eq!(tag("99999999999999999999\tx").peer, None);
    }

    #[test]
    fn messages_carry_the_peer_there_and_back() {
        let frame = put(Form::Heka, LINES, b"hello");
        let back = open(Form::Heka, LINES, &frame).unwrap();
        assert_eq!(back, Addressed { peer: Some(7), data: b"hello"[..].into() });
    }

    #[test]
    fn a_message_on_the_socket_keeps_what_it_has() {
        let mut frame = Vec::new();
        Template::new(&Message { logger: Some("l".into()), ..Message::default() }, None)
            .put_frame(&mut frame, Header::default(), [1; 16], 5, b"p")
            .unwrap();
        let message = message_of(&put(Form::Heka, Framing::Heka, &frame)).unwrap();
        assert_eq!(message.uuid.unwrap(), [1; 16].as_slice());
        assert_eq!(message.logger.unwrap(), "l");
        assert_eq!(message.payload.unwrap(), "p");
        assert_eq!(message.fields.len(), 5);
    }
}
