// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long a record may be, and what is done with longer ones.

/// The longest record, and the rule for longer ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Most bytes of a record, without the delimiter that ends it.
    pub size: usize,
    /// What is done with longer ones.
    pub oversize: Oversize,
}

/// What is done with a record that is longer than the limit. Those that begin with their length,
/// and Heka frames, are dropped in any case: there is no limit at which a part of one would be a
/// record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Oversize {
    /// It is continued in the next record; nothing is lost.
    #[default]
    Split,
    /// Only its beginning is delivered.
    Truncate,
    /// It is skipped.
    Drop,
}

impl Oversize {
    /// The word for what was done.
    pub fn done(self) -> &'static str {
        match self {
            Self::Split => "split",
            Self::Truncate => "truncated",
            Self::Drop => "dropped",
        }
    }
}

/// Where to cut text so that at most `room` bytes stand before the cut: between two characters, if
/// it is UTF-8 there.
pub fn cut(text: &[u8], room: usize) -> usize {
    if text.len() <= room {
        return text.len();
    }
    let is_inside = |at: usize| text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let near = (room.saturating_sub(3)..=room).rev().find(|&at| at > 0 && !is_inside(at));
    near.unwrap_or(room)
}
