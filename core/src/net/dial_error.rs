// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why there is no connection.

use super::{Fault, FaultKind};
use crate::report::Stop;

/// Why a connection could not be made.
#[derive(Debug)]
pub enum DialError {
    /// A signal asked for the end.
    Stopped(Stop),
    /// It failed; another time it may not.
    Failed(Fault),
}

impl DialError {
    /// A failure that has words only.
    pub fn failed(cause: impl std::fmt::Display) -> Self {
        Self::of(FaultKind::Other, cause)
    }

    /// A failure of that kind, without a hint.
    pub fn of(kind: FaultKind, cause: impl std::fmt::Display) -> Self {
        Self::Failed(Fault::new(kind, cause))
    }

    /// The same with the name of what failed before the cause.
    #[must_use]
    pub fn at(self, subject: impl std::fmt::Display) -> Self {
        match self {
            Self::Failed(fault) => Self::Failed(fault.at(subject)),
            Self::Stopped(stop) => Self::Stopped(stop),
        }
    }

    /// The failure itself, unless it is the end of the tool.
    ///
    /// # Errors
    /// It is.
    pub fn unless_stopped(self) -> Result<Self, Stop> {
        match self {
            Self::Stopped(stop) => Err(stop),
            failed @ Self::Failed(_) => Ok(failed),
        }
    }

    /// As the end of a tool that has no more retries: status 3. The hint is printed before.
    pub fn into_stop(self, subject: impl std::fmt::Display) -> Stop {
        match self {
            Self::Stopped(stop) => stop,
            Self::Failed(Fault { cause, hint, .. }) => {
                if let Some(hint) = hint {
                    crate::report::hint(hint);
                }
                Stop::unreachable(format_args!("{subject}: {cause}"))
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
