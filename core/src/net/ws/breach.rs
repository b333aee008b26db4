// SPDX-License-Identifier: MIT OR Apache-2.0
//! A violation of the protocol or of a limit by the peer.

/// The reason for closing the connection: a close code (RFC 6455 §7.4.1) and a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Breach {
    pub(super) code: u16,
    pub(super) cause: String,
}

impl Breach {
    /// A protocol violation.
    pub(super) fn protocol(cause: impl Into<String>) -> Self {
        Self { code: 1002, cause: cause.into() }
    }

    /// Contents that do not match their declared type.
    pub(super) fn data(cause: impl Into<String>) -> Self {
        Self { code: 1007, cause: cause.into() }
    }

    /// A message over the limit.
    pub(super) fn too_large(cause: impl Into<String>) -> Self {
        Self { code: 1009, cause: cause.into() }
    }
}
