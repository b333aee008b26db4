// SPDX-License-Identifier: MIT OR Apache-2.0
//! Phases of a connection, up to its end.

use std::time::{Duration, Instant};

use super::Closed;
use crate::net::FaultKind;
use crate::os::Deadline;

/// Time for the peer to answer a close frame, or to hang up after it.
pub(super) const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// The phase of a connection.
#[derive(Debug)]
pub(super) enum Phase {
    /// Messages flow in both directions.
    Open,
    /// The close frame is sent; messages may arrive until the peer's close frame.
    Closing(Ending),
    /// Waiting only for the peer to hang up, so that our close frame is not lost in a reset.
    Draining(Ending),
}

/// The report of the end, and its deadline.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) closed: Closed,
    pub(super) until: Instant,
}

impl Ending {
    pub(super) fn soon(closed: Closed) -> Self {
        Self { closed, until: Instant::now() + CLOSE_WAIT }
    }
}

impl Phase {
    /// Returns the deadline of the end, if it has begun.
    pub(super) fn ends_at(&self) -> Deadline {
        match self {
            Self::Open => None,
            Self::Closing(ending) | Self::Draining(ending) => Some(ending.until),
        }
    }

    /// Returns the report, once the stream has ended or the deadline has passed.
    pub(super) fn into_end(self, kind: FaultKind, cause: &str) -> Closed {
        match self {
            Self::Open => Closed::lost(kind, cause),
            Self::Closing(ending) | Self::Draining(ending) => ending.closed,
        }
    }
}
