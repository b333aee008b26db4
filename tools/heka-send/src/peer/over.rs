// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a connection is over.

use heka_core::net::{Fault, FaultKind, tls};

/// What helps if a peer acknowledges nothing.
const UNACKNOWLEDGING: &str = "heka-listen acknowledges only with --ack, other receivers never";

/// Who ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// We did, and the peer followed.
    Ours,
    /// The peer did. It may have died: then what it had read may be lost.
    Peer,
    /// It broke: what the peer had not read is lost.
    Broken,
    /// The peer is a program, and has ended with a failure: what it has read may be lost.
    Failed,
    /// We did, for the peer says what cannot be.
    Wrong,
    /// We did, for the peer refuses a message.
    Refused,
    /// The peer expects TLS: it has nothing of what was written.
    Tls,
}

impl End {
    /// Whether the peer has done something wrong: that is a failure also if it has everything.
    pub(crate) fn is_a_fault(self) -> bool {
        matches!(self, Self::Failed | Self::Wrong)
    }

    /// The kind of failure that it is mostly.
    fn kind(self) -> FaultKind {
        match self {
            Self::Peer => FaultKind::Closed,
            Self::Broken => FaultKind::Reset,
            Self::Failed => FaultKind::Program,
            Self::Wrong => FaultKind::Protocol,
            Self::Tls => FaultKind::TlsExpected,
            Self::Ours | Self::Refused => FaultKind::Other,
        }
    }
}

/// Why a connection is over.
#[derive(Debug)]
pub(crate) struct Over {
    pub(crate) end: End,
    pub(crate) fault: Fault,
}

impl Over {
    pub(crate) fn new(end: End, cause: impl std::fmt::Display) -> Self {
        Self { end, fault: Fault::new(end.kind(), cause) }
    }

    /// We give up a peer that does nothing.
    pub(crate) fn timeout(cause: &str) -> Self {
        Self { end: End::Broken, fault: Fault::new(FaultKind::Timeout, cause) }
    }

    /// The peer speaks TLS, and we do not.
    pub(crate) fn mistaken(name: &str) -> Self {
        let address = format!("tls://{}", name.trim_start_matches("tcp://"));
        Self { end: End::Tls, fault: tls::speaks_tls(&address) }
    }

    /// With what could help.
    pub(crate) fn hint(self, hint: &str) -> Self {
        Self { fault: self.fault.hint(hint), ..self }
    }

    /// With what helps if the peer seems to be one that never acknowledges.
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
