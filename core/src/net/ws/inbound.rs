// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the bytes of a connection to messages: joins, decompresses and checks frames, each as early
//! as possible.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes, BytesMut};

use super::Kind;
use super::breach::Breach;
use super::deflate::Inflater;
use super::frame::{Head, MAX_CONTROL, Opcode};
use crate::report::stats;

/// Minimum number of bytes to read at once; more as long as the socket has more.
const MIN_BLOCK: usize = 8 * 1024;
const MAX_BLOCK: usize = 256 * 1024;
/// Joined messages over this size are returned without a copy, and their buffer is not kept.
const LARGE: usize = 32 * 1024;

/// An incoming event.
#[derive(Debug)]
pub(super) enum Event {
    /// A message; its bytes are [`Inbound::data`].
    Message(Kind),
    Ping(Bytes),
    Pong,
    /// A close frame, with its code and reason, if any.
    Close(Option<(u16, String)>),
}

/// Location of the last message's bytes, until the next event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Nowhere,
    /// At the front of the buffer: their number.
    Buffer(usize),
    /// Joined in `parts`.
    Parts,
}

/// A message whose last frame has not arrived.
#[derive(Clone, Copy, Debug)]
struct Unfinished {
    kind: Kind,
    is_compressed: bool,
}

/// The receiving half of a connection.
#[derive(Debug)]
pub(super) struct Inbound {
    /// Bytes from the socket: those of the last message, and unprocessed ones.
    buffer: BytesMut,
    last: Last,
    /// Number of bytes to read next.
    block: usize,
    /// Total number of bytes received.
    pub(super) total: u64,
    /// The frame whose payload comes next.
    head: Option<Head>,
    unfinished: Option<Unfinished>,
    /// Joined parts of an unfinished message.
    parts: Vec<u8>,
    /// Number of bytes of the current message that are known to be UTF-8.
    checked: usize,
    /// Small joined messages are returned in this buffer.
    joined: BytesMut,
    limits: Limits,
    inflater: Option<Inflater>,
}

/// Limits on incoming messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Maximum size of a message in bytes.
    pub(super) max_message: usize,
    /// Whether to treat text as binary messages.
    pub(super) text_as_binary: bool,
}

impl Inbound {
    /// Creates the receiving half; `rest` is the data after the head of the handshake's response.
    pub(super) fn new(rest: &[u8], limits: Limits, inflater: Option<Inflater>) -> Self {
        Self {
            buffer: BytesMut::from(rest),
            last: Last::Nowhere,
            block: MIN_BLOCK,
            total: 0,
            head: None,
            unfinished: None,
            parts: Vec::new(),
            checked: 0,
            joined: BytesMut::new(),
            limits,
            inflater,
        }
    }

    /// Reads once; 0 is the end of the stream.
    ///
    /// # Errors
    /// Any error of the stream.
    pub(super) fn fill(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        let len = self.buffer.len();
        self.buffer.resize(len + self.block, 0);
        let read = stream.read(self.buffer.get_mut(len..).unwrap_or_default());
        let taken = *read.as_ref().unwrap_or(&0);
        self.buffer.truncate(len + taken);
        if taken == self.block {
            self.block = (self.block * 2).min(MAX_BLOCK);
        } else if taken < self.block / 4 {
            self.block = (self.block / 2).max(MIN_BLOCK);
        }
        self.total += taken as u64;
        stats::BYTES_IN.add(taken as u64);
        read
    }

    /// Drops unprocessed data.
    pub(super) fn discard(&mut self) {
        self.buffer.clear();
        self.last = Last::Nowhere;
    }

    /// Returns the bytes of the last message, until the next event.
    #[inline]
    pub(super) fn data(&self) -> &[u8] {
        match self.last {
            Last::Nowhere => &[],
            Last::Buffer(len) => self.buffer.get(..len).unwrap_or_default(),
            Last::Parts => &self.parts,
        }
    }

    /// Returns the bytes of the last message by value.
    pub(super) fn take_data(&mut self) -> Bytes {
        match std::mem::replace(&mut self.last, Last::Nowhere) {
            Last::Nowhere => Bytes::new(),
            Last::Buffer(len) => self.buffer.split_to(len).freeze(),
            Last::Parts => self.take_parts(),
        }
    }

    /// Removes the last message from the buffer.
    #[inline]
    fn forget_last(&mut self) {
        match std::mem::replace(&mut self.last, Last::Nowhere) {
            Last::Nowhere => {}
            Last::Buffer(len) => self.buffer.advance(len),
            Last::Parts if self.parts.capacity() > LARGE => self.parts = Vec::new(),
            Last::Parts => self.parts.clear(),
        }
    }

    /// Returns the next event in the data read; `None` if more must be read first.
    ///
    /// # Errors
    /// A breach, which ends the connection.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<Event>, Breach> {
        self.forget_last();
        loop {
            let head = match self.head {
                Some(head) => head,
                None => match Head::parse(&self.buffer)? {
                    Some(head) => {
                        self.begin(&head)?;
                        self.buffer.advance(head.size);
                        *self.head.insert(head)
                    }
                    None => return Ok(None),
                },
            };
            let len = usize::try_from(head.len).unwrap_or(usize::MAX);
            if self.buffer.len() < len {
                self.check_beginning(&head)?;
                return Ok(None);
            }
            self.head = None;
            if let Some(event) = self.take(&head, len)? {
                return Ok(Some(event));
            }
        }
    }

    /// Checks whether a frame is allowed at this point and within the limit.
    fn begin(&self, head: &Head) -> Result<(), Breach> {
        if head.opcode.is_control() {
            return check_control(head);
        }
        let is_continued = head.opcode == Opcode::Continuation;
        if head.is_compressed && (is_continued || self.inflater.is_none()) {
            return Err(Breach::protocol("reserved bits are set"));
        }
        let is_compressed = match &self.unfinished {
            None if is_continued => {
                return Err(Breach::protocol("continuation frame with nothing to continue"));
            }
            Some(_) if !is_continued => {
                return Err(Breach::protocol("message begins among the fragments of another"));
            }
            None => head.is_compressed,
            Some(unfinished) => unfinished.is_compressed,
        };
        let max = self.limits.max_message as u64;
        // Incompressible data grow by five bytes per block.
        let (before, most) =
            if is_compressed { (0, max + max / 64 + 64) } else { (self.parts.len() as u64, max) };
        let size = before.saturating_add(head.len);
        if size > most {
            let cause = format!("message of {size} bytes, longer than {max}");
            return Err(Breach::too_large(cause));
        }
        Ok(())
    }

    /// Rejects invalid text as early as possible, before its frame is complete.
    fn check_beginning(&mut self, head: &Head) -> Result<(), Breach> {
        if head.opcode == Opcode::Text && !head.is_compressed && !self.limits.text_as_binary {
            return check_text(&self.buffer, &mut self.checked, false);
        }
        Ok(())
    }

    /// Processes a complete frame, whose payload is the first `len` bytes of the buffer.
    #[inline]
    fn take(&mut self, head: &Head, len: usize) -> Result<Option<Event>, Breach> {
        let kind = match head.opcode {
            Opcode::Ping => return Ok(Some(Event::Ping(self.buffer.split_to(len).freeze()))),
            Opcode::Pong => {
                self.buffer.advance(len);
                return Ok(Some(Event::Pong));
            }
            Opcode::Close => return close_event(&self.buffer.split_to(len)).map(Some),
            Opcode::Text if !self.limits.text_as_binary => Kind::Text,
            _ => Kind::Binary,
        };
        if head.is_final && self.unfinished.is_none() && !head.is_compressed {
            if kind == Kind::Text {
                let payload = self.buffer.get(..len).unwrap_or_default();
                check_text(payload, &mut self.checked, true)?;
                self.checked = 0;
            }
            self.last = Last::Buffer(len);
            return Ok(Some(Event::Message(kind)));
        }
        let begun = Unfinished { kind, is_compressed: head.is_compressed };
        let unfinished = *self.unfinished.get_or_insert(begun);
        let payload = self.buffer.split_to(len);
        self.join(unfinished, &payload, head.is_final)?;
        if !head.is_final {
            return Ok(None);
        }
        self.unfinished = None;
        self.checked = 0;
        self.last = Last::Parts;
        Ok(Some(Event::Message(unfinished.kind)))
    }

    /// Adds a frame's payload to a message.
    fn join(&mut self, to: Unfinished, payload: &[u8], is_final: bool) -> Result<(), Breach> {
        match (&mut self.inflater, to.is_compressed) {
            (Some(inflater), true) => {
                let limit = self.limits.max_message;
                inflater.inflate(payload, &mut self.parts, limit)?;
                if is_final {
                    inflater.finish(&mut self.parts, limit)?;
                }
            }
            _ => self.parts.extend_from_slice(payload),
        }
        if to.kind == Kind::Text {
            check_text(&self.parts, &mut self.checked, is_final)?;
        }
        Ok(())
    }

    /// Returns the joined message.
    fn take_parts(&mut self) -> Bytes {
        if self.parts.len() > LARGE {
            return std::mem::take(&mut self.parts).into();
        }
        if self.joined.capacity() < self.parts.len() {
            self.joined.reserve(MAX_BLOCK);
        }
        self.joined.extend_from_slice(&self.parts);
        self.parts.clear();
        self.joined.split().freeze()
    }
}

/// Checks a control frame (RFC 6455 §5.5).
fn check_control(head: &Head) -> Result<(), Breach> {
    if head.is_compressed {
        Err(Breach::protocol("reserved bits are set"))
    } else if !head.is_final {
        Err(Breach::protocol("fragmented control frame"))
    } else if head.len > MAX_CONTROL as u64 {
        Err(Breach::protocol("control frame too big"))
    } else {
        Ok(())
    }
}

/// Checks that `text` is UTF-8; `checked` is the length of the part checked before.
#[inline]
fn check_text(text: &[u8], checked: &mut usize, is_whole: bool) -> Result<(), Breach> {
    match std::str::from_utf8(text.get(*checked..).unwrap_or_default()) {
        Ok(_) => *checked = text.len(),
        // Cut inside a character.
        Err(error) if error.error_len().is_none() && !is_whole => *checked += error.valid_up_to(),
        Err(_) => return Err(Breach::data("text that is not UTF-8")),
    }
    Ok(())
}

/// Parses a close frame (RFC 6455 §5.5.1).
fn close_event(payload: &[u8]) -> Result<Event, Breach> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return match payload {
            [] => Ok(Event::Close(None)),
            _ => Err(Breach::protocol("close frame with half a code")),
        };
    };
    let reason =
        std::str::from_utf8(reason).map_err(|_| Breach::data("close reason that is not UTF-8"))?;
    Ok(Event::Close(Some((u16::from_be_bytes(*code), reason.to_owned()))))
}

#[cfg(test)]
mod tests {
    use super::super::Message;
    use super::*;

    const LIMITS: Limits = Limits { max_message: 1000, text_as_binary: false };

    fn inbound(bytes: &[u8], limits: Limits, compressed: bool) -> Inbound {
        let inflater = compressed.then(|| Inflater::negotiated("permessage-deflate").unwrap());
        Inbound::new(bytes, limits, inflater)
    }

    fn message(inbound: &mut Inbound) -> Message {
        match inbound.next() {
            Ok(Some(Event::Message(kind))) => {
                let shown = inbound.data().to_vec();
                let data = inbound.take_data();
                assert_eq!(shown, data);
                Message { kind, data }
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn compressed_messages_are_inflated_and_others_pass_between_them() {
        let bytes = [
            &b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"[..],
            b"\x81\x05plain",
            // In fragments with a ping between them.
            b"\x41\x03\xf2\x48\xcd",
            b"\x89\x00",
            b"\x80\x04\xc9\xc9\x07\x00",
        ];
        let mut inbound = inbound(&bytes.concat(), LIMITS, true);
        assert_eq!(&*message(&mut inbound).data, b"Hello");
        assert_eq!(&*message(&mut inbound).data, b"plain");
        assert!(matches!(inbound.next(), Ok(Some(Event::Ping(_)))));
        let last = message(&mut inbound);
        assert_eq!((last.kind, &*last.data), (Kind::Text, &b"Hello"[..]));
        assert!(matches!(inbound.next(), Ok(None)));
    }

    #[test]
    fn the_bit_for_compression_stands_in_the_first_frame_of_a_message_alone() {
        let wrong: [(&[u8], bool); 4] = [
            (b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", false),
            (b"\x41\x03\xf2\x48\xcd\xc0\x04\xc9\xc9\x07\x00", true),
            (b"\x01\x01a\xc0\x01b", true),
            (b"\xc9\x00", true),
        ];
        for (bytes, compressed) in wrong {
            let breach = inbound(bytes, LIMITS, compressed).next().expect_err("a breach");
            assert_eq!((breach.code, breach.cause.as_str()), (1002, "reserved bits are set"));
        }
    }

    #[test]
    fn text_is_refused_before_its_frame_is_complete() {
        let breach = inbound(b"\x81\x50good\xff", LIMITS, false).next().expect_err("not UTF-8");
        assert_eq!(breach.code, 1007);
        let mut cut = inbound("\u{0081}\u{0001}".as_bytes(), LIMITS, false);
        cut.discard();
        cut.buffer.extend_from_slice(b"\x81\x03\xe2\x82");
        assert!(matches!(cut.next(), Ok(None)));
        cut.buffer.extend_from_slice(b"\xac");
        assert_eq!(&*message(&mut cut).data, "€".as_bytes());
    }

    #[test]
    fn text_is_taken_for_binary_where_asked() {
        let limits = Limits { text_as_binary: true, ..LIMITS };
        let mut inbound = inbound(b"\x81\x01\xff\x01\x01\xfe\x80\x01\xfd", limits, false);
        for expected in [&b"\xff"[..], b"\xfe\xfd"] {
            let message = message(&mut inbound);
            assert_eq!((message.kind, &*message.data), (Kind::Binary, expected));
        }
    }

    #[test]
    fn close_frames_are_read_as_they_came() {
        for (bytes, expected) in [
            (&b"\x88\x00"[..], Ok(None)),
            (b"\x88\x04\x03\xf6no", Ok(Some((1014, "no".to_owned())))),
            (b"\x88\x02\x00\x00", Ok(Some((0, String::new())))),
            (b"\x88\x01\x03", Err(1002)),
            (b"\x88\x03\x03\xe8\xff", Err(1007)),
        ] {
            match (inbound(bytes, LIMITS, false).next(), expected) {
                (Ok(Some(Event::Close(close))), Ok(expected)) => assert_eq!(close, expected),
                (Err(breach), Err(code)) => assert_eq!(breach.code, code),
                other => panic!("{other:?}"),
            }
        }
    }
}
