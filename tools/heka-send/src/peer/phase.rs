// SPDX-License-Identifier: MIT OR Apache-2.0
//! The state of a connection, of each of its two sides, and what is known of the peer.

use std::time::{Duration, Instant};

/// The state of this side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    /// The peer accepts data.
    Open,
    /// The peer has not accepted data since this time.
    Stuck(Instant),
    /// Writing was ended at this time.
    Closed(Instant),
}

impl Writing {
    /// Notes that the peer accepts no data now.
    pub(super) fn block(&mut self) {
        if *self == Self::Open {
            *self = Self::Stuck(Instant::now());
        }
    }

    /// Whether the peer has not accepted data within the time limit.
    pub(super) fn is_stuck_for(self, limit: Option<Duration>) -> bool {
        matches!(self, Self::Stuck(since) if is_over(since, limit))
    }

    /// Returns when writing was ended.
    pub(super) fn closing(self) -> Option<Instant> {
        match self {
            Self::Closed(since) => Some(since),
            Self::Open | Self::Stuck(_) => None,
        }
    }
}

/// The state of the peer's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hearing {
    /// It has nothing to acknowledge.
    Quiet,
    /// It has had something to acknowledge since this time.
    Awaiting(Instant),
    /// It has closed its side.
    Ended,
}

impl Hearing {
    /// Returns the next state: `has_acknowledged` says whether it has acknowledged more, `owes`
    /// whether something is left.
    pub(super) fn after(self, owes: bool, has_acknowledged: bool) -> Self {
        match self {
            Self::Ended => Self::Ended,
            _ if !owes => Self::Quiet,
            Self::Awaiting(since) if !has_acknowledged => Self::Awaiting(since),
            Self::Quiet | Self::Awaiting(_) => Self::Awaiting(Instant::now()),
        }
    }

    /// Returns since when it has had something to acknowledge.
    pub(super) fn awaiting(self) -> Option<Instant> {
        match self {
            Self::Awaiting(since) => Some(since),
            Self::Quiet | Self::Ended => None,
        }
    }

    /// Whether it has acknowledged nothing within the time limit.
    pub(super) fn is_silent_for(self, limit: Option<Duration>) -> bool {
        self.awaiting().is_some_and(|since| is_over(since, limit))
    }
}

fn is_over(since: Instant, limit: Option<Duration>) -> bool {
    limit.is_some_and(|limit| since.elapsed() >= limit)
}

/// What is known of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Nothing: no attempt has ended.
    Untried,
    /// No attempt has ever succeeded.
    Never,
    /// It listens.
    Open,
    /// It listens, but no connection is needed before there is something to send.
    Resting,
    /// It listened before.
    Lost,
}

impl Reach {
    /// Whether it has been connected.
    pub(super) fn was_reached(self) -> bool {
        !matches!(self, Self::Untried | Self::Never)
    }

    /// Whether to connect even if there is nothing to send: until the end of the input, and at
    /// least once.
    pub(super) fn asks_for_more(self, at_end: bool) -> bool {
        match self {
            Self::Untried => true,
            Self::Resting => false,
            Self::Never | Self::Open | Self::Lost => !at_end,
        }
    }
}
