// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a connection is allowed.

use std::time::Duration;

/// Limits of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Largest message taken, in bytes; a larger one ends the connection with 1009.
    pub max_message: usize,
    /// Time between our pings.
    pub ping_interval: Option<Duration>,
    /// How long nothing at all may come after a ping.
    pub ping_timeout: Option<Duration>,
    /// How long no message may come.
    pub idle_timeout: Option<Duration>,
    /// Reading stops while more than this is waiting to be written to the backlog's reader.
    pub max_backlog: usize,
    /// Take text for binary messages: for servers whose text is not UTF-8.
    pub text_as_binary: bool,
    /// Offer compression (RFC 7692).
    pub compression: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_message: 64 << 20,
            ping_interval: Some(Duration::from_secs(10)),
            ping_timeout: Some(Duration::from_secs(15)),
            idle_timeout: None,
            max_backlog: 64 << 20,
            text_as_binary: false,
            compression: true,
        }
    }
}
