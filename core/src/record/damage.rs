// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be wrong with the records of a stream, in the words that all tools use for it.

use std::fmt;

use super::Oversize;
use crate::wire;

/// Number of bytes shown of a record that is too long.
const SHOWN: usize = 24;

/// Something about a stream that is to be reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage<'a> {
    /// A record over the limit.
    TooLong(TooLong<'a>),
    /// A stretch that held no Heka frame.
    NoFrame(wire::Damage),
    /// The stream ended within a record.
    CutOff {
        /// Where the record begins.
        offset: u64,
        /// Number of its bytes that are lost.
        len: usize,
    },
    /// Where a length had to stand there is none: nothing behind it can be read.
    NoLength {
        /// Where it had to stand.
        offset: u64,
        /// What is wrong.
        cause: &'static str,
    },
}

/// A record over the limit: reported once, before the rest of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong<'a> {
    /// Where it begins.
    pub offset: u64,
    /// The limit, in bytes.
    pub limit: usize,
    /// What is done with it.
    pub oversize: Oversize,
    /// How it begins.
    pub start: &'a [u8],
}

impl Damage<'_> {
    /// Whether something of the stream is lost.
    pub fn is_loss(&self) -> bool {
        !matches!(self, Self::TooLong(TooLong { oversize: Oversize::Split, .. }))
    }

    /// What to call many of them.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::TooLong(_) => "long records",
            Self::NoFrame(_) | Self::CutOff { .. } | Self::NoLength { .. } => "damage",
        }
    }

    /// Whether nothing behind it can be read.
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
