// SPDX-License-Identifier: MIT OR Apache-2.0
//! A WebSocket stream whose text frames read as binary ones.
//!
//! Servers of these formats have sent protobuf in text frames, which the WebSocket library rightly
//! refuses unless it is UTF-8. Here the opcode is changed before the library sees it: behind the
//! handshake's head, in the headers of frames only.

use std::io::{Read, Result, Write};
use std::os::fd::{AsFd, BorrowedFd};

/// Text and binary opcodes (RFC 6455 §5.2).
const TEXT: u8 = 1;
const BINARY: u8 = 2;

/// Where in the stream we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the head of the answer; so many bytes of its end have been seen.
    Head(usize),
    /// Before the first byte of a frame.
    Start,
    /// Before the byte with the length; so many bytes of a mask may follow.
    Length,
    /// In a long length: bytes to come, and the length so far.
    LongLength(u8, u64, u64),
    /// In mask and payload: bytes to come.
    Payload(u64),
}

/// The stream.
#[derive(Debug)]
pub(crate) struct TextAsBinary<S> {
    stream: S,
    place: Place,
}

impl<S> TextAsBinary<S> {
    /// Over a stream on which nothing has been read.
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, place: Place::Head(0) }
    }

    fn rewrite(&mut self, bytes: &mut [u8]) {
        let mut at = 0;
        while let Some(byte) = bytes.get_mut(at) {
            let mut done = 1;
            if let Place::Payload(left) = self.place {
                // All of it at once, but for the last byte, which ends the frame.
                let inner = usize::try_from(left - 1).unwrap_or(usize::MAX);
                done = inner.min(bytes.len() - at).max(1);
                self.place =
                    if inner == 0 { Place::Start } else { Place::Payload(left - done as u64) };
            } else {
                self.place = next(self.place, byte);
            }
            at += done;
        }
    }
}

fn next(place: Place, byte: &mut u8) -> Place {
    let payload = |len| if len == 0 { Place::Start } else { Place::Payload(len) };
    match place {
        Place::Head(seen) => match (seen, *byte) {
            (3, b'\n') => Place::Start,
            (0 | 2, b'\r') | (1, b'\n') => Place::Head(seen + 1),
            (_, b'\r') => Place::Head(1),
            _ => Place::Head(0),
        },
        Place::Start => {
            if *byte & 0x0f == TEXT {
                *byte = *byte & 0xf0 | BINARY;
            }
            Place::Length
        }
        Place::Length => {
            let mask = if *byte & 0x80 == 0 { 0 } else { 4 };
            match *byte & 0x7f {
                126 => Place::LongLength(2, 0, mask),
                127 => Place::LongLength(8, 0, mask),
                len => payload(u64::from(len) + mask),
            }
        }
        Place::LongLength(left, len, mask) => {
            let len = len << 8 | u64::from(*byte);
            if left > 1 {
                Place::LongLength(left - 1, len, mask)
            } else {
                payload(len.saturating_add(mask))
            }
        }
        Place::Payload(left) => payload(left.saturating_sub(1)),
    }
}

impl<S: Read> Read for TextAsBinary<S> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let len = self.stream.read(buffer)?;
        self.rewrite(buffer.get_mut(..len).unwrap_or_default());
        Ok(len)
    }
}

impl<S: Write> Write for TextAsBinary<S> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        self.stream.flush()
    }
}

impl<S: AsFd> AsFd for TextAsBinary<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(bytes: &[u8], step: usize) -> Vec<u8> {
        let mut stream = TextAsBinary::new(());
        let mut bytes = bytes.to_vec();
        bytes.chunks_mut(step).for_each(|piece| stream.rewrite(piece));
        bytes
    }

    #[test]
    fn only_the_opcodes_of_text_frames_change() {
        let long = [&[0x81, 126, 1, 0][..], &[0x81; 256]].concat();
        let huge = [&[0x01, 127, 0, 0, 0, 0, 0, 1, 0, 1][..], &[0x81; 65_537]].concat();
        let frames: &[&[u8]] = &[
            b"HTTP/1.1 101 \x81\r\r\n\r\n",
            b"\x81\x02\x81\x81",
            b"\x89\x00",
            b"\x81\x00",
            &long,
            &huge,
            b"\x80\x01x",
            b"\x81\x81mask\x81",
            b"\x82\x00",
        ];
        let before = frames.concat();
        let after = rewritten(&before, 1);
        for step in [2, 3, 7, 1000, 100_000] {
            assert_eq!(rewritten(&before, step), after, "{step}");
        }
        let mut at = 0;
        for frame in frames {
            let changed = &after[at..at + frame.len()];
            assert_eq!(changed[1..], frame[1..]);
            let expected = if frame[0] & 0x0f == 1 { frame[0] & 0xf0 | 2 } else { frame[0] };
            assert_eq!(changed[0], expected);
            at += frame.len();
        }
    }
}
