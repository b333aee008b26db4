// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a connection is over.

/// What helps if a peer confirms nothing.
pub(crate) const UNCONFIRMING: &str = "heka-listen confirms only with --ack";

/// Who ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// We did, and the peer followed.
    Ours,
    /// The peer did. It may have died: then what it had read may be lost.
    Peer,
    /// It broke: what the peer had not read is lost.
    Broken,
    /// We did, for the peer says what cannot be.
    Wrong,
    /// We did, for the peer refuses a message.
    Refused,
    /// The peer expects TLS: it has nothing of what was written.
    Tls,
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
}

impl From<std::io::Error> for Over {
    fn from(error: std::io::Error) -> Self {
        let (cause, hint) = heka_core::net::tls::explain_io(&error);
        Self { end: End::Broken, cause, hint }
    }
}
