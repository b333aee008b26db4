// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reasons for the end of a connection.

use heka_core::net::{Fault, FaultKind, tls};

/// Hint for a peer that acknowledges nothing.
const UNACKNOWLEDGING: &str = "heka-listen acknowledges only with --ack, other receivers never";

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Closed by this side, and then by the peer.
    Ours,
    /// Closed by the peer. It may have died, so data that it had read may be lost.
    Peer,
    /// By this side, because the peer did not answer the first request.
    Silent,
    /// Broken: data that the peer had not read is lost.
    Broken,
    /// The peer is a program that failed: data that it has read may be lost.
    Failed,
    /// Closed by this side because of an impossible answer.
    Wrong,
    /// Closed by this side because the peer refuses a message.
    Refused,
    /// The peer expects TLS: it has none of the data.
    Tls,
}

impl End {
    /// Whether the peer misbehaved, which is a failure even if it has everything.
    pub(crate) fn is_a_fault(self) -> bool {
        matches!(self, Self::Failed | Self::Wrong)
    }

    /// Returns the usual kind of failure.
    fn kind(self) -> FaultKind {
        match self {
            Self::Peer => FaultKind::Closed,
            Self::Broken => FaultKind::Reset,
            Self::Failed => FaultKind::Program,
            Self::Wrong => FaultKind::Protocol,
            Self::Silent => FaultKind::Timeout,
            Self::Tls => FaultKind::TlsExpected,
            Self::Ours | Self::Refused => FaultKind::Other,
        }
    }
}

/// The reason for the end of a connection.
#[derive(Debug)]
pub(crate) struct Over {
    pub(crate) end: End,
    pub(crate) fault: Fault,
}

impl Over {
    pub(crate) fn new(end: End, cause: impl std::fmt::Display) -> Self {
        Self { end, fault: Fault::new(end.kind(), cause) }
    }

    /// Creates a timeout: the peer neither accepts nor acknowledges data.
    pub(crate) fn timeout(cause: &str) -> Self {
        Self { end: End::Broken, fault: Fault::new(FaultKind::Timeout, cause) }
    }

    /// Creates the failure for a peer that uses TLS where this side does not.
    pub(crate) fn mistaken(name: &str) -> Self {
        let address = format!("tls://{}", name.trim_start_matches("tcp://"));
        Self { end: End::Tls, fault: tls::speaks_tls(&address) }
    }

    /// Adds a hint.
    pub(crate) fn hint(self, hint: &str) -> Self {
        Self { fault: self.fault.hint(hint), ..self }
    }

    /// Adds a hint if the peer seems to be one that never acknowledges.
    pub(crate) fn suspecting(self, lacks_ack: bool) -> Self {
        if lacks_ack { self.hint(UNACKNOWLEDGING) } else { self }
    }

    /// Counts it, if the connection itself failed.
    pub(crate) fn count(&self) {
        if !matches!(self.end, End::Ours | End::Refused) {
            self.fault.kind.count();
        }
    }
}

impl From<std::io::Error> for Over {
    fn from(error: std::io::Error) -> Self {
        Self { end: End::Broken, fault: tls::explain_io(&error) }
    }
}
