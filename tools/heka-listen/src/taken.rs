// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much of one numbered stream has been taken, over all the connections that it ever had.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use heka_core::delivery::claim::NOBODY;

use crate::relay::Relayed;

/// The name of a stream, or of a process.
pub(crate) type Id = [u8; 16];

/// What is known of a stream.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Number of the last record that was taken.
    pub(crate) last: Cell<u64>,
    /// The connection that it goes on with.
    pub(crate) holder: Cell<u64>,
    /// When there was a connection last.
    pub(crate) left: Cell<Instant>,
    /// A record that was damaged, and how often in succession.
    pub(crate) damaged: Cell<(u64, u32)>,
    /// When the last claim was made.
    pub(crate) claimed: Cell<u64>,
    /// The run of a receiver that its sender had heard when it became known here, and the number of
    /// the record before.
    pub(crate) origin: Cell<(Id, u64)>,
    /// Where it came from.
    pub(crate) network: Rc<str>,
    /// Its records are passed on with positions, and delivered by others.
    pub(crate) relayed: Option<Relayed>,
}

impl Taken {
    /// Nothing is taken of a stream from there.
    pub(crate) fn new(network: Rc<str>) -> Self {
        Self {
            last: Cell::new(0),
            holder: Cell::new(0),
            left: Cell::new(Instant::now()),
            damaged: Cell::new((0, 0)),
            claimed: Cell::new(0),
            origin: Cell::new((NOBODY, 0)),
            network,
            relayed: None,
        }
    }

    /// A claim to it was made at that time.
    pub(crate) fn claim(&self, at: u64) {
        self.claimed.set(at);
        if let Some(relayed) = &self.relayed {
            relayed.claim(at);
        }
    }

    /// Nothing behind record `number` counts as taken. Returns whether something had; a stream that
    /// is relayed then begins behind what is known to be delivered.
    pub(crate) fn rewind(&self, number: u64) -> bool {
        let is_ahead = self.last.get() > number;
        if is_ahead {
            let relayed = self.relayed.as_ref();
            self.last.set(relayed.map_or(number, |relayed| relayed.begin_again(number)));
        }
        is_ahead
    }
}
