// SPDX-License-Identifier: MIT OR Apache-2.0
//! The envelope of a record on standard input and output, which says which peer it is from or for.
//!
//! | form | from a peer | for a peer |
//! | --- | --- | --- |
//! | payload | the record | the record |
//! | tag | `7<TAB>record` | the same, or `0,2<TAB>record` |
//! | json | `{"unix_socket_server":{"path":"/tmp/s","peer":7,…},"data":"record"}` | the same; only `peer`, which may be an array, and `data` count |
//! | heka | a message with Fields path, peer, pid, uid, gid | a message with Field peer, which may have several values |
//!
//! In JSON, a record that is not UTF-8 is `"data_base64"`. In input, a `"data"` that is not a
//! string is sent as its JSON text.

use data_encoding::BASE64;
use heka_core::codec::Form;
use heka_core::os::clock;
use heka_core::wire::{
    Deframer, Field, Header, Message, More, Step, Template, put_frame, put_message,
};
use prost::Message as _;

use crate::facts::Facts;
use heka_core::record::Framing;

/// `Type` of the messages created here and, with the path appended, their `Logger`.
const TYPE: &str = "unix-sock";

/// The envelope of one peer's records.
#[derive(Debug)]
pub(crate) enum Envelope {
    /// Nothing.
    Plain,
    /// A prefix.
    Tag(Vec<u8>),
    /// The object up to its data.
    Json(Vec<u8>),
    /// A message, or the Fields to add to a record that is a message already.
    Heka(Box<Template>, Vec<Field>),
}

impl Envelope {
    /// Creates the envelope for a form from a peer's facts.
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
    /// If it cannot be framed.
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

/// Appends a record that `build` appends, in place if nothing has to precede it.
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

/// Returns the message in a record that is exactly one Heka frame.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{Addressed, Recipients, open};

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
            assert_eq!(back, Addressed { to: Recipients::One(7), data: record.into() });
        }
    }

    #[test]
    fn messages_carry_the_peer_there_and_back() {
        let frame = put(Form::Heka, LINES, b"hello");
        let back = open(Form::Heka, LINES, &frame).unwrap();
        assert_eq!(back, Addressed { to: Recipients::One(7), data: b"hello"[..].into() });
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
