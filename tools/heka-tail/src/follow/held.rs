// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was read last of a file: a window of it to know the place by, and what is not used up yet.

use std::num::NonZeroU64;

use heka_core::record::Progress;

use super::position::{WINDOW, window_hash};

/// Bytes asked for by one read.
pub(super) const BLOCK: usize = 256 * 1024;
/// What is held is copied in front of the next block if it is shorter than this.
const LONG: usize = 64 * 1024;

/// The large buffer that all files are read through in turn.
#[derive(Debug, Default)]
pub(crate) struct Block(pub(super) Vec<u8>);

/// What is kept of a file's bytes.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Up to [`WINDOW`] bytes before `offset`, then what is not used up yet.
    bytes: Vec<u8>,
    window: usize,
    /// Bytes used up by the consumer.
    offset: u64,
    /// What is known of the bytes that are not used up, if anything is.
    progress: Option<Box<Progress>>,
    /// The hash of the bytes before `offset`, while they are let go of.
    resting: Option<NonZeroU64>,
}

impl Held {
    /// Nothing is held at `offset`, before which there is this.
    pub(super) fn at(offset: u64, window: Vec<u8>) -> Self {
        Self { window: window.len(), bytes: window, offset, progress: None, resting: None }
    }

    /// Lets go of the bytes, unless some are not used up; whether it has.
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

    /// The hash of what it has let go of, if it has.
    pub(super) fn resting(&self) -> Option<u64> {
        self.resting.map(NonZeroU64::get)
    }

    /// Vouches for the position: see [`window_hash`].
    pub(super) fn hash(&self) -> u64 {
        self.resting().unwrap_or_else(|| window_hash(self.window()))
    }

    /// Where the next byte that is not used up is in the file.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The offset behind all that was read.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.len() as u64
    }

    /// How many bytes are not used up.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.window
    }

    /// Whether nothing was read.
    pub(super) fn is_untouched(&self) -> bool {
        self.offset == 0 && self.bytes.is_empty()
    }

    /// What precedes the next byte that is not used up.
    fn window(&self) -> &[u8] {
        self.bytes.get(..self.window).unwrap_or(&[])
    }

    /// How many bytes that is.
    pub(super) fn window_len(&self) -> usize {
        self.window
    }

    /// Up to [`WINDOW`] bytes that were read last.
    pub(super) fn last(&self) -> &[u8] {
        self.bytes.get(self.bytes.len().saturating_sub(WINDOW)..).unwrap_or(&[])
    }

    /// Whether the next byte belongs to a record that is skipped.
    pub(super) fn is_skipping(&self) -> bool {
        self.progress.as_ref().is_some_and(|progress| progress.is_skipping())
    }

    /// The next byte belongs to a record that is skipped, or not.
    pub(super) fn set_skipping(&mut self, skips: bool) {
        self.set_progress(Progress::at(self.offset).skipping(skips));
    }

    /// What is known of the bytes that are not used up.
    pub(super) fn take_progress(&mut self) -> Progress {
        self.progress.take().map_or_else(|| Progress::at(self.offset), |progress| *progress)
    }

    pub(super) fn set_progress(&mut self, progress: Progress) {
        self.progress = (!progress.is_fresh()).then(|| Box::new(progress));
    }

    /// Puts the bytes at the front of the block, with room behind them; how many that are. What is
    /// long is not copied each time.
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

    /// Keeps the window and what is not used up of the first `len` bytes of the block.
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

    /// The bytes, to be shown again and taken back then.
    pub(super) fn take(&mut self) -> Block {
        Block(std::mem::take(&mut self.bytes))
    }
}
