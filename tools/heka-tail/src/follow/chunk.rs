// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes of a file, as a consumer is shown them.

use std::path::Path;

use heka_core::record::{More, Progress};

use super::identity::Identity;
use super::position::{self, FilePosition, window_hash};

/// Where the stream's other files stand, for the position after a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around<'a> {
    /// Positions of the other files, oldest first.
    pub(crate) others: &'a [FilePosition],
    /// How many of them are older than this file.
    pub(crate) rank: usize,
}

impl<'a> Around<'a> {
    /// This is the newest file.
    pub(crate) fn behind(others: &'a [FilePosition]) -> Self {
        Self { others, rank: others.len() }
    }

    /// This is the oldest file.
    pub(crate) fn before(others: &'a [FilePosition]) -> Self {
        Self { others, rank: 0 }
    }
}

/// Bytes of a file, for a consumer.
#[derive(Debug)]
pub(crate) struct Chunk<'a> {
    /// Where the file was opened.
    pub(crate) path: &'a Path,
    /// Byte offset of [`Chunk::data`] in the file (decompressed).
    pub(crate) offset: u64,
    /// What the consumer knows of what it did not use up; it keeps this.
    pub(crate) progress: Progress,
    /// What may follow: nothing new has come for the stream's timeout if that is [`More::Idle`],
    /// and what is not used up at [`More::Ended`] is lost.
    pub(crate) more: More,
    /// What the file begins with, as far as it was read.
    pub(crate) head: &'a [u8],
    pub(super) identity: Identity,
    pub(super) generation: u64,
    pub(super) modified: u64,
    pub(super) bytes: &'a [u8],
    pub(super) start: usize,
    pub(super) around: Around<'a>,
}

impl<'a> Chunk<'a> {
    /// Which file it is of.
    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// What is not used up yet.
    pub(crate) fn data(&self) -> &'a [u8] {
        self.bytes.get(self.start..).unwrap_or(&[])
    }

    /// Names the contents of the file; see [`FilePosition::generation`].
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Puts the stream's position behind the first `used` bytes of [`Chunk::data`] into `out`, inside
    /// a record that is skipped or not. If it takes more than `room` bytes, the files that were
    /// left behind longest ago do not stand in it: late lines of theirs are not read after a restart.
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
