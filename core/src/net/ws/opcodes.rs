// SPDX-License-Identifier: MIT OR Apache-2.0
//! Text frames that are taken for binary ones.
//!
//! There are servers that send protobuf in text frames, which the WebSocket library rightly refuses
//! unless it is UTF-8. Here the opcode is changed before the library sees it, in the headers of
//! frames only (RFC 6455 §5.2).

/// Text and binary opcodes (RFC 6455 §5.2).
const TEXT: u8 = 1;
const BINARY: u8 = 2;

/// Where in the stream we are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Before the first byte of a frame.
    #[default]
    Start,
    /// Before the byte with the length; so many bytes of a mask may follow.
    Length,
    /// In a long length: bytes to come, and the length so far.
    LongLength(u8, u64, u64),
    /// In mask and payload: bytes to come.
    Payload(u64),
}

/// Follows a stream of frames from its first byte on.
#[derive(Debug, Default)]
pub(super) struct TextAsBinary {
    place: Place,
}

impl TextAsBinary {
    /// Changes what comes next in the stream.
    pub(super) fn rewrite(&mut self, bytes: &mut [u8]) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(bytes: &[u8], step: usize) -> Vec<u8> {
        let mut stream = TextAsBinary::default();
        let mut bytes = bytes.to_vec();
        bytes.chunks_mut(step).for_each(|piece| stream.rewrite(piece));
        bytes
    }

    #[test]
    fn only_the_opcodes_of_text_frames_change() {
        let long = [&[0x81, 126, 1, 0][..], &[0x81; 256]].concat();
        let huge = [&[0x01, 127, 0, 0, 0, 0, 0, 1, 0, 1][..], &[0x81; 65_537]].concat();
        let frames: &[&[u8]] = &[
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
