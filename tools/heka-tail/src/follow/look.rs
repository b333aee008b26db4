// SPDX-License-Identifier: MIT OR Apache-2.0
//! The parameters of processing a stream, and its result.

use std::time::Instant;

use super::chunk::Chunk;
use super::held::Block;
use super::options::Options;
use super::position::FilePosition;
use heka_core::report::Stop;

/// The parameters of processing a stream.
pub(crate) struct Look<'a> {
    /// How streams are followed.
    pub(crate) options: &'a Options,
    /// The buffer through which files are read.
    pub(crate) block: &'a mut Block,
    /// Whether names may have changed, not only contents.
    pub(crate) names: bool,
    /// Set if there was new data.
    pub(crate) grew: bool,
    /// Set if part of a file was skipped for good.
    pub(crate) lost: bool,
    /// The current time.
    pub(crate) now: Instant,
    /// Receives the bytes, and returns how many of them it consumed.
    pub(crate) consume: &'a mut dyn FnMut(&mut Chunk<'_>) -> Result<usize, Stop>,
}

impl std::fmt::Debug for Look<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Look").field("names", &self.names).finish_non_exhaustive()
    }
}

/// The result of processing a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// There is more to read now.
    More,
    /// Everything has been read.
    Idle,
    /// The file is missing or cannot be read, which has been reported.
    Missing,
}

/// The relation of a stream to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// None.
    None,
    /// The stream is reading it, whatever its current name.
    Reads,
    /// The stream has read it up to this position.
    HasRead(FilePosition),
}
