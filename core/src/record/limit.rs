// SPDX-License-Identifier: MIT OR Apache-2.0
//! The maximum length of a record, and the treatment of longer ones.

/// A limit on records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Maximum number of bytes of a record, without its delimiter.
    pub size: usize,
    /// The treatment of longer records.
    pub oversize: Oversize,
}

/// The treatment of a record over the limit. Records that begin with their length and Heka frames
/// are always dropped, since a part of one would not be a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Oversize {
    /// Continue it in the next record; nothing is lost.
    #[default]
    Split,
    /// Deliver only its beginning.
    Truncate,
    /// Skip it.
    Drop,
}

impl Oversize {
    /// Returns the past participle for messages.
    pub fn done(self) -> &'static str {
        match self {
            Self::Split => "split",
            Self::Truncate => "truncated",
            Self::Drop => "dropped",
        }
    }
}

/// Returns the position of a cut with at most `room` bytes before it: between two characters, if
/// the text is UTF-8 there.
pub fn cut(text: &[u8], room: usize) -> usize {
    if text.len() <= room {
        return text.len();
    }
    let is_inside = |at: usize| text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let near = (room.saturating_sub(3)..=room).rev().find(|&at| at > 0 && !is_inside(at));
    near.unwrap_or(room)
}
