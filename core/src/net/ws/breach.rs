// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a peer did that the protocol does not allow, or that is more than we take.

/// Why we end the connection: a close code (RFC 6455 §7.4.1) and words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Breach {
    pub(super) code: u16,
    pub(super) cause: String,
}

impl Breach {
    /// The protocol was not kept.
    pub(super) fn protocol(cause: impl Into<String>) -> Self {
        Self { code: 1002, cause: cause.into() }
    }

    /// The contents are not what they are said to be.
    pub(super) fn data(cause: impl Into<String>) -> Self {
        Self { code: 1007, cause: cause.into() }
    }

    /// A message that is larger than the limit.
    pub(super) fn too_large(cause: impl Into<String>) -> Self {
        Self { code: 1009, cause: cause.into() }
    }
}
