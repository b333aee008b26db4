// SPDX-License-Identifier: MIT OR Apache-2.0
//! Decides whether input waits briefly for peers that have everything else. Records that a peer
//! does not receive as they are queued have to be read back from the queue, as do all others until
//! it has caught up. A peer that is slow for longer is left to the queue.

use std::time::{Duration, Instant};

use crate::peer::Target;

/// Time for peers to make room.
const LIMIT: Duration = Duration::from_millis(50);

/// The state of waiting for peers.
#[derive(Debug, Default)]
pub(crate) enum Patience {
    /// The peers keep up.
    #[default]
    Whole,
    /// The peers have had no room since this time.
    Since(Instant),
    /// The peers had their time, and are slow.
    Over,
}

impl Patience {
    /// Whether the next input must wait.
    pub(crate) fn waits_for(&mut self, peers: &[Target]) -> bool {
        if peers.iter().all(|peer| peer.window.has_much_room()) {
            *self = Self::Whole;
        }
        if peers.iter().all(|peer| peer.window.has_room() || !peer.is_connected()) {
            return false;
        }
        match self {
            Self::Whole => *self = Self::Since(Instant::now()),
            Self::Since(since) if since.elapsed() >= LIMIT => *self = Self::Over,
            Self::Since(_) | Self::Over => {}
        }
        matches!(self, Self::Since(_))
    }

    /// Returns when the wait ends.
    pub(crate) fn due(&self) -> Option<Instant> {
        match self {
            Self::Since(since) => Some(*since + LIMIT).filter(|due| *due > Instant::now()),
            Self::Whole | Self::Over => None,
        }
    }
}
