// SPDX-License-Identifier: MIT OR Apache-2.0
//! Validates a plugin's Heka messages: stricter than protobuf, as in `lua_sandbox`.
//!
//! Keys are one byte, only the tags of the message are known, each with its own wire type, and Uuid
//! (16 bytes) and timestamp are required. In a field the name precedes the first value; what
//! follows the key of the first value is not examined.

use heka_core::wire::varint::{Malformed, Reader, wire_type};

/// The reason why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// An element is damaged or unknown.
    Element {
        /// Its tag.
        tag: u8,
        /// Its wire type.
        wire: u8,
        /// Its offset.
        offset: usize,
    },
    /// All elements are valid, but a required one is missing.
    Missing {
        /// Whether there was a Uuid.
        uuid: bool,
        /// Whether there was a timestamp.
        timestamp: bool,
    },
}

/// Checks `bytes` by the rules above.
pub(crate) fn check(bytes: &[u8]) -> Result<(), Refusal> {
    walk(bytes, check_field)
}

/// Iterates over the elements of a message; `field` reads the contents of each field.
pub(super) fn walk<'a>(
    bytes: &'a [u8],
    mut field: impl FnMut(&'a [u8]) -> Result<(), Malformed>,
) -> Result<(), Refusal> {
    let (mut uuid, mut timestamp) = (false, false);
    let mut reader = Reader::new(bytes);
    while let [key, ..] = *reader.rest() {
        let offset = bytes.len() - reader.rest().len();
        let (tag, wire) = (key >> 3, key & 7);
        let mut element = || {
            reader.take(1)?;
            match (tag, wire) {
                (1, wire_type::LEN) => {
                    uuid = true;
                    if reader.bytes()?.len() != 16 {
                        return Err(Malformed::Invalid);
                    }
                }
                (2, wire_type::VARINT) => {
                    timestamp = true;
                    reader.varint()?;
                }
                (3 | 4 | 6 | 7 | 9, wire_type::LEN) => drop(reader.bytes()?),
                (5 | 8, wire_type::VARINT) => drop(reader.varint()?),
                (10, wire_type::LEN) => field(reader.bytes()?)?,
                _ => return Err(Malformed::Invalid),
            }
            Ok(())
        };
        element().map_err(|_| Refusal::Element { tag, wire, offset })?;
    }
    if uuid && timestamp { Ok(()) } else { Err(Refusal::Missing { uuid, timestamp }) }
}

fn check_field(bytes: &[u8]) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    let mut named = false;
    loop {
        let key = *reader.take(1)?.first().ok_or(Malformed::Truncated)?;
        match (key >> 3, key & 7) {
            (1, wire_type::LEN) => {
                reader.bytes()?;
                named = true;
            }
            (2, wire_type::VARINT) => drop(reader.varint()?),
            (3, wire_type::LEN) => drop(reader.bytes()?),
            (tag, wire) if named && is_value(tag, wire) => return Ok(()),
            _ => return Err(Malformed::Invalid),
        }
        if named && reader.is_empty() {
            return Ok(());
        }
    }
}

/// Whether tag and wire type are those of a field's value, including packed ones.
pub(super) fn is_value(tag: u8, wire: u8) -> bool {
    matches!(
        (tag, wire),
        (4 | 5, wire_type::LEN)
            | (6 | 8, wire_type::VARINT | wire_type::LEN)
            | (7, wire_type::FIXED64 | wire_type::LEN)
    )
}
