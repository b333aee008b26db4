// SPDX-License-Identifier: MIT OR Apache-2.0
//! The reason why a connection could not be made.

use super::{Fault, FaultKind};
use crate::report::{self, Status, Stop};

/// The reason why a connection could not be made.
#[derive(Debug)]
pub enum DialError {
    /// A signal requested the end.
    Stopped(Stop),
    /// A failure; a retry may succeed.
    Failed(Fault),
}

impl DialError {
    /// Creates a failure from a description.
    pub fn failed(cause: impl std::fmt::Display) -> Self {
        Self::of(FaultKind::Other, cause)
    }

    /// Creates a failure of this kind, without a hint.
    pub fn of(kind: FaultKind, cause: impl std::fmt::Display) -> Self {
        Self::Failed(Fault::new(kind, cause))
    }

    /// Prefixes the cause with the name of what failed.
    #[must_use]
    pub fn at(self, subject: impl std::fmt::Display) -> Self {
        match self {
            Self::Failed(fault) => Self::Failed(fault.at(subject)),
            Self::Stopped(stop) => Self::Stopped(stop),
        }
    }

    /// Replaces the hint of failures of this kind, where other flags or addresses help.
    #[must_use]
    pub fn with_hint(self, of: FaultKind, hint: &str) -> Self {
        match self {
            Self::Failed(fault) if fault.kind == of => Self::Failed(fault.hint(hint)),
            other => other,
        }
    }

    /// Returns the failure, unless it is a request to stop.
    ///
    /// # Errors
    /// The request to stop.
    pub fn unless_stopped(self) -> Result<Self, Stop> {
        match self {
            Self::Stopped(stop) => Err(stop),
            failed @ Self::Failed(_) => Ok(failed),
        }
    }

    /// Converts to the end of a tool without further retries: status 3. An error with a hint is
    /// printed at once, so that the hint follows it.
    pub fn into_stop(self, subject: impl std::fmt::Display) -> Stop {
        match self {
            Self::Stopped(stop) => stop,
            Self::Failed(Fault { cause, hint: None, .. }) => {
                Stop::unreachable(format_args!("{subject}: {cause}"))
            }
            Self::Failed(Fault { cause, hint: Some(hint), .. }) => {
                report::error(format_args!("{subject}: {cause}"));
                report::hint(hint);
                Stop::Said(Status::Unreachable)
            }
        }
    }
}

impl From<Stop> for DialError {
    fn from(stop: Stop) -> Self {
        Self::Stopped(stop)
    }
}

impl From<Fault> for DialError {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

impl From<std::io::Error> for DialError {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.into())
    }
}
