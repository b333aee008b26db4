// SPDX-License-Identifier: MIT OR Apache-2.0
//! Skips the members of a message in as few steps as are needed to know that they are valid: each
//! begins with a one-byte tag and ends where the next begins.
//!
//! The messages of a source usually begin with the same members of the same sizes (UUID, time,
//! logger, severity), so that one comparison skips all of these: see [`Beginning`].

use crate::wire::view::MessageView;

/// The kind of value that follows a one-byte tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Bytes,
    Varint,
    /// Not a member of messages, or a tag of several bytes.
    Other,
}

/// Kinds of values, indexed by tag.
const VALUES: [Value; 256] = {
    let mut values = [Value::Other; 256];
    // Uuid, Type, Logger, Payload, EnvVersion, Hostname, Fields.
    (values[0x0a], values[0x1a], values[0x22]) = (Value::Bytes, Value::Bytes, Value::Bytes);
    (values[0x32], values[0x3a], values[0x4a]) = (Value::Bytes, Value::Bytes, Value::Bytes);
    values[0x52] = Value::Bytes;
    // Timestamp, Severity, Pid.
    (values[0x10], values[0x28], values[0x40]) = (Value::Varint, Value::Varint, Value::Varint);
    values
};
/// Mask of the bits that are clear in the last byte of a varint, for the bytes after a tag.
const LAST_BYTES: u64 = 0x8080_8080_8080_8000;

/// Whether [`MessageView::parse`] accepts the bytes of `buffer` from `start` to `end`.
#[inline]
pub(super) fn are_in_order(buffer: &[u8], start: usize, end: usize, beginning: &Beginning) -> bool {
    let mut at = start + beginning.len_in(buffer, start, end);
    while at < end {
        match member_size(buffer, at) {
            Some(size) => at += size,
            None => return parses(buffer, at, end),
        }
    }
    at == end
}

/// Returns the size of the member at `at`; `None` if it needs a closer examination.
#[inline]
fn member_size(buffer: &[u8], at: usize) -> Option<usize> {
    // Other messages follow, so eight bytes are nearly always available.
    let word = buffer.get(at..)?.first_chunk::<8>()?;
    let [tag, low, middle, high, ..] = *word;
    match VALUES[usize::from(tag)] {
        Value::Bytes if low < 0x80 => Some(2 + usize::from(low)),
        Value::Bytes if middle < 0x80 => {
            Some(3 + (usize::from(low & 0x7f) | usize::from(middle) << 7))
        }
        Value::Bytes if high < 0x80 => {
            let low = usize::from(low & 0x7f) | usize::from(middle & 0x7f) << 7;
            Some(4 + (low | usize::from(high) << 14))
        }
        Value::Varint => match !u64::from_le_bytes(*word) & LAST_BYTES {
            // Nanoseconds since 1970 take nine bytes, not counting the tag.
            0 => match buffer.get(at + 8..at + 10) {
                Some([..0x80, _]) => Some(9),
                Some([_, ..0x80]) => Some(10),
                _ => None,
            },
            last => Some(last.trailing_zeros() as usize / 8 + 1),
        },
        _ => None,
    }
}

#[cold]
fn parses(buffer: &[u8], at: usize, end: usize) -> bool {
    buffer.get(at..end).is_some_and(|rest| MessageView::parse(rest).is_ok())
}

/// The leading members of a message, up to [`Beginning::SIZE`] bytes: their tags, their lengths,
/// and the positions of the last bytes of numbers. Bytes that match these are members of the same
/// sizes, whatever their values.
#[derive(Clone, Debug)]
pub(super) struct Beginning {
    len: usize,
    /// The mask of the significant bits; `are` holds their values.
    bits: [u8; Self::SIZE],
    are: [u8; Self::SIZE],
}

impl Beginning {
    const SIZE: usize = 48;

    /// The empty beginning, which every message matches at no gain.
    pub(super) const NONE: Self = Self { len: 0, bits: [0; Self::SIZE], are: [0; Self::SIZE] };

    /// Returns the beginning of the valid message from `start` to `end`.
    pub(super) fn of(buffer: &[u8], start: usize, end: usize) -> Self {
        let mut beginning = Self::NONE;
        let limit = end.min(start + Self::SIZE);
        let mut at = start;
        while at < limit
            && let Some(size) = member_size(buffer, at).filter(|size| at + size <= limit)
        {
            beginning.add(&buffer[at..at + size]);
            at += size;
        }
        beginning
    }

    fn add(&mut self, member: &[u8]) {
        let (tag, value) = (member[0], &member[1..]);
        self.require(0, 0xff, tag);
        let bits = if VALUES[usize::from(tag)] == Value::Varint { 0x80 } else { 0xff };
        for (place, &byte) in value.iter().enumerate() {
            self.require(1 + place, bits, byte);
            if byte < 0x80 {
                break;
            }
        }
        self.len += member.len();
    }

    /// Makes `bits` of `byte`, which is `place` bytes after the members so far, significant.
    fn require(&mut self, place: usize, bits: u8, byte: u8) {
        self.bits[self.len + place] = bits;
        self.are[self.len + place] = byte & bits;
    }

    /// Returns how many bytes of the message from `start` to `end` match these members, 0 if it
    /// begins otherwise.
    #[inline]
    pub(super) fn len_in(&self, buffer: &[u8], start: usize, end: usize) -> usize {
        let bytes = buffer.get(start..).and_then(<[u8]>::first_chunk);
        match bytes {
            Some(bytes) if start + self.len <= end && self.agrees(bytes) => self.len,
            _ => 0,
        }
    }

    /// Compares without a branch per byte, so that the compiler emits a few wide instructions.
    #[inline]
    fn agrees(&self, bytes: &[u8; Self::SIZE]) -> bool {
        let differ = |at: usize| (bytes[at] & self.bits[at]) ^ self.are[at];
        (0..Self::SIZE).fold(0, |all, at| all | differ(at)) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"\x0a\x03abc\x10\x80\x80\x01\x28\x07\x32\x81\x00h";

    /// `MESSAGE`, with `bytes` at `place`, followed by more bytes.
    fn changed(place: usize, bytes: &[u8]) -> Vec<u8> {
        let mut message = [MESSAGE, &[0x1e; Beginning::SIZE]].concat();
        message[place..place + bytes.len()].copy_from_slice(bytes);
        message
    }

    #[test]
    fn messages_of_the_same_sizes_begin_alike_whatever_they_hold() {
        let len = MESSAGE.len();
        let beginning = Beginning::of(&changed(0, b""), 0, len);
        for (place, bytes) in [(2, &b"xyz"[..]), (6, b"\xff\xfe\x7f"), (10, b"\x00"), (14, b"\x0a")]
        {
            assert_eq!(beginning.len_in(&changed(place, bytes), 0, len), len, "{place}");
        }
        // A tag, a length, a number that ends earlier or later, a longer or shorter length.
        for (place, byte) in [(0, 0x1a), (1, 2), (7, 0x7f), (8, 0x80), (10, 0x87), (12, 1), (13, 1)]
        {
            assert_eq!(beginning.len_in(&changed(place, &[byte]), 0, len), 0, "{place}");
        }
        assert_eq!(beginning.len_in(&changed(0, b""), 0, len - 1), 0, "it ends before");
        assert_eq!(beginning.len_in(MESSAGE, 0, len), 0, "too near to the end of the buffer");
    }

    #[test]
    fn only_whole_members_are_remembered() {
        let long = [&[0x0a, 3, 1, 2, 3, 0x32, 60][..], &[b'x'; 100]].concat();
        let beginning = Beginning::of(&long, 0, 67);
        assert_eq!(beginning.len_in(&long, 0, 67), 5);
        assert_eq!(Beginning::of(&long[5..], 0, 62).len_in(&long, 0, 67), 0);
    }
}
