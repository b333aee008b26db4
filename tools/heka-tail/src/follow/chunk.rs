// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes of a file, as presented to a consumer.

use std::path::Path;

use heka_core::record::{More, Progress};

use super::identity::Identity;
use super::position::{self, FilePosition, window_hash};

/// The positions of the stream's other files, for the position after a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around<'a> {
    /// Positions of the other files, oldest first.
    pub(crate) others: &'a [FilePosition],
    /// Number of them that are older than this file.
    pub(crate) rank: usize,
}

impl<'a> Around<'a> {
    /// For the newest file.
    pub(crate) fn behind(others: &'a [FilePosition]) -> Self {
        Self { others, rank: others.len() }
    }

    /// For the oldest file.
    pub(crate) fn before(others: &'a [FilePosition]) -> Self {
        Self { others, rank: 0 }
    }
}

/// Bytes of a file for a consumer.
#[derive(Debug)]
pub(crate) struct Chunk<'a> {
    /// The path at which the file was opened.
    pub(crate) path: &'a Path,
    /// Byte offset of [`Chunk::data`] in the file (decompressed).
    pub(crate) offset: u64,
    /// The consumer's state about unconsumed bytes, kept here.
    pub(crate) progress: Progress,
    /// What may follow: [`More::Idle`] means that nothing new has come within the stream's timeout;
    /// unconsumed bytes at [`More::Ended`] are lost.
    pub(crate) more: More,
    /// The first bytes of the file, as far as they were read.
    pub(crate) head: &'a [u8],
    pub(super) identity: Identity,
    pub(super) generation: u64,
    pub(super) modified: u64,
    pub(super) bytes: &'a [u8],
    pub(super) start: usize,
    pub(super) around: Around<'a>,
}

impl<'a> Chunk<'a> {
    /// Returns the identity of the file.
    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// Returns the unconsumed bytes.
    pub(crate) fn data(&self) -> &'a [u8] {
        self.bytes.get(self.start..).unwrap_or(&[])
    }

    /// Returns the identifier of the file's contents; see [`FilePosition::generation`].
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Puts the stream's position after the first `used` bytes of [`Chunk::data`] into `out`;
    /// `skips` says that it is inside a skipped record. If the position takes more than `room`
    /// bytes, the files left behind longest ago are omitted: late lines in them are not read after
    /// a restart.
    pub(crate) fn put_position(&self, out: &mut Vec<u8>, used: usize, skips: bool, room: usize) {
        let (older, newer) = self.around.others.split_at(self.around.rank);
        let before = self.bytes.get(..self.start + used).unwrap_or(self.bytes);
        let this = FilePosition {
            identity: self.identity,
            generation: self.generation,
            offset: self.offset + used as u64,
            hash: window_hash(before),
            modified: self.modified,
            skips,
            is_done: false,
        };
        if older.is_empty() && newer.is_empty() {
            out.clear();
            return position::encode(out, &[this], false);
        }
        let all: Vec<FilePosition> = older.iter().chain([&this]).chain(newer).copied().collect();
        let mut files = all.as_slice();
        loop {
            out.clear();
            position::encode(out, files, false);
            match files {
                [_, newer @ ..] if out.len() > room && !newer.is_empty() => files = newer,
                _ => return,
            }
        }
    }
}
