// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a look at a connection brings.

use super::{Closed, Kind};

/// What [`super::Socket::receive`] came back with.
#[derive(Debug)]
pub enum Received {
    /// A message; its bytes are [`super::Socket::data`].
    Message(Kind),
    /// The connection is over.
    Closed(Closed),
    /// All messages of ours are on their way.
    Sent,
    /// The caller's own descriptor can be read.
    Input,
    /// The caller's deadline has passed.
    Deadline,
}

/// What a look at the connection brought.
#[derive(Debug)]
pub enum Step {
    /// A message; its bytes are [`super::Socket::data`].
    Message(Kind),
    /// Nothing for the caller, but there may be more: look again.
    Again,
    /// Nothing; wait for the descriptor ([`super::Socket::wanted`]) or the deadline.
    Blocked,
    /// The end.
    Closed(Closed),
}
