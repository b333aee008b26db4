// SPDX-License-Identifier: MIT OR Apache-2.0
//! What goes over a WebSocket connection, put together from its frames.

use bytes::Bytes;

/// A message, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Text or binary.
    pub kind: Kind,
    /// Its bytes; UTF-8 if it is text.
    pub data: Bytes,
}

/// What a message says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// UTF-8.
    Text = 1,
    /// Any bytes.
    Binary = 2,
}
