// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads a file of a queue block by block.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use memchr::memchr;

use super::block::{self, Block, Claim, MAX_HEAD, NoBlock};
use super::sums::Sums;
use crate::wire::{Deframer, More, Step};

/// Number of bytes per read.
const READ_SIZE: usize = 256 * 1024;

/// A part of the contents of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Messages.
    Frames {
        /// Number of the message before; `None` in a file of the first format, which had no blocks.
        before: Option<u64>,
        /// Number of messages.
        count: u64,
        /// The frames of the messages.
        frames: &'a [u8],
    },
    /// Damage, with its length in bytes.
    Damage(u64),
}

/// The result of a search for a piece.
enum Found {
    Frames {
        before: Option<u64>,
        count: u64,
        start: usize,
        end: usize,
    },
    Damage(usize),
    /// More bytes are needed: the total number.
    Need(usize),
}

/// A file of a queue.
#[derive(Debug)]
pub struct Blocks {
    file: File,
    /// Whether the file has blocks.
    has_blocks: bool,
    /// Maximum length of a message in a file without blocks.
    limit: usize,
    /// Bytes read, and their offset in the file.
    buffer: Vec<u8>,
    offset: u64,
    /// Number of bytes of the buffer that are consumed.
    at: usize,
}

impl Blocks {
    /// Reads `file` from `offset`, where a block begins, or a frame in a file without blocks.
    pub fn new(file: File, offset: u64, has_blocks: bool, limit: usize) -> Self {
        Self { file, has_blocks, limit, buffer: Vec::new(), offset, at: 0 }
    }

    /// Returns the offset of the next piece.
    pub fn position(&self) -> u64 {
        self.offset + self.at as u64
    }

    /// Returns the next piece; `None` if there is none before `end`, which must be the end of a
    /// piece.
    ///
    /// # Errors
    /// Any I/O error.
    pub fn next(&mut self, end: u64) -> io::Result<Option<Piece<'_>>> {
        if self.position() >= end {
            return Ok(None);
        }
        let mut need = MAX_HEAD;
        let found = loop {
            let is_all = self.fill(need, end)?;
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            let found = if self.has_blocks {
                find_block(rest, is_all)
            } else {
                find_frames(rest, is_all, self.limit)
            };
            match found {
                Found::Need(_) if is_all => break Found::Damage(rest.len()),
                // Doubled, so that nothing is examined too often.
                Found::Need(more) => need = more.max(need.saturating_mul(2)),
                found => break found,
            }
        };
        let from = self.at;
        Ok(Some(match found {
            Found::Damage(len) => {
                self.at += len;
                Piece::Damage(len as u64)
            }
            Found::Frames { before, count, start, end } => {
                self.at += end;
                let frames = self.buffer.get(from + start..from + end).unwrap_or_default();
                Piece::Frames { before, count, frames }
            }
            Found::Need(_) => Piece::Damage(0),
        }))
    }

    /// Reads until `need` bytes are available or the file ends; returns whether they are available.
    fn fill(&mut self, need: usize, end: u64) -> io::Result<bool> {
        let left = usize::try_from(end - self.position()).unwrap_or(usize::MAX);
        let there = self.buffer.len() - self.at;
        if there < need.min(left) {
            self.buffer.drain(..self.at);
            self.offset += self.at as u64;
            self.at = 0;
            self.buffer.resize(need.max(READ_SIZE).min(left), 0);
            let mut len = there;
            while let Some(room) = self.buffer.get_mut(len..).filter(|room| !room.is_empty()) {
                match self.file.read_at(room, self.offset + len as u64)? {
                    // The file has been truncated.
                    0 => break,
                    read => len += read,
                }
            }
            self.buffer.truncate(len);
            return Ok(len >= left || len < need.min(left));
        }
        Ok(there >= left)
    }
}

/// Finds the block at the front of `rest`, or the distance to the next one.
fn find_block(rest: &[u8], is_all: bool) -> Found {
    match block::parse(rest) {
        Ok(Block { before, count, head, end }) => {
            Found::Frames { before: Some(before), count, start: head, end }
        }
        Err(NoBlock::Need(need)) if !is_all => Found::Need(need),
        Err(_) => find_next(rest, is_all, &mut Sums::new(rest)),
    }
}

/// Returns the distance to the first block after the front of `rest`. Bytes that look like a head
/// can claim any length, so very many may overlap.
fn find_next(rest: &[u8], is_all: bool, sums: &mut Sums<'_>) -> Found {
    let mut at = 0;
    loop {
        // The rest may be intact.
        let behind = rest.get(at + 1..).unwrap_or_default();
        let Some(distance) = memchr(0x1e, behind) else {
            return if is_all { Found::Damage(rest.len()) } else { Found::Need(rest.len() + 1) };
        };
        at += 1 + distance;
        match Claim::parse(rest.get(at..).unwrap_or_default()) {
            Ok(claim) => {
                let (start, end) = (at + claim.block.head, at + claim.block.end);
                if claim.check(sums.of(start, end)).is_ok() {
                    return Found::Damage(at);
                }
            }
            Err(NoBlock::Need(need)) if !is_all => return Found::Need(at + need),
            Err(_) => {}
        }
    }
}

/// Finds consecutive frames at the front of `rest`.
fn find_frames(rest: &[u8], is_all: bool, limit: usize) -> Found {
    let more = if is_all { More::Ended } else { More::Coming };
    let mut deframer = Deframer::new(limit);
    let (mut end, mut count) = (0, 0);
    loop {
        match deframer.next(rest.get(end..).unwrap_or_default(), more) {
            Step::Frame(done, frame) => {
                end += done;
                count += u64::from(!frame.is_signal());
            }
            Step::Damage(done, _) if end == 0 => return Found::Damage(done.max(1)),
            Step::Need(_, need) if end == 0 => return Found::Need(need.max(rest.len() + 1)),
            Step::Damage(..) | Step::Need(..) => {
                return Found::Frames { before: None, count, start: 0, end };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates heads without blocks, all of which claim to extend to the end.
    fn heads(count: u32) -> Vec<u8> {
        let mut head = Vec::new();
        block::put_head(&mut head, 3, 1, b"x");
        let len = u32::try_from(head.len()).unwrap();
        let at = head.len() - 9;
        let mut bytes = Vec::new();
        for number in (0..count).rev() {
            head[at..at + 4].copy_from_slice(&(number * len).to_be_bytes());
            bytes.extend_from_slice(&head);
        }
        bytes
    }

    #[test]
    fn blocks_in_each_other_cost_twice_as_much_if_there_are_twice_as_many() {
        let read = |count| {
            let bytes = heads(count);
            let mut sums = Sums::new(&bytes);
            assert!(matches!(find_next(&bytes, true, &mut sums), Found::Damage(_)));
            assert!(sums.read > bytes.len(), "each is looked at");
            sums.read
        };
        let (some, twice) = (read(10_000), read(20_000));
        assert!(twice < some * 21 / 10, "{some} bytes, {twice} of twice as many");
    }

    #[test]
    fn the_block_behind_them_is_found() {
        let mut bytes = heads(100);
        let damage = bytes.len();
        block::put_head(&mut bytes, 7, 2, b"two frames");
        bytes.extend_from_slice(b"two frames");
        assert!(matches!(find_block(&bytes, true), Found::Damage(len) if len == damage));
        let found = find_block(&bytes[damage..], true);
        assert!(matches!(found, Found::Frames { before: Some(7), count: 2, .. }));
    }
}
