// SPDX-License-Identifier: MIT OR Apache-2.0
//! Decides whether input waits briefly for peers that have everything else. Records that a peer
//! does not receive as they are queued have to be read back from the queue, as do all others until
//! it has caught up. A peer that is slow for longer is left to the queue.

use std::time::{Duration, Instant};

use crate::peer::Target;

/// Time for peers to make room.
const LIMIT: Duration = Duration::from_millis(50);

/// The room that peers have for more records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Each peer has much.
    Much,
    /// Each connected peer has some; the others are not waited for.
    Some,
    /// A connected peer has none.
    None,
}

impl Room {
    /// Returns the room of the slowest peer.
    pub(crate) fn of(peers: &[Target]) -> Self {
        if peers.iter().all(|peer| peer.window.has_much_room()) {
            Self::Much
        } else if peers.iter().all(|peer| peer.window.has_room() || !peer.is_connected()) {
            Self::Some
        } else {
            Self::None
        }
    }
}

/// Whether every target has room for another record.
pub(crate) fn have_room(targets: &[Target]) -> bool {
    targets.iter().all(|target| target.window.has_room())
}

/// Like [`have_room`], and all peers listen: otherwise a queue is the better place for a record.
pub(crate) fn want_more(targets: &[Target]) -> bool {
    have_room(targets) && targets.iter().any(Target::is_open)
}

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
    /// Whether the next input must wait if peers have that room.
    pub(crate) fn waits(&mut self, room: Room, now: Instant) -> bool {
        match (room, &self) {
            (Room::Much, _) => *self = Self::Whole,
            (Room::None, Self::Whole) => *self = Self::Since(now),
            (Room::None, Self::Since(since)) if now - *since >= LIMIT => *self = Self::Over,
            (Room::Some | Room::None, _) => {}
        }
        room == Room::None && matches!(self, Self::Since(_))
    }

    /// Returns when the wait ends.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        match self {
            Self::Since(since) => Some(*since + LIMIT).filter(|due| *due > now),
            Self::Whole | Self::Over => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    #[test]
    fn who_falls_behind_is_waited_for_but_not_longer_than_50_ms() {
        let (mut patience, start) = (Patience::default(), Instant::now());
        assert!(!patience.waits(Room::Much, start) && !patience.waits(Room::Some, start));
        assert_eq!(patience.due(start), None);
        assert!(patience.waits(Room::None, start));
        let end = start + Duration::from_millis(50);
        assert_eq!(patience.due(start), Some(end));
        assert!(patience.waits(Room::None, end - MOMENT));
        assert!(!patience.waits(Room::None, end));
        assert_eq!(patience.due(end), None);
    }

    #[test]
    fn who_makes_some_room_now_and_then_gets_no_more_time_than_who_makes_none() {
        let (mut patience, start) = (Patience::default(), Instant::now());
        let waits: Vec<_> = (0..100)
            .filter(|ms| {
                let now = start + *ms * MOMENT;
                assert!(!patience.waits(Room::Some, now), "there is room");
                patience.waits(Room::None, now)
            })
            .collect();
        assert_eq!(waits, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn who_has_caught_up_is_waited_for_again() {
        let (mut patience, start) = (Patience::default(), Instant::now());
        assert!(patience.waits(Room::None, start));
        let later = start + 2 * LIMIT;
        assert!(!patience.waits(Room::None, later));
        // Some room is not enough: he may be slow still.
        assert!(!patience.waits(Room::Some, later) && !patience.waits(Room::None, later));
        assert!(!patience.waits(Room::Much, later) && patience.waits(Room::None, later));
        assert!(patience.waits(Room::None, later + LIMIT - MOMENT));
    }
}
