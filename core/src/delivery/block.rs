// SPDX-License-Identifier: MIT OR Apache-2.0
//! Blocks: the format of messages in the files of a queue.
//!
//! Each block begins with a frame without a message, which every reader of frames skips. Its header
//! contains the number of the message before the block (101) and three 32-bit big-endian numbers
//! (107): the number of messages that follow, their size in bytes, and a CRC-32C. The checksum
//! covers these numbers and the frames.

use super::sums;
use crate::wire::varint::{Reader, put_varint};

/// Maximum size of a head.
pub const MAX_HEAD: usize = 3 + 2 + 2 + 10 + 3 + TOLD;
/// Size of member 107 in bytes.
const TOLD: usize = 12;
/// The beginning of a header: no message, and the tag of member 101.
const BEGIN: [u8; 4] = [0x08, 0x00, 0xa8, 0x06];
/// Tag and length of member 107.
const TAG: [u8; 3] = [0xda, 0x06, 12];
const START: u8 = 0x1e;
const END: u8 = 0x1f;

/// A block at the front of a buffer, with offsets relative to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Number of the message before the first one of the block.
    pub before: u64,
    /// Number of messages in the block.
    pub count: u64,
    /// Start of its frames.
    pub head: usize,
    /// End of its frames.
    pub end: usize,
}

/// The reason why there is no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoBlock {
    /// More bytes are needed: the total number.
    Need(usize),
    /// The bytes do not begin like a block.
    Other,
    /// The block is damaged.
    Damaged,
}

/// Appends the head of a block of `count` messages after message `before`; `frames` are the frames
/// that follow it.
pub fn put_head(out: &mut Vec<u8>, before: u64, count: u32, frames: &[u8]) {
    let len = u32::try_from(frames.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&[START, 0]);
    let start = out.len();
    out.extend_from_slice(&BEGIN);
    put_varint(out, before);
    out.extend_from_slice(&TAG);
    for number in [count, len, checksum(before, count, len, sums::sum(frames))] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    // Always far below 255.
    let header_len = u8::try_from(out.len() - start).unwrap_or(0);
    if let Some(byte) = out.get_mut(start - 1) {
        *byte = header_len;
    }
    out.push(END);
}

/// Parses the block at the front of `buffer`.
///
/// # Errors
/// If there is no block, or only part of one.
pub fn parse(buffer: &[u8]) -> Result<Block, NoBlock> {
    let claim = Claim::parse(buffer)?;
    let frames = buffer.get(claim.block.head..claim.block.end).unwrap_or_default();
    claim.check(sums::sum(frames))
}

/// A head whose checksum has not been verified.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    /// The block that it describes.
    pub(super) block: Block,
    numbers: [u32; 3],
}

impl Claim {
    /// Parses the head at the front of `buffer`, which must contain the whole block.
    pub(super) fn parse(buffer: &[u8]) -> Result<Self, NoBlock> {
        let [START, header_len, rest @ ..] = buffer else {
            return Err(if buffer.is_empty() || buffer == [START] {
                NoBlock::Need(MAX_HEAD)
            } else {
                NoBlock::Other
            });
        };
        let header_len = usize::from(*header_len);
        let Some((header, [END, frames @ ..])) = rest.split_at_checked(header_len) else {
            let is_open = rest.len() <= header_len && header_len + 3 <= MAX_HEAD;
            return Err(if is_open { NoBlock::Need(header_len + 3) } else { NoBlock::Other });
        };
        let Some((before, told)) = members(header) else { return Err(NoBlock::Other) };
        let numbers = [0, 4, 8].map(|at| {
            let bytes = told.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, u32::from_be_bytes)
        });
        let [count, len, _] = numbers;
        let (head, size) = (header_len + 3, usize::try_from(len).unwrap_or(usize::MAX));
        if frames.len() < size {
            return Err(NoBlock::Need(head.saturating_add(size)));
        }
        let block = Block { before, count: count.into(), head, end: head + size };
        Ok(Self { block, numbers })
    }

    /// Returns the block, if `frames` is the checksum of its frames.
    pub(super) fn check(self, frames: u32) -> Result<Block, NoBlock> {
        let ([count, len, sum], before) = (self.numbers, self.block.before);
        let is_whole = checksum(before, count, len, frames) == sum;
        match is_whole && before.checked_add(count.into()).is_some() {
            true => Ok(self.block),
            false => Err(NoBlock::Damaged),
        }
    }
}

fn members(header: &[u8]) -> Option<(u64, &[u8])> {
    let mut reader = Reader::new(header.strip_prefix(&BEGIN)?);
    let before = reader.varint().ok()?;
    let told = reader.rest().strip_prefix(&TAG)?;
    (told.len() == TOLD).then_some((before, told))
}

/// Returns the checksum of a block, the frames of which have the checksum `frames`.
fn checksum(before: u64, count: u32, len: u32, frames: u32) -> u32 {
    sums::join(sums::sum(&told(before, count, len)), frames, len.into())
}

/// Returns the numbers of a head as covered by the checksum.
fn told(before: u64, count: u32, len: u32) -> [u8; 16] {
    let mut numbers = [0; 16];
    let all = before.to_be_bytes().into_iter().chain(count.to_be_bytes()).chain(len.to_be_bytes());
    numbers.iter_mut().zip(all).for_each(|(to, byte)| *to = byte);
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Deframer, More, Step};

    #[test]
    fn a_block_is_what_was_written_or_none() {
        for before in [0, 300, u64::MAX - 2] {
            let mut bytes = Vec::new();
            put_head(&mut bytes, before, 2, b"two frames");
            let head = bytes.len();
            bytes.extend_from_slice(b"two frames");
            assert!(head <= MAX_HEAD);
            let end = bytes.len();
            assert_eq!(parse(&bytes), Ok(Block { before, count: 2, head, end }));
            for len in 0..end {
                assert!(matches!(parse(&bytes[..len]), Err(NoBlock::Need(need)) if need > len));
            }
            for bit in 0..8 * end {
                let mut damaged = bytes.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert!(parse(&damaged).is_err(), "bit {bit}");
            }
            // Any reader of frames skips its head.
            match Deframer::new(100).next(&bytes, More::Idle) {
                Step::Frame(done, frame) => assert!(frame.is_signal() && done == head),
                other => panic!("{other:?}"),
            }
        }
    }
}
