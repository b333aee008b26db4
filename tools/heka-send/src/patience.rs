// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether input waits a moment for peers that have everything else: what they do not get
//! as it is queued has to be read from the queue again, and so has all that comes before they have
//! caught up. A peer that is slow for longer is what the queue is for.

use std::time::{Duration, Instant};

use crate::peer::Target;

/// How long peers may take to make room.
const LIMIT: Duration = Duration::from_millis(50);

/// How patient we are.
#[derive(Debug, Default)]
pub(crate) enum Patience {
    /// The peers keep up.
    #[default]
    Whole,
    /// They have had no room since then.
    Since(Instant),
    /// They had their time, and are slow.
    Over,
}

impl Patience {
    /// Whether the next input is left where it is for now.
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

    /// When that will be over, if it is not.
    pub(crate) fn due(&self) -> Option<Instant> {
        match self {
            Self::Since(since) => Some(*since + LIMIT).filter(|due| *due > Instant::now()),
            Self::Whole | Self::Over => None,
        }
    }
}
