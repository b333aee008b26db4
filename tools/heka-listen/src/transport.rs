// SPDX-License-Identifier: MIT OR Apache-2.0
//! How text came: that, and who sent it, is all that is known of its messages.

use std::net::SocketAddr;

use heka_core::net::Addr;
use heka_core::os::clock;

/// The way that text took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Udp,
    Unix,
    /// A command, or whoever has standard input.
    Program,
}

impl Transport {
    /// To that address.
    pub(crate) fn to(addr: &Addr) -> Self {
        match addr {
            Addr::Udp(_) => Self::Udp,
            Addr::Unix(_) | Addr::UnixGram(_) => Self::Unix,
            Addr::Exec(_) => Self::Program,
            _ => Self::Tcp,
        }
    }

    /// Whether the other end is on this machine for certain.
    pub(crate) fn is_local(self) -> bool {
        self == Self::Unix
    }

    /// Type and Logger of messages, as Heka's inputs are called.
    pub(crate) fn input(self) -> &'static str {
        match self {
            Self::Tcp => "TcpInput",
            Self::Udp => "UdpInput",
            Self::Unix => "UnixInput",
            Self::Program => "ProcessInput",
        }
    }

    /// The host of a peer, without a port; behind a unix socket it is this one.
    pub(crate) fn host(self, peer: &str) -> String {
        match (self, peer.parse::<SocketAddr>()) {
            (Self::Unix | Self::Program, _) => clock::hostname(),
            (_, Ok(addr)) => addr.ip().to_string(),
            (_, Err(_)) => peer.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_no_port() {
        assert_eq!(Transport::Tcp.host("127.0.0.1:34012"), "127.0.0.1");
        assert_eq!(Transport::Tcp.host("[::1]:34012"), "::1");
        assert_eq!(Transport::Udp.host("::1"), "::1");
        assert_eq!(Transport::Unix.host("unix"), clock::hostname());
    }
}
