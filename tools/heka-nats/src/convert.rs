// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages of the broker to frames: whole frames as they are, bare messages, and any text.

use heka_core::os::clock;
use heka_core::record::{Found, More, Progress, Splitter};
use heka_core::report;
use heka_core::wire::framing::RECORD_SEPARATOR;
use heka_core::wire::{
    DEFAULT_SEVERITY, Field, Header, Message, MessageView, Template, put_frame, put_message,
};

use crate::protocol::Incoming;

/// Type of messages made of text, as Heka's KafkaInput has it.
const TYPE: &str = "heka.nats";

/// Makes frames.
#[derive(Debug)]
pub(crate) struct Converter {
    /// Every message says where it was.
    has_origin: bool,
    template: Template,
    scratch: Vec<u8>,
    /// Something could not be read.
    pub(crate) has_lost: bool,
}

impl Converter {
    pub(crate) fn new(has_origin: bool) -> Self {
        let message = Message {
            r#type: Some(TYPE.into()),
            severity: Some(DEFAULT_SEVERITY),
            hostname: Some(clock::hostname().into()),
            ..Message::default()
        };
        let template = Template::new(&message, None);
        Self { has_origin, template, scratch: Vec::new(), has_lost: false }
    }

    /// Appends the frames that a message holds, and returns how many.
    pub(crate) fn put(&mut self, out: &mut Vec<u8>, message: &Incoming<'_>, sequence: u64) -> u64 {
        let payload = message.payload;
        if payload.first() == Some(&RECORD_SEPARATOR) {
            return self.put_frames(out, message, sequence);
        }
        let is_message = MessageView::parse(payload)
            .is_ok_and(|view| view.uuid.is_some_and(|uuid| uuid.len() == 16));
        let mut made = std::mem::take(&mut self.scratch);
        made.clear();
        if is_message {
            made.extend_from_slice(payload);
        } else {
            let (uuid, now) = (clock::random_uuid(), clock::now_ns());
            self.template.put_message(&mut made, uuid, now, payload);
        }
        if self.has_origin || !is_message {
            put_origin(&mut made, message.subject, sequence);
        }
        // A payload of the broker is never as long as a frame can be.
        let fits = put_frame(out, Header::default(), &made).is_ok();
        self.scratch = made;
        u64::from(fits)
    }

    fn put_frames(&mut self, out: &mut Vec<u8>, message: &Incoming<'_>, sequence: u64) -> u64 {
        let mut count = 0;
        let payload = message.payload;
        let splitter = Splitter::frames(payload.len());
        for found in splitter.records(payload, &mut Progress::default(), More::Ended) {
            match found {
                Found::Frame(frame) if frame.is_signal() => {}
                Found::Frame(frame) if self.has_origin => {
                    self.scratch.clear();
                    self.scratch.extend_from_slice(frame.message);
                    put_origin(&mut self.scratch, message.subject, sequence);
                    let fits = put_frame(out, Header::default(), &self.scratch).is_ok();
                    count += u64::from(fits);
                }
                Found::Frame(frame) => {
                    out.extend_from_slice(frame.bytes);
                    count += 1;
                }
                Found::Damage(damage) => {
                    let name = format!("{} {sequence}", message.subject);
                    self.has_lost |= report::damage_of_peer(name, &damage);
                }
                Found::Record(_) => {}
            }
        }
        count
    }
}

/// Appends fields to a message: protocol buffers can be joined.
fn put_origin(message: &mut Vec<u8>, subject: &str, sequence: u64) {
    let fields = vec![
        Field::string("Subject", subject.to_owned()),
        Field::integer("Sequence", sequence.cast_signed()),
    ];
    put_message(message, &Message { fields, ..Message::default() });
}

#[cfg(test)]
mod tests {
    use heka_core::wire::Value;

    use super::*;
    use crate::source::each_frame;

    fn incoming(payload: &[u8]) -> Incoming<'_> {
        Incoming { subject: "logs.a", reply: None, headers: b"", payload }
    }

    #[test]
    fn a_bare_message_is_framed_and_text_says_where_it_was() {
        let mut out = Vec::new();
        let bare = [&[0x0a, 16][..], &[7; 16], &[0x10, 1, 0x32, 2], b"hi"].concat();
        let mut converter = Converter::new(false);
        assert_eq!(converter.put(&mut out, &incoming(&bare), 5), 1);
        each_frame(&out, |frame| assert_eq!(frame.message, bare));
        out.clear();
        assert_eq!(converter.put(&mut out, &incoming(b"plain text"), 6), 1);
        each_frame(&out, |frame| {
            assert_eq!(frame.view.payload, Some(&b"plain text"[..]));
            assert_eq!(frame.view.type_, Some(TYPE.as_bytes()));
            let field = frame.view.field(b"Sequence", 0).unwrap();
            assert!(matches!(field.values().next(), Some(Value::Integer(6))));
        });
    }

    #[test]
    fn frames_pass_as_they_are_and_damage_is_noticed() {
        let mut frames = Vec::new();
        let bare = [&[0x0a, 16][..], &[7; 16], &[0x10, 1]].concat();
        for _ in 0..2 {
            put_frame(&mut frames, Header::default(), &bare).unwrap();
        }
        let mut out = Vec::new();
        let mut converter = Converter::new(false);
        assert_eq!(converter.put(&mut out, &incoming(&frames), 1), 2);
        assert_eq!((&out, converter.has_lost), (&frames, false));
        let cut = &frames[..frames.len() - 3];
        assert_eq!(converter.put(&mut out, &incoming(cut), 2), 1);
        assert!(converter.has_lost);
    }
}
