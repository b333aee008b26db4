// SPDX-License-Identifier: MIT OR Apache-2.0
//! Results of processing a connection.

use super::{Closed, Kind};

/// The result of [`super::Socket::receive`].
#[derive(Debug)]
pub enum Received {
    /// A message; its bytes are [`super::Socket::data`].
    Message(Kind),
    /// The connection has ended.
    Closed(Closed),
    /// All messages have been sent.
    Sent,
    /// The caller's own descriptor is readable.
    Input,
    /// The caller's deadline has passed.
    Deadline,
}

/// The result of processing received data.
#[derive(Debug)]
pub enum Step {
    /// A message; its bytes are [`super::Socket::data`].
    Message(Kind),
    /// Nothing for the caller, but there may be more: call again.
    Again,
    /// Nothing; wait for the descriptor ([`super::Socket::wanted`]) or the deadline.
    Blocked,
    /// The connection has ended.
    Closed(Closed),
}
