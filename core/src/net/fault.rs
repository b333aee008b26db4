// SPDX-License-Identifier: MIT OR Apache-2.0
//! Failures of connections: the kind, for programs and counters, and a description.

use std::io::{self, ErrorKind};

use crate::report::Cause as _;
use crate::report::stats::{Counter, Values};

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The connection was refused.
    Refused,
    /// The connection was reset.
    Reset,
    /// The peer closed the connection.
    Closed,
    /// The peer did not answer or accept data in time.
    Timeout,
    /// No route to the host.
    Unreachable,
    /// The host name has no address.
    Resolve,
    /// The TLS handshake failed, or a certificate is not trusted.
    Tls,
    /// The peer does not speak TLS.
    NotTls,
    /// The peer uses TLS, but this side does not.
    TlsExpected,
    /// The peer rejected the certificate, name, password or token.
    Authentication,
    /// A proxy or server rejected the request that precedes the connection.
    Handshake,
    /// The peer violated the protocol.
    Protocol,
    /// The program that is the peer failed.
    Program,
    /// Anything else.
    Other,
}

const KINDS: [(FaultKind, &str); 14] = [
    (FaultKind::Refused, "refused"),
    (FaultKind::Reset, "reset"),
    (FaultKind::Closed, "closed"),
    (FaultKind::Timeout, "timeout"),
    (FaultKind::Unreachable, "unreachable"),
    (FaultKind::Resolve, "resolve"),
    (FaultKind::Tls, "tls"),
    (FaultKind::NotTls, "not_tls"),
    (FaultKind::TlsExpected, "tls_expected"),
    (FaultKind::Authentication, "authentication"),
    (FaultKind::Handshake, "handshake"),
    (FaultKind::Protocol, "protocol"),
    (FaultKind::Program, "program"),
    (FaultKind::Other, "other"),
];

static COUNTS: [Counter; KINDS.len()] = [const { Counter::new() }; KINDS.len()];

impl FaultKind {
    /// Returns the kind of an I/O error.
    pub fn of(error: &io::Error) -> Self {
        match error.kind() {
            // A UNIX socket that does not exist.
            ErrorKind::ConnectionRefused | ErrorKind::NotFound => Self::Refused,
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
                Self::Reset
            }
            ErrorKind::UnexpectedEof => Self::Closed,
            ErrorKind::TimedOut => Self::Timeout,
            ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::AddrNotAvailable => Self::Unreachable,
            _ => Self::Other,
        }
    }

    /// Counts a failure of this kind.
    pub fn count(self) {
        if let Some(counter) = COUNTS.get(self as usize) {
            counter.add_shared(1);
        }
    }
}

/// Adds the number of failures of each kind, for a metric with the label `cause`.
pub fn put_faults(all: &mut Values) {
    for ((_, name), counter) in KINDS.iter().zip(&COUNTS) {
        all.put_counter(*name, counter);
    }
}

/// The reason why a connection could not be made, or was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The kind of failure.
    pub kind: FaultKind,
    /// The cause, for people.
    pub cause: String,
    /// A hint on what could help.
    pub hint: Option<String>,
}

impl Fault {
    /// Creates a failure without a hint.
    pub fn new(kind: FaultKind, cause: impl std::fmt::Display) -> Self {
        Self { kind, cause: cause.to_string(), hint: None }
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Prefixes the cause with the name of what failed.
    #[must_use]
    pub fn at(self, subject: impl std::fmt::Display) -> Self {
        Self { cause: format!("{subject}: {}", self.cause), ..self }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        // With TLS 1.3, only a read after the handshake shows whether the server accepted it.
        #[cfg(feature = "tls")]
        if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
            return super::tls::explain(error);
        }
        Self::new(FaultKind::of(&error), error.cause())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_the_place_of_its_number() {
        for (index, (kind, _)) in KINDS.iter().enumerate() {
            assert_eq!(*kind as usize, index);
        }
    }

    #[test]
    fn every_kind_is_in_the_page() {
        let page = include_str!("../../../man/heka-tools.7");
        let (_, list) = page.split_once(".Bl -tag -width \"authentication\" -compact\n").unwrap();
        let (list, _) = list.split_once("\n.El\n").unwrap();
        let listed: Vec<_> = list.lines().filter_map(|line| line.strip_prefix(".It Cm ")).collect();
        assert_eq!(listed, KINDS.map(|(_, name)| name));
    }

    #[test]
    fn errors_of_the_system_have_a_kind() {
        use nix::errno::Errno;
        for (errno, kind) in [
            (Errno::ECONNREFUSED, FaultKind::Refused),
            (Errno::ENOENT, FaultKind::Refused),
            (Errno::EPIPE, FaultKind::Reset),
            (Errno::ETIMEDOUT, FaultKind::Timeout),
            (Errno::EHOSTUNREACH, FaultKind::Unreachable),
            (Errno::ENETUNREACH, FaultKind::Unreachable),
            (Errno::EACCES, FaultKind::Other),
        ] {
            assert_eq!(Fault::from(io::Error::from(errno)).kind, kind, "{errno}");
        }
    }
}
