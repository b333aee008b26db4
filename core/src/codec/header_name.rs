// SPDX-License-Identifier: MIT OR Apache-2.0
//! The headers of a message by the names used in templates and for building messages from text. (In
//! matcher expressions, `Severity` and `Pid` are numbers and the others text; the matcher has its
//! own types.)

/// A header of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderName {
    /// `Uuid`
    Uuid,
    /// `Timestamp`
    Timestamp,
    /// `Type`
    Type,
    /// `Logger`
    Logger,
    /// `Severity`
    Severity,
    /// `Payload`
    Payload,
    /// `EnvVersion`
    EnvVersion,
    /// `Pid`
    Pid,
    /// `Hostname`
    Hostname,
}

impl HeaderName {
    /// Looks up a header by name; the case matters.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "Uuid" => Self::Uuid,
            "Timestamp" => Self::Timestamp,
            "Type" => Self::Type,
            "Logger" => Self::Logger,
            "Severity" => Self::Severity,
            "Payload" => Self::Payload,
            "EnvVersion" => Self::EnvVersion,
            "Pid" => Self::Pid,
            "Hostname" => Self::Hostname,
            _ => return None,
        })
    }
}
