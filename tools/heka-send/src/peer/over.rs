// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a connection is over.

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
}

/// Why a connection is over.
#[derive(Debug)]
pub(crate) struct Over {
    pub(crate) end: End,
    /// In words.
    pub(crate) cause: String,
    /// What could help.
    pub(crate) hint: Option<String>,
}

impl Over {
    pub(crate) fn new(end: End, cause: &str) -> Self {
        Self { end, cause: cause.to_owned(), hint: None }
    }

    /// The peer speaks TLS, and we do not.
    pub(crate) fn mistaken(name: &str) -> Self {
        let hint = Some(format!("write it tls://{}", name.trim_start_matches("tcp://")));
        Self { hint, ..Self::new(End::Tls, "speaks TLS") }
    }

    /// With what helps if the peer seems to be one that never acknowledges.
    pub(crate) fn suspecting(self, lacks_ack: bool) -> Self {
        Self { hint: lacks_ack.then(|| UNACKNOWLEDGING.to_owned()), ..self }
    }
}

impl From<std::io::Error> for Over {
    fn from(error: std::io::Error) -> Self {
        let (cause, hint) = heka_core::net::tls::explain_io(&error);
        Self { end: End::Broken, cause, hint }
    }
}
