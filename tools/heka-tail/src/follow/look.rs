// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a stream is looked at with, and what that comes to.

use std::time::Instant;

use super::chunk::Chunk;
use super::held::Block;
use super::options::Options;
use super::position::FilePosition;
use heka_core::report::Stop;

/// What a stream is looked at with.
pub(crate) struct Look<'a> {
    /// How streams are followed.
    pub(crate) options: &'a Options,
    /// What files are read through.
    pub(crate) block: &'a mut Block,
    /// Whether names may have changed, not only contents.
    pub(crate) names: bool,
    /// Whether there was something new.
    pub(crate) grew: bool,
    /// Whether something of a file was skipped for good.
    pub(crate) lost: bool,
    /// The time.
    pub(crate) now: Instant,
    /// Takes the bytes and returns how many of them are used up.
    pub(crate) consume: &'a mut dyn FnMut(&mut Chunk<'_>) -> Result<usize, Stop>,
}

impl std::fmt::Debug for Look<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Look").field("names", &self.names).finish_non_exhaustive()
    }
}

/// What looking at a stream came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// There is more to read now.
    More,
    /// Everything there is has been read.
    Idle,
    /// The file is missing, or it cannot be read; words on that were said.
    Missing,
}

/// What a stream has to do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// Nothing.
    None,
    /// It reads it, whatever its name is by now.
    Reads,
    /// It has read it so far.
    HasRead(FilePosition),
}
