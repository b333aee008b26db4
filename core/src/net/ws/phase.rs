// SPDX-License-Identifier: MIT OR Apache-2.0
//! How far a connection is, and how it ends.

use std::time::{Duration, Instant};

use super::Closed;
use crate::net::FaultKind;
use crate::os::Deadline;

/// How long the other side may take to answer a close frame, or to hang up after it.
pub(super) const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// How far the connection is.
#[derive(Debug)]
pub(super) enum Phase {
    /// Messages go in both directions.
    Open,
    /// Our close frame is sent: messages may come until the peer's.
    Closing(Ending),
    /// Nothing more is wanted of the peer but that it hangs up: then our close frame is not lost in
    /// a reset.
    Draining(Ending),
}

/// How the end is reported, and when it comes at the latest.
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
    /// When the end comes at the latest, if it has begun.
    pub(super) fn ends_at(&self) -> Deadline {
        match self {
            Self::Open => None,
            Self::Closing(ending) | Self::Draining(ending) => Some(ending.until),
        }
    }

    /// What to report, now that the stream is at its end or no longer waited for.
    pub(super) fn into_end(self, kind: FaultKind, cause: &str) -> Closed {
        match self {
            Self::Open => Closed::lost(kind, cause),
            Self::Closing(ending) | Self::Draining(ending) => ending.closed,
        }
    }
}
