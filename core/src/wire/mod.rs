// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes to messages and back: pure functions, no I/O, no clock.
//!
//! The format is Mozilla Heka's; heka-stream(5) describes every byte of it. [`framing`] finds
//! frames in a stream, [`view`] reads messages in place, [`encode`] writes messages, [`message`]
//! holds messages as values, [`signing`] signs and verifies.

pub mod draft;
pub mod encode;
pub mod framing;
pub mod header;
pub mod message;
pub mod signing;
pub mod varint;
pub mod view;

pub use draft::{Draft, Full, TextHeader};
pub use encode::{Template, put_message};
pub use framing::{
    Damage, Deframer, Frame, FrameTooLarge, More, Reason, Step, put_frame, put_mark,
};
pub use header::{
    DEFAULT_READ_LIMIT, Header, HmacHash, MAX_CHECKPOINT_SIZE, MAX_HEADER_SIZE, MAX_MESSAGE_SIZE,
};
pub use message::{DEFAULT_SEVERITY, Field, Message, ValueType};
pub use signing::{Keys, Signer, Verdict};
pub use view::{FieldView, MessageView, Value};
