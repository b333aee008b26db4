// SPDX-License-Identifier: MIT OR Apache-2.0
//! The part of a frame before its message: whether a 0x1e can start a frame at all.

use super::whole::plain_header;
use super::{FRAMING_SIZE, Reason, UNIT_SEPARATOR};
use crate::wire::header::Header;
use crate::wire::varint::Malformed;

/// The shortest header: the tag of the length and one byte of it.
const MIN_HEADER_SIZE: u8 = 2;

/// The reason why there is no header.
pub(super) enum NoHeader {
    Damage(Reason),
    Need(usize),
}

/// Splits the front of `buffer` into the header, the start of its message and the message's length.
pub(super) fn split(buffer: &[u8], limit: usize) -> Result<(Header<'_>, usize, usize), NoHeader> {
    if let Some((start, len)) = plain_header(buffer) {
        let message_length = u32::try_from(len).ok().filter(|_| len <= limit);
        let message_length = message_length.ok_or(NoHeader::Damage(Reason::TooLong))?;
        return Ok((Header { message_length, ..Header::default() }, start, len));
    }
    let Some(&header_len) = buffer.get(1) else {
        return Err(NoHeader::Need(FRAMING_SIZE));
    };
    let start = FRAMING_SIZE + usize::from(header_len);
    if header_len < MIN_HEADER_SIZE {
        return Err(NoHeader::Damage(Reason::BadHeader));
    }
    let Some(&separator) = buffer.get(start - 1) else {
        // Most candidates are rejected before the whole header has arrived.
        return Err(match Header::parse(&buffer[2..]) {
            Err(Malformed::Invalid) => NoHeader::Damage(Reason::BadHeader),
            _ => NoHeader::Need(start),
        });
    };
    if separator != UNIT_SEPARATOR {
        return Err(NoHeader::Damage(Reason::BadHeader));
    }
    let Ok(header) = Header::parse(&buffer[2..start - 1]) else {
        return Err(NoHeader::Damage(Reason::BadHeader));
    };
    match usize::try_from(header.message_length) {
        Ok(len) if len <= limit => Ok((header, start, len)),
        _ => Err(NoHeader::Damage(Reason::TooLong)),
    }
}
