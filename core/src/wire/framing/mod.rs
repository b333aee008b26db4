// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames in a stream of bytes: building them, finding them, getting over damage.
//!
//! ```text
//! 0x1e  header length (1 byte)  header  0x1f  message (header.message_length bytes)
//! ```
//!
//! Nothing is escaped, so 0x1e may stand anywhere inside a frame too. A 0x1e is taken for the
//! start of a frame if a header follows that names a length, 0x1f follows it and the bytes
//! of that length are a message. If any of that fails, what follows is looked at from the next
//! byte on, so damage never costs an intact neighbour: a length that lies is found out when the
//! bytes behind it turn out not to be a message (at the latest at the end of the input).
//!
//! One kind of damage still looks like a message: bytes missing from the middle, so that a value
//! swallows the start of the next frame. It shows in what comes after: not 0x1e, and inside the
//! message a frame that runs on beyond its end. Such a frame is damage, and the inner one is read.
//! For that a frame that *could* be of this kind (rare: it has a 0x1e, a plausible header behind
//! it, and so on) is held until one more byte arrives, or the input falls idle, or ends; and, if
//! that byte is not 0x1e, until the inner one is complete or none, or the input ends.
//! heka-stream(5) says exactly what a reader can rely on; `tests/prop_framing.rs` holds it to that.

//!
//! Whatever the bytes are, the work grows in proportion to them: see [`Deframer::work`].

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
/// Bytes of a frame beside header and message.
pub const FRAMING_SIZE: usize = 3;

/// One intact frame, borrowed from the buffer it was found in.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// All of it, from 0x1e to the last byte of the message.
    pub bytes: &'a [u8],
    /// Its header.
    pub header: Header<'a>,
    /// The message's bytes.
    pub message: &'a [u8],
    /// The same, read.
    pub view: MessageView<'a>,
    /// Position of the 0x1e in the input.
    pub offset: u64,
}

impl<'a> Frame<'a> {
    /// Whether it is not a message, but tells the neighbouring stage how far the stream is sent
    /// or safe, or how far its source was read.
    pub fn is_signal(&self) -> bool {
        self.header.is_mark || self.message.is_empty() && self.header.is_extended()
    }

    /// The position that it carries if it is a mark: a frame without a message, or one whose
    /// message only holds a position that no header has room for.
    pub fn mark(&self) -> Option<&'a [u8]> {
        match self.header {
            Header { is_mark: true, .. } => self.view.payload,
            Header { checkpoint, .. } if self.message.is_empty() => checkpoint,
            _ => None,
        }
    }

    /// The header's bytes, without the separators around it.
    pub fn header_bytes(&self) -> &'a [u8] {
        let end = self.bytes.len().saturating_sub(self.message.len() + 1);
        self.bytes.get(2..end).unwrap_or_default()
    }
}

/// Whether more bytes follow those of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// More may come.
    Coming,
    /// Nothing right now: what can be delivered should be.
    Idle,
    /// Nothing ever.
    Ended,
}

/// A stretch of input that held no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where it begins.
    pub offset: u64,
    /// How many bytes it has.
    pub len: u64,
    /// What was wrong at its beginning.
    pub reason: Reason,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let s = if self.len == 1 { "" } else { "s" };
        write!(f, "offset {}: {}, {} byte{s} skipped", self.offset, self.reason, self.len)
    }
}

/// What was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// No 0x1e where one must be.
    #[error("not a frame")]
    NotAFrame,
    /// A 0x1e, but no header that names a length, or no 0x1f behind it.
    #[error("bad header")]
    BadHeader,
    /// The length is over the limit.
    #[error("message length over the limit")]
    TooLong,
    /// The bytes of the length given are no message.
    #[error("bad message")]
    BadMessage,
    /// The input ended within the frame.
    #[error("cut off")]
    CutOff,
}

/// What [`Deframer::next`] found. The first number of each is how many bytes at the front of
/// the buffer are done with; the caller drops them before it calls again.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large variant is the usual one; it stays on the stack"
)]
pub enum Step<'a> {
    /// An intact frame.
    Frame(usize, Frame<'a>),
    /// A stretch that was skipped, reported when it has ended (or the input falls idle).
    Damage(usize, Damage),
    /// No frame: the rest needs at least as many bytes as the second number says, or none but
    /// another call if the work that was allowed is done ([`Deframer::allow`]).
    Need(usize, usize),
}

#[cfg(test)]
mod tests;
