// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why there is no connection.

use crate::report::{Cause as _, Stop};

/// Why a connection could not be made.
#[derive(Debug)]
pub enum DialError {
    /// A signal asked for the end.
    Stopped(Stop),
    /// It failed; another time it may not.
    Failed {
        /// What went wrong, for people.
        cause: String,
        /// What could help.
        hint: Option<String>,
    },
}

impl DialError {
    /// A failure without a hint.
    pub fn failed(cause: impl std::fmt::Display) -> Self {
        Self::Failed { cause: cause.to_string(), hint: None }
    }

    /// The failure itself, unless it is the end of the tool.
    ///
    /// # Errors
    /// It is.
    pub fn unless_stopped(self) -> Result<Self, Stop> {
        match self {
            Self::Stopped(stop) => Err(stop),
            failed @ Self::Failed { .. } => Ok(failed),
        }
    }

    /// As the end of a tool that has no more retries: status 3. The hint is printed before.
    pub fn into_stop(self, subject: impl std::fmt::Display) -> Stop {
        match self {
            Self::Stopped(stop) => stop,
            Self::Failed { cause, hint } => {
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

impl From<std::io::Error> for DialError {
    fn from(error: std::io::Error) -> Self {
        // With TLS 1.3 only a read after the handshake shows what the server thought of it.
        #[cfg(feature = "tls")]
        if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
            let (cause, hint) = super::tls::explain(error);
            return Self::Failed { cause, hint };
        }
        Self::failed(error.cause())
    }
}
