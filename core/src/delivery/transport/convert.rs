// SPDX-License-Identifier: MIT OR Apache-2.0
//! Converts a broker's messages to frames: whole frames unchanged, bare messages, and text.

use crate::os::clock;
use crate::record::{Found, More, Progress, Splitter};
use crate::report;
use crate::wire::framing::RECORD_SEPARATOR;
use crate::wire::{
    DEFAULT_SEVERITY, Field, Header, Message, MessageView, Template, put_frame, put_message,
};

/// The origin of a broker's message.
pub trait Origin {
    /// Returns the origin for people.
    fn name(&self) -> String;
    /// Returns the origin as fields, for programs.
    fn fields(&self) -> Vec<Field>;
}

/// Creates frames.
#[derive(Debug)]
pub struct Converter {
    /// Whether every message includes its origin.
    has_origin: bool,
    template: Template,
    scratch: Vec<u8>,
    /// Whether any message could not be converted.
    pub has_lost: bool,
}

impl Converter {
    /// Creates a converter that gives text the message type `text_type`, and adds the origin to
    /// every message if `has_origin`.
    pub fn new(text_type: &'static str, has_origin: bool) -> Self {
        let message = Message {
            r#type: Some(text_type.into()),
            severity: Some(DEFAULT_SEVERITY),
            hostname: Some(clock::hostname().into()),
            ..Message::default()
        };
        let template = Template::new(&message, None);
        Self { has_origin, template, scratch: Vec::new(), has_lost: false }
    }

    /// Appends the frames in a broker's message; returns their number.
    pub fn put(&mut self, out: &mut Vec<u8>, payload: &[u8], origin: &impl Origin) -> u64 {
        if payload.first() == Some(&RECORD_SEPARATOR) {
            return self.put_frames(out, payload, origin);
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
            put_origin(&mut made, origin);
        }
        // A broker's payload never reaches the maximum length of a frame.
        let fits = put_frame(out, Header::default(), &made).is_ok();
        self.scratch = made;
        u64::from(fits)
    }

    fn put_frames(&mut self, out: &mut Vec<u8>, payload: &[u8], origin: &impl Origin) -> u64 {
        let mut count = 0;
        let splitter = Splitter::frames(payload.len());
        for found in splitter.records(payload, &mut Progress::default(), More::Ended) {
            match found {
                Found::Frame(frame) if frame.is_signal() => {}
                Found::Frame(frame) if self.has_origin => {
                    self.scratch.clear();
                    self.scratch.extend_from_slice(frame.message);
                    put_origin(&mut self.scratch, origin);
                    let fits = put_frame(out, Header::default(), &self.scratch).is_ok();
                    count += u64::from(fits);
                }
                Found::Frame(frame) => {
                    out.extend_from_slice(frame.bytes);
                    count += 1;
                }
                Found::Damage(damage) => {
                    self.has_lost |= report::damage_of_peer(origin.name(), &damage);
                }
                Found::Record(_) => {}
            }
        }
        count
    }
}

/// Appends fields to an encoded message: protocol buffers can be concatenated.
fn put_origin(message: &mut Vec<u8>, origin: &impl Origin) {
    put_message(message, &Message { fields: origin.fields(), ..Message::default() });
}

#[cfg(test)]
mod tests {
    use crate::wire::Value;

    use super::*;
    use crate::delivery::transport::each_frame;

    const TYPE: &str = "heka.broker";

    struct At(i64);

    impl Origin for At {
        fn name(&self) -> String {
            format!("logs {}", self.0)
        }
        fn fields(&self) -> Vec<Field> {
            vec![Field::integer("Sequence", self.0)]
        }
    }

    #[test]
    fn a_bare_message_is_framed_and_text_says_where_it_was() {
        let mut out = Vec::new();
        let bare = [&[0x0a, 16][..], &[7; 16], &[0x10, 1, 0x32, 2], b"hi"].concat();
        let mut converter = Converter::new(TYPE, false);
        assert_eq!(converter.put(&mut out, &bare, &At(5)), 1);
        each_frame(&out, |frame| assert_eq!(frame.message, bare));
        out.clear();
        assert_eq!(converter.put(&mut out, b"plain text", &At(6)), 1);
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
        let mut converter = Converter::new(TYPE, false);
        assert_eq!(converter.put(&mut out, &frames, &At(1)), 2);
        assert_eq!((&out, converter.has_lost), (&frames, false));
        let cut = &frames[..frames.len() - 3];
        assert_eq!(converter.put(&mut out, cut, &At(2)), 1);
        assert!(converter.has_lost);
    }
}
