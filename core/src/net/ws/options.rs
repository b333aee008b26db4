// SPDX-License-Identifier: MIT OR Apache-2.0
//! Options of a connection.

use std::time::Duration;

/// Options and limits of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Maximum size of a message in bytes; a larger one ends the connection with 1009.
    pub max_message: usize,
    /// Interval between pings.
    pub ping_interval: Option<Duration>,
    /// Maximum time without any data after a ping.
    pub ping_timeout: Option<Duration>,
    /// Maximum time without a message.
    pub idle_timeout: Option<Duration>,
    /// Reading stops while more than this number of bytes of output is pending.
    pub max_backlog: usize,
    /// Whether to treat text as binary messages, for servers whose text is not UTF-8.
    pub text_as_binary: bool,
    /// Whether to offer compression (RFC 7692).
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
