// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages of a WebSocket connection, joined from frames.

use bytes::Bytes;

/// A complete message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Text or binary.
    pub kind: Kind,
    /// The contents; UTF-8 if text.
    pub data: Bytes,
}

/// The declared type of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// UTF-8.
    Text = 1,
    /// Any bytes.
    Binary = 2,
}
