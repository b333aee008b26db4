// SPDX-License-Identifier: MIT OR Apache-2.0
//! Blocks appended to a queue with one write.

use std::fs::File;
use std::io::{self, IoSlice};

use heka_core::delivery::block;
use nix::errno::Errno;
use nix::sys::uio::pwritev;

/// Consecutive blocks: own heads, borrowed frames.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    heads: Vec<u8>,
    frames: &'a [u8],
    /// Start of the frames of the first block.
    start: usize,
    /// End of the head and of the frames of each block.
    ends: Vec<(usize, usize)>,
    /// Number of frames in the blocks, and the end of the last one.
    pub(super) count: usize,
    pub(super) until: usize,
}

impl<'a> Batch<'a> {
    /// Creates an empty batch for the frames from `start` on. The heads are put into `buffer`.
    pub(super) fn new(mut buffer: Vec<u8>, frames: &'a [u8], start: usize) -> Self {
        buffer.clear();
        Self { heads: buffer, frames, start, ends: Vec::new(), count: 0, until: start }
    }

    /// Returns the number of blocks.
    pub(super) fn blocks(&self) -> usize {
        self.ends.len()
    }

    /// Returns their size in bytes.
    pub(super) fn len(&self) -> u64 {
        (self.heads.len() + self.until - self.start) as u64
    }

    /// Adds a block of the next `count` frames, up to the offset `until`, after message `before`.
    pub(super) fn push(&mut self, before: u64, count: u32, until: usize) {
        let block = self.frames.get(self.until..until).unwrap_or_default();
        block::put_head(&mut self.heads, before, count, block);
        self.count += count as usize;
        self.until = until;
        self.ends.push((self.heads.len(), until));
    }

    /// Writes all blocks at `offset`.
    pub(super) fn write(&self, file: &File, mut offset: u64) -> io::Result<()> {
        let mut parts = Vec::with_capacity(2 * self.ends.len());
        let mut from = (0, self.start);
        for until in &self.ends {
            parts.push(IoSlice::new(self.heads.get(from.0..until.0).unwrap_or_default()));
            parts.push(IoSlice::new(self.frames.get(from.1..until.1).unwrap_or_default()));
            from = *until;
        }
        let mut parts = parts.as_mut_slice();
        while !parts.is_empty() {
            match pwritev(file, parts, i64::try_from(offset).map_err(io::Error::other)?) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => {
                    offset += len as u64;
                    IoSlice::advance_slices(&mut parts, len);
                }
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Returns the buffer for reuse.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.heads
    }
}
