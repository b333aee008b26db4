// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a stream is made of.

use super::Damage;
use crate::wire::Frame;

/// What a stream contains.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::large_enum_variant, reason = "frames are a usual variant; they stay on the stack")]
pub enum Found<'a> {
    /// A record, or a part of one, of any framing but Heka's.
    Record(Record<'a>),
    /// A Heka frame.
    Frame(Frame<'a>),
    /// Something to report.
    Damage(Damage<'a>),
}

/// A record, borrowed from the buffer it was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its bytes, without what frames it.
    pub text: &'a [u8],
    /// The same, with the delimiter if that is one byte.
    pub whole: &'a [u8],
    /// Where it begins in the stream.
    pub offset: u64,
    /// How much of a record this is.
    pub part: Part,
}

/// How much of a record there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it, or its last piece.
    Whole,
    /// A piece that the limit allows; the next one follows.
    Piece,
    /// The beginning; the rest is omitted.
    Truncated,
}
