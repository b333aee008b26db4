// SPDX-License-Identifier: MIT OR Apache-2.0
//! How text arrived: this and the sender are all that is known of its messages.

use std::net::SocketAddr;

use heka_core::net::Addr;
use heka_core::os::clock;
use heka_core::wire::{DEFAULT_SEVERITY, Message, Template};

/// Length of the longest IPv6 address as text.
const LONGEST_IP: usize = 45;

/// The transport of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Udp,
    Unix,
    /// A command, or the process at standard input.
    Program,
}

impl Transport {
    /// Returns the transport of an address.
    pub(crate) fn to(addr: &Addr) -> Self {
        match addr {
            Addr::Udp(_) => Self::Udp,
            Addr::Unix(_) | Addr::UnixGram(_) => Self::Unix,
            Addr::Exec(_) => Self::Program,
            _ => Self::Tcp,
        }
    }

    /// Whether the peer is certainly on this host.
    pub(crate) fn is_local(self) -> bool {
        self == Self::Unix
    }

    /// Returns the common parts of messages made of text, with `type_` if given.
    pub(crate) fn template(self, type_: Option<&str>, host: &str) -> Template {
        let type_ = type_.unwrap_or(self.input()).to_owned();
        let message = Message {
            r#type: Some(type_.clone().into()),
            logger: Some(type_.into()),
            severity: Some(DEFAULT_SEVERITY),
            hostname: Some(host.to_owned().into()),
            ..Message::default()
        };
        Template::new(&message, None)
    }

    /// Returns the maximum length of text in a message of up to `limit` bytes, whatever its
    /// transport, without the delimiter.
    pub(crate) fn text_room(type_: Option<&str>, limit: usize) -> Option<usize> {
        let longest = LONGEST_IP.max(clock::hostname().len());
        let template = Self::Unix.template(type_, &"x".repeat(longest));
        template.room(limit)?.checked_sub(1).filter(|room| *room > 0)
    }

    /// Returns the Type and Logger of messages, which are named like Heka's inputs.
    fn input(self) -> &'static str {
        match self {
            Self::Tcp => "TcpInput",
            Self::Udp => "UdpInput",
            Self::Unix => "UnixInput",
            Self::Program => "ProcessInput",
        }
    }

    /// Returns the host of a peer, without a port; for a UNIX socket this host.
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
    fn text_and_headers_fit_the_limit() {
        let room = Transport::text_room(None, 65_536).unwrap();
        for way in [Transport::Tcp, Transport::Udp, Transport::Unix] {
            let template = way.template(None, &way.host("255.255.255.255:65535"));
            assert!(room + 1 + template.overhead(room + 1) <= 65_536, "{room}");
        }
        assert_eq!(Transport::text_room(Some("x"), 80), None);
    }

    #[test]
    fn a_host_has_no_port() {
        assert_eq!(Transport::Tcp.host("127.0.0.1:34012"), "127.0.0.1");
        assert_eq!(Transport::Tcp.host("[::1]:34012"), "::1");
        assert_eq!(Transport::Udp.host("::1"), "::1");
        assert_eq!(Transport::Unix.host("unix"), clock::hostname());
    }
}
