// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames in a byte stream: building frames, finding frames, recovering from damage.
//!
//! ```text
//! 0x1e  header length (1 byte)  header  0x1f  message (header.message_length bytes)
//! ```
//!
//! Nothing is escaped, so 0x1e may also occur inside a frame. A 0x1e starts a frame if it is
//! followed by a header with a length, then 0x1f, then a message of that length. If any of these
//! fails, the search continues at the next byte, so damage never costs an intact neighbour. A wrong
//! length is detected when the bytes that it covers turn out not to be a message, at the latest at
//! the end of the input.
//!
//! One kind of damage still looks like a message: bytes missing from the middle, so that a value
//! swallows the start of the next frame. It is recognised by what follows: a byte other than 0x1e,
//! and a frame inside the message that extends beyond its end. Such an outer frame is damage, and
//! the inner one is read. A frame that *could* be of this kind (this is rare: it contains a 0x1e
//! with a plausible header) is therefore held until one more byte arrives, the input becomes idle,
//! or the input ends; and if that byte is not 0x1e, until the inner frame is complete or ruled out,
//! or the input ends. heka-stream(5) says exactly what a reader can rely on;
//! `core/tests/properties` verifies it.
//!
//! The work is proportional to the size of the input, whatever its content: see [`Deframer::work`].

mod candidates;
mod deframer;
mod effort;
mod head;
mod judge;
mod long;
mod members;
mod put;
mod reach;
mod survey;
mod whole;

pub use self::deframer::Deframer;
pub use self::put::{FrameTooLarge, put_frame, put_header, put_header_of, put_mark};

use super::header::Header;
use super::view::MessageView;

/// First byte of a frame.
pub const RECORD_SEPARATOR: u8 = 0x1e;
/// Byte between header and message.
pub const UNIT_SEPARATOR: u8 = 0x1f;
/// Bytes of a frame beyond header and message.
pub const FRAMING_SIZE: usize = 3;

/// One intact frame, borrowed from its buffer.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The whole frame, from 0x1e to the last byte of the message.
    pub bytes: &'a [u8],
    /// Its header.
    pub header: Header<'a>,
    /// The bytes of the message.
    pub message: &'a [u8],
    /// The parsed message.
    pub view: MessageView<'a>,
    /// Offset of the 0x1e in the input.
    pub offset: u64,
}

impl<'a> Frame<'a> {
    /// Whether the frame carries no message, but only tells the neighbouring stage how far the
    /// stream was sent, is safe, or how far its source was read.
    pub fn is_signal(&self) -> bool {
        self.header.is_mark || self.message.is_empty() && self.header.is_extended()
    }

    /// Returns the position if the frame is a mark: a frame without a message, or with one that
    /// only holds a position too long for a header.
    pub fn mark(&self) -> Option<&'a [u8]> {
        match self.header {
            Header { is_mark: true, .. } => self.view.payload,
            Header { checkpoint, .. } if self.message.is_empty() => checkpoint,
            _ => None,
        }
    }

    /// Returns the bytes of the header, without the separators around it.
    pub fn header_bytes(&self) -> &'a [u8] {
        let end = self.bytes.len().saturating_sub(self.message.len() + 1);
        self.bytes.get(2..end).unwrap_or_default()
    }
}

/// Whether more bytes follow the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// More may come.
    Coming,
    /// Nothing at the moment: whatever can be delivered should be.
    Idle,
    /// The input has ended.
    Ended,
}

/// A stretch of input without a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Offset of its first byte in the input.
    pub offset: u64,
    /// Length in bytes.
    pub len: u64,
    /// Reason, from the beginning of the stretch.
    pub reason: Reason,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let s = if self.len == 1 { "" } else { "s" };
        write!(f, "offset {}: {}, {} byte{s} skipped", self.offset, self.reason, self.len)
    }
}

/// The reason for damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// A byte other than 0x1e where a frame must start.
    #[error("not a frame")]
    NotAFrame,
    /// A 0x1e without a header that has a length, or without a 0x1f after the header.
    #[error("bad header")]
    BadHeader,
    /// The length is over the limit.
    #[error("message longer than the limit")]
    TooLong,
    /// The bytes of the given length are not a message.
    #[error("bad message")]
    BadMessage,
    /// The input ended within the frame.
    #[error("cut off")]
    CutOff,
}

/// The result of [`Deframer::next`]. The first number of each variant is the number of consumed
/// bytes at the front of the buffer, which the caller must drop before the next call.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large variant is the usual one; it stays on the stack"
)]
pub enum Step<'a> {
    /// An intact frame.
    Frame(usize, Frame<'a>),
    /// A stretch that was skipped, reported when it ends or the input becomes idle.
    Damage(usize, Damage),
    /// No frame. The second number is the least number of bytes needed to continue, or 0 if only
    /// another call is needed because the work allowance was used up ([`Deframer::allow`]).
    Need(usize, usize),
}

#[cfg(test)]
mod tests;
