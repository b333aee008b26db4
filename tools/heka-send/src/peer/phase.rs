// SPDX-License-Identifier: MIT OR Apache-2.0
//! The state of a connection, of each of its two sides, and what is known of the peer.

use std::time::{Duration, Instant};

/// Our side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    /// The peer takes what we write.
    Open,
    /// It has taken nothing since then.
    Stuck(Instant),
    /// We said then that nothing more will come.
    Closed(Instant),
}

impl Writing {
    /// The peer accepts nothing now.
    pub(super) fn block(&mut self) {
        if *self == Self::Open {
            *self = Self::Stuck(Instant::now());
        }
    }

    /// Whether it has taken nothing for as long as is allowed.
    pub(super) fn is_stuck_for(self, limit: Option<Duration>) -> bool {
        matches!(self, Self::Stuck(since) if is_over(since, limit))
    }

    /// Since when nothing more will be written.
    pub(super) fn closing(self) -> Option<Instant> {
        match self {
            Self::Closed(since) => Some(since),
            Self::Open | Self::Stuck(_) => None,
        }
    }
}

/// The peer's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hearing {
    /// It has nothing to acknowledge.
    Quiet,
    /// It should acknowledge something, and has not since then.
    Awaiting(Instant),
    /// It has closed its side.
    Ended,
}

impl Hearing {
    /// What is awaited now that it `has_acknowledged` something more or not, if it `owes`
    /// something.
    pub(super) fn after(self, owes: bool, has_acknowledged: bool) -> Self {
        match self {
            Self::Ended => Self::Ended,
            _ if !owes => Self::Quiet,
            Self::Awaiting(since) if !has_acknowledged => Self::Awaiting(since),
            Self::Quiet | Self::Awaiting(_) => Self::Awaiting(Instant::now()),
        }
    }

    /// Since when it should have acknowledged something.
    pub(super) fn awaiting(self) -> Option<Instant> {
        match self {
            Self::Awaiting(since) => Some(since),
            Self::Quiet | Self::Ended => None,
        }
    }

    /// Whether it has acknowledged nothing for as long as is allowed.
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
    /// Nobody was ever there.
    Never,
    /// Somebody listens.
    Open,
    /// The same, but nobody need be connected before there is something to send.
    Resting,
    /// Somebody did.
    Lost,
}

impl Reach {
    /// Whether it has been connected.
    pub(super) fn was_reached(self) -> bool {
        !matches!(self, Self::Untried | Self::Never)
    }

    /// Whether it is to be connected though there is nothing to send: until the end of the input,
    /// and once in any case.
    pub(super) fn asks_for_more(self, at_end: bool) -> bool {
        match self {
            Self::Untried => true,
            Self::Resting => false,
            Self::Never | Self::Open | Self::Lost => !at_end,
        }
    }
}
