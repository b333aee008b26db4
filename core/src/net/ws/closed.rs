// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of a WebSocket connection.

use crate::net::FaultKind;

/// The end of a connection: a close code (RFC 6455 §7.4) and a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The code of the close frame; 1005 if it had none, 1006 if there was no close frame.
    pub code: u16,
    /// The peer's reason, or a local description of the failure.
    pub reason: String,
    /// Whether the peer sent the close frame.
    pub by_peer: bool,
    /// The kind of failure, if it is one.
    pub kind: FaultKind,
}

impl Closed {
    /// Closed by the peer's close frame.
    pub fn by_peer(code: u16, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), by_peer: true, kind: FaultKind::Closed }
    }

    /// Broken without a close frame.
    pub fn lost(kind: FaultKind, reason: impl Into<String>) -> Self {
        Self { code: 1006, reason: reason.into(), by_peer: false, kind }
    }

    /// Closed by this side.
    pub fn by_us(code: u16, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), by_peer: false, kind: FaultKind::Protocol }
    }

    /// Whether the connection ended normally: 1000, 1001, or no code.
    pub fn is_orderly(&self) -> bool {
        matches!(self.code, 1000 | 1001 | 1005)
    }
}

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.code == 1006 && !self.by_peer {
            return write!(f, "{}", self.reason);
        }
        let who = if self.by_peer { "the server closed" } else { "closed" };
        write!(f, "{who} with {}", self.code)?;
        if let Some(name) = name(self.code) {
            write!(f, " ({name})")?;
        }
        if !self.reason.is_empty() {
            write!(f, ": {}", self.reason)?;
        }
        Ok(())
    }
}

/// Whether a close frame may contain the code (RFC 6455 §7.4 and its registry).
pub(super) fn is_sendable(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Returns the meaning of a registered code.
fn name(code: u16) -> Option<&'static str> {
    Some(match code {
        1000 => "normal",
        1001 => "going away",
        1002 => "protocol error",
        1003 => "unsupported data",
        1004 => "reserved",
        1005 => "no code",
        1006 => "abnormal",
        1007 => "invalid data",
        1008 => "policy",
        1009 => "too large",
        1010 => "extension missing",
        1011 => "internal error",
        1012 => "restarting",
        1013 => "try again later",
        1014 => "bad gateway",
        1015 => "TLS failure",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closes_are_told_with_code_name_and_reason() {
        assert_eq!(
            Closed::by_peer(1008, "token expired").to_string(),
            "the server closed with 1008 (policy): token expired"
        );
        assert_eq!(Closed::by_peer(4001, "").to_string(), "the server closed with 4001");
        assert_eq!(
            Closed::by_peer(1006, "gone").to_string(),
            "the server closed with 1006 (abnormal): gone"
        );
        assert_eq!(
            Closed::lost(FaultKind::Reset, "Connection reset").to_string(),
            "Connection reset"
        );
        assert!(
            Closed::by_peer(1000, "").is_orderly()
                && !Closed::lost(FaultKind::Other, "x").is_orderly()
        );
    }
}
