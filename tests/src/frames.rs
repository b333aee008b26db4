// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counts frames in a stream that is read in pieces of any size.
//!
//! A frame is `1E LEN header 1F message`; field 1 of the header, which comes first, is the length
//! of the message.

/// Counts complete frames that carry a message. Frames without a message are for the tools
/// themselves.
#[derive(Debug, Default)]
pub(crate) struct FrameCounter {
    /// The received part of the current frame, up to the message.
    front: Vec<u8>,
    /// Bytes of the current message that have not arrived.
    left: u64,
    /// Whether the stream does not consist of frames.
    is_other: bool,
}

impl FrameCounter {
    /// Returns how many messages end in the next bytes.
    pub(crate) fn count(&mut self, mut bytes: &[u8]) -> u64 {
        let mut count = 0;
        while !bytes.is_empty() && !self.is_other {
            if self.left > 0 {
                let len = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                bytes = &bytes[len..];
                self.left -= len as u64;
                count += u64::from(self.left == 0);
                continue;
            }
            self.front.push(bytes[0]);
            bytes = &bytes[1..];
            self.is_other = self.front[0] != 0x1e;
            if let [_, len, header @ ..] = &self.front[..]
                && header.len() == usize::from(*len) + 1
            {
                self.left = message_length(header);
                self.front.clear();
            }
        }
        count
    }
}

fn message_length(header: &[u8]) -> u64 {
    let varint = header.strip_prefix(&[8]).unwrap_or_default().iter().enumerate();
    let mut length = 0;
    for (place, byte) in varint.take(10) {
        length |= u64::from(byte & 0x7f) << (7 * place);
        if *byte < 0x80 {
            break;
        }
    }
    length
}

#[cfg(test)]
mod tests {
    use super::FrameCounter;

    #[test]
    fn messages_are_counted_in_pieces_of_any_size() {
        let long = [&[0x1e, 3, 8, 0xac, 2, 0x1f][..], &[0x1e; 300]].concat();
        let signal = [0x1e, 5, 8, 0, 0xa8, 6, 2, 0x1f];
        let stream = [&long[..], &signal, &[0x1e, 2, 8, 1, 0x1f, b'x'], &long, &long[..305]];
        let stream = stream.concat();
        for size in [1, 2, 7, 300, 10_000] {
            let mut counter = FrameCounter::default();
            let count: u64 = stream.chunks(size).map(|piece| counter.count(piece)).sum();
            assert_eq!(count, 3, "{size}");
        }
        assert_eq!(FrameCounter::default().count(b"text"), 0);
    }
}
