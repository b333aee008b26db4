// SPDX-License-Identifier: MIT OR Apache-2.0
//! The items of a stream.

use super::Damage;
use crate::wire::Frame;

/// An item of a stream.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::large_enum_variant, reason = "frames are a usual variant; they stay on the stack")]
pub enum Found<'a> {
    /// A record or part of a record, with any framing except Heka's.
    Record(Record<'a>),
    /// A Heka frame.
    Frame(Frame<'a>),
    /// Something to report.
    Damage(Damage<'a>),
}

/// A record, borrowed from its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The record without its framing.
    pub text: &'a [u8],
    /// The record with its delimiter, if that is one byte.
    pub whole: &'a [u8],
    /// Offset in the stream.
    pub offset: u64,
    /// Which part of the record this is.
    pub part: Part,
}

/// A part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The whole record, or its last piece.
    Whole,
    /// A piece as long as the limit; another one follows.
    Piece,
    /// The beginning of a record whose rest is omitted.
    Truncated,
}
