// SPDX-License-Identifier: MIT OR Apache-2.0
//! Damage in a stream of records, with the wording that all tools use.

use std::fmt;

use super::Oversize;
use crate::wire;

/// Number of bytes shown of a record over the limit.
const SHOWN: usize = 24;

/// Damage in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage<'a> {
    /// A record over the limit.
    TooLong(TooLong<'a>),
    /// A stretch without a Heka frame.
    NoFrame(wire::Damage),
    /// The stream ended inside a record.
    CutOff {
        /// Offset of the record in the stream.
        offset: u64,
        /// Number of bytes lost.
        len: usize,
    },
    /// A length was expected and is invalid: nothing after it can be read.
    NoLength {
        /// Offset of the expected length in the stream.
        offset: u64,
        /// The cause.
        cause: &'static str,
    },
}

/// A record over the limit, reported once, before its rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong<'a> {
    /// Offset of the record in the stream.
    pub offset: u64,
    /// The limit, in bytes.
    pub limit: usize,
    /// The rule that was applied.
    pub oversize: Oversize,
    /// The beginning of the record.
    pub start: &'a [u8],
}

impl Damage<'_> {
    /// Whether any data is lost.
    pub fn is_loss(&self) -> bool {
        !matches!(self, Self::TooLong(TooLong { oversize: Oversize::Split, .. }))
    }

    /// Returns the name under which repetitions are counted.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::TooLong(_) => "long records",
            Self::NoFrame(_) | Self::CutOff { .. } | Self::NoLength { .. } => "damage",
        }
    }

    /// Whether nothing after the damage can be read.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::NoLength { .. })
    }
}

impl fmt::Display for Damage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(too_long) => too_long.fmt(f),
            Self::NoFrame(damage) => damage.fmt(f),
            Self::CutOff { offset, len } => {
                let s = if *len == 1 { "" } else { "s" };
                write!(f, "offset {offset}: cut off, {len} byte{s} of a record lost")
            }
            Self::NoLength { offset, cause } => write!(f, "offset {offset}: {cause}"),
        }
    }
}

impl fmt::Display for TooLong<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, limit, oversize, start } = self;
        write!(f, "offset {offset}: record longer than {limit} bytes, {}", oversize.done())?;
        let shown = start.get(..SHOWN).unwrap_or(start);
        if shown.is_empty() {
            return Ok(());
        }
        write!(f, ": {:?}...", String::from_utf8_lossy(shown))
    }
}
