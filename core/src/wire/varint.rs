// SPDX-License-Identifier: MIT OR Apache-2.0
//! Protobuf's building blocks, bounds-checked: varints, tags, length-delimited bytes.
//!
//! All functions here must withstand hostile input: a length is compared with the remaining bytes
//! before it is used, a varint ends after ten bytes, groups nest at most [`MAX_DEPTH`] deep.

/// Maximum nesting of unknown groups, as in prost.
pub(super) const MAX_DEPTH: u32 = 100;

/// Wire types of protobuf.
pub mod wire_type {
    /// A varint.
    pub const VARINT: u8 = 0;
    /// Eight bytes, little-endian.
    pub const FIXED64: u8 = 1;
    /// A varint length and that many bytes.
    pub const LEN: u8 = 2;
    /// Start of a group (only ever skipped).
    pub const START_GROUP: u8 = 3;
    /// End of a group.
    pub const END_GROUP: u8 = 4;
    /// Four bytes, little-endian.
    pub const FIXED32: u8 = 5;
}

/// The reason why bytes are not valid protobuf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The input ended inside a value; more bytes could complete it.
    Truncated,
    /// Invalid, whatever follows.
    Invalid,
}

/// A cursor over protobuf bytes.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Creates a cursor at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Returns the unread bytes.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether all bytes have been read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Reads a varint of at most ten bytes; bits beyond the 64th make it invalid.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, Malformed> {
        if let [first, rest @ ..] = self.rest
            && *first < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(*first));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64, Malformed> {
        if let [low, high @ ..0x80, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(u64::from(low & 0x7f) | u64::from(*high) << 7);
        }
        if let Some((len, value)) = self.rest.first_chunk().and_then(at_most_nine) {
            self.rest = &self.rest[len..];
            return Ok(value);
        }
        let mut value = 0u64;
        for (index, &byte) in self.rest.iter().enumerate().take(10) {
            if index == 9 && byte > 1 {
                return Err(Malformed::Invalid);
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        Err(if self.rest.len() < 10 { Malformed::Truncated } else { Malformed::Invalid })
    }

    /// Reads a tag: field number and wire type.
    #[inline]
    pub fn tag(&mut self) -> Result<(u32, u8), Malformed> {
        let key = u32::try_from(self.varint()?).map_err(|_| Malformed::Invalid)?;
        let number = key >> 3;
        if number == 0 {
            return Err(Malformed::Invalid);
        }
        Ok((number, (key & 7) as u8))
    }

    /// Reads the next `len` bytes.
    #[inline]
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        match self.rest.split_at_checked(len) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(Malformed::Truncated),
        }
    }

    /// Reads a length and that many bytes.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.varint()?;
        // A length beyond any buffer is damage, not a reason to wait for more bytes.
        if len > u64::from(u32::MAX) {
            return Err(Malformed::Invalid);
        }
        self.take(usize::try_from(len).map_err(|_| Malformed::Invalid)?)
    }

    /// Reads eight bytes, little-endian.
    pub fn fixed64(&mut self) -> Result<[u8; 8], Malformed> {
        let bytes = self.take(8)?;
        bytes.try_into().map_err(|_| Malformed::Truncated)
    }

    /// Skips the value of an unknown tag.
    pub fn skip(&mut self, number: u32, wire: u8) -> Result<(), Malformed> {
        self.skip_nested(number, wire, 0)
    }

    fn skip_nested(&mut self, number: u32, wire: u8, depth: u32) -> Result<(), Malformed> {
        match wire {
            wire_type::VARINT => self.varint().map(drop),
            wire_type::FIXED64 => self.take(8).map(drop),
            wire_type::LEN => self.bytes().map(drop),
            wire_type::FIXED32 => self.take(4).map(drop),
            wire_type::START_GROUP if depth < MAX_DEPTH => loop {
                let (inner, wire) = self.tag()?;
                if wire == wire_type::END_GROUP {
                    return if inner == number { Ok(()) } else { Err(Malformed::Invalid) };
                }
                self.skip_nested(inner, wire, depth + 1)?;
            },
            _ => Err(Malformed::Invalid),
        }
    }
}

/// Decodes a varint of at most nine bytes, which is enough for current timestamps; returns its size
/// and value.
#[inline]
fn at_most_nine(bytes: &[u8; 9]) -> Option<(usize, u64)> {
    let [first @ .., ninth] = *bytes;
    let word = u64::from_le_bytes(first);
    let ends = !word & 0x8080_8080_8080_8080;
    if ends != 0 {
        let until_end = ends ^ (ends - 1);
        return Some((ends.trailing_zeros() as usize / 8 + 1, joined(word & until_end)));
    }
    (ninth < 0x80).then(|| (9, joined(word) | u64::from(ninth) << 56))
}

/// Joins the lower seven bits of each byte: first in pairs, then pairs of pairs.
#[inline]
fn joined(word: u64) -> u64 {
    let sevens = (word & 0x007f_007f_007f_007f) | (word & 0x7f00_7f00_7f00_7f00) >> 1;
    let fourteens = (sevens & 0x0000_3fff_0000_3fff) | (sevens & 0x3fff_0000_3fff_0000) >> 2;
    (fourteens & 0x0fff_ffff) | (fourteens & 0x0fff_ffff_0000_0000) >> 4
}

/// Appends a varint.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// How many bytes [`put_varint`] writes.
#[inline]
pub fn varint_len(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Appends a tag.
pub fn put_tag(out: &mut Vec<u8>, number: u32, wire: u8) {
    put_varint(out, u64::from(number) << 3 | u64::from(wire));
}

/// Appends a tag, a length and the bytes themselves.
pub fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_tag(out, number, wire_type::LEN);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends an `int32` as Heka does: a negative value takes five bytes instead of protobuf's ten.
pub fn put_int32(out: &mut Vec<u8>, number: u32, value: i32) {
    put_tag(out, number, wire_type::VARINT);
    put_varint(out, u64::from(value.cast_unsigned()));
}

/// Appends an `int64`.
pub fn put_int64(out: &mut Vec<u8>, number: u32, value: i64) {
    put_tag(out, number, wire_type::VARINT);
    put_varint(out, value.cast_unsigned());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varint_lengths_agree_with_what_is_written() {
        for shift in 0..64 {
            for value in [1u64 << shift, (1u64 << shift) - 1, u64::MAX >> shift] {
                let mut out = Vec::new();
                put_varint(&mut out, value);
                assert_eq!(out.len(), varint_len(value), "{value}");
                assert_eq!(Reader::new(&out).varint(), Ok(value));
                // The bytes after the varint do not matter.
                for behind in [0, 0x7f, 0xff] {
                    let more = [&out[..], &[behind; 9]].concat();
                    let mut reader = Reader::new(&more);
                    assert_eq!(reader.varint(), Ok(value));
                    assert_eq!(reader.rest(), [behind; 9]);
                }
            }
        }
    }

    #[test]
    fn a_varint_without_end_is_refused() {
        assert_eq!(Reader::new(&[0xff; 11]).varint(), Err(Malformed::Invalid));
        assert_eq!(Reader::new(&[0xff; 9]).varint(), Err(Malformed::Truncated));
    }

    #[test]
    fn a_length_with_the_top_bit_set_is_refused() {
        let hostile = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 1, 2];
        assert_eq!(Reader::new(&hostile).bytes(), Err(Malformed::Invalid));
    }

    #[test]
    fn groups_nest_only_so_deep() {
        let deep = [0x0b; 5000];
        let mut reader = Reader::new(&deep);
        let (number, wire) = reader.tag().unwrap();
        assert_eq!(reader.skip(number, wire), Err(Malformed::Invalid));
    }
}
