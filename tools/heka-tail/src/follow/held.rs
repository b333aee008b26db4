// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bytes of a file in memory: a window before the position, and the unconsumed bytes.

use std::num::NonZeroU64;

use heka_core::record::Progress;

use super::position::{WINDOW, window_hash};

/// Number of bytes per read.
pub(super) const BLOCK: usize = 256 * 1024;
/// Held bytes are copied in front of the next block if they are fewer than this.
const LONG: usize = 64 * 1024;

/// The large buffer shared by all files in turn.
#[derive(Debug, Default)]
pub(crate) struct Block(pub(super) Vec<u8>);

/// The bytes of a file in memory.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Up to [`WINDOW`] bytes before `offset`, then the unconsumed bytes.
    bytes: Vec<u8>,
    window: usize,
    /// Number of bytes that the consumer has consumed.
    offset: u64,
    /// The consumer's state about the unconsumed bytes, if there is one.
    progress: Option<Box<Progress>>,
    /// The hash of the bytes before `offset`, while these are released.
    resting: Option<NonZeroU64>,
}

impl Held {
    /// Creates the state at `offset`, after the bytes in `window`, with nothing held.
    pub(super) fn at(offset: u64, window: Vec<u8>) -> Self {
        Self { window: window.len(), bytes: window, offset, progress: None, resting: None }
    }

    /// Releases the bytes, unless some are unconsumed; returns whether it did.
    pub(super) fn rest(&mut self) -> bool {
        if self.len() > 0 || self.offset == 0 || self.progress.is_some() {
            return false;
        }
        if self.resting.is_none() {
            self.resting = NonZeroU64::new(self.hash());
        }
        if self.resting.is_some() {
            (self.bytes, self.window) = (Vec::new(), 0);
        }
        self.resting.is_some()
    }

    /// Returns the hash of the released bytes, if they are released.
    pub(super) fn resting(&self) -> Option<u64> {
        self.resting.map(NonZeroU64::get)
    }

    /// Returns the hash that verifies the position: see [`window_hash`].
    pub(super) fn hash(&self) -> u64 {
        self.resting().unwrap_or_else(|| window_hash(self.window()))
    }

    /// Returns the file offset of the next unconsumed byte.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the offset after everything that was read.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.len() as u64
    }

    /// Returns the number of unconsumed bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.window
    }

    /// Returns the unconsumed bytes.
    pub(super) fn left(&self) -> &[u8] {
        self.bytes.get(self.window..).unwrap_or(&[])
    }

    /// Whether nothing has been read.
    pub(super) fn is_untouched(&self) -> bool {
        self.offset == 0 && self.bytes.is_empty()
    }

    /// Returns the bytes before the next unconsumed byte.
    fn window(&self) -> &[u8] {
        self.bytes.get(..self.window).unwrap_or(&[])
    }

    /// Returns the number of bytes in the window.
    pub(super) fn window_len(&self) -> usize {
        self.window
    }

    /// Returns up to [`WINDOW`] of the bytes read last.
    pub(super) fn last(&self) -> &[u8] {
        self.bytes.get(self.bytes.len().saturating_sub(WINDOW)..).unwrap_or(&[])
    }

    /// Whether the next byte belongs to a skipped record.
    pub(super) fn is_skipping(&self) -> bool {
        self.progress.as_ref().is_some_and(|progress| progress.is_skipping())
    }

    /// Sets whether the next byte belongs to a skipped record.
    pub(super) fn set_skipping(&mut self, skips: bool) {
        self.set_progress(Progress::at(self.offset).skipping(skips));
    }

    /// Takes the consumer's state about the unconsumed bytes.
    pub(super) fn take_progress(&mut self) -> Progress {
        self.progress.take().map_or_else(|| Progress::at(self.offset), |progress| *progress)
    }

    pub(super) fn set_progress(&mut self, progress: Progress) {
        self.progress = (!progress.is_fresh()).then(|| Box::new(progress));
    }

    /// Puts the bytes at the front of the block, with room after them; returns their number. Long
    /// data is not copied each time.
    pub(super) fn lend(&mut self, block: &mut Block) -> usize {
        let len = self.bytes.len();
        if len >= LONG {
            std::mem::swap(&mut self.bytes, &mut block.0);
        }
        if block.0.len() < len + BLOCK {
            block.0.resize(len + BLOCK, 0);
        }
        if len < LONG
            && let Some(front) = block.0.get_mut(..len)
        {
            front.copy_from_slice(&self.bytes);
        }
        len
    }

    /// Keeps the window and the unconsumed part of the first `len` bytes of the block.
    pub(super) fn take_back(&mut self, block: &mut Block, len: usize, used: usize) {
        let end = self.window + used;
        let start = end.saturating_sub(WINDOW);
        if len - start >= LONG {
            block.0.truncate(len);
            block.0.drain(..start);
            std::mem::swap(&mut self.bytes, &mut block.0);
        } else {
            self.bytes.clear();
            self.bytes.reserve_exact(len - start);
            self.bytes.extend_from_slice(block.0.get(start..len).unwrap_or(&[]));
            self.bytes.shrink_to(4 * WINDOW);
        }
        if block.0.len() > 4 * BLOCK {
            *block = Block::default();
        }
        self.window = end - start;
        self.offset += used as u64;
    }

    /// Takes the bytes, to present them again and return them afterwards.
    pub(super) fn take(&mut self) -> Block {
        Block(std::mem::take(&mut self.bytes))
    }
}
