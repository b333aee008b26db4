// SPDX-License-Identifier: MIT OR Apache-2.0
//! The accepted part of one numbered stream, across all its connections.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use heka_core::delivery::claim::NOBODY;

use crate::relay::Relayed;

/// The name of a stream, or of a process.
pub(crate) type Id = [u8; 16];

/// The state of a stream.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Number of the last accepted record.
    pub(crate) last: Cell<u64>,
    /// The connection that continues it.
    pub(crate) holder: Cell<u64>,
    /// Time of its last connection.
    pub(crate) left: Cell<Instant>,
    /// A damaged record, and how often it was damaged in succession.
    pub(crate) damaged: Cell<(u64, u32)>,
    /// Time of the last claim.
    pub(crate) claimed: Cell<u64>,
    /// The run of the receiver that its sender had last heard from when it became known here, and
    /// the number of the record before.
    pub(crate) origin: Cell<(Id, u64)>,
    /// The network it came from.
    pub(crate) network: Rc<str>,
    /// Set if its records are relayed with positions, and delivered by later stages.
    pub(crate) relayed: Option<Relayed>,
}

impl Taken {
    /// Creates the state of a stream of which nothing has been accepted.
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

    /// Notes a claim made at time `at`.
    pub(crate) fn claim(&self, at: u64) {
        self.claimed.set(at);
        if let Some(relayed) = &self.relayed {
            relayed.claim(at);
        }
    }

    /// Makes everything after record `number` count as not accepted. Returns whether something had
    /// been; a relayed stream then begins after the part that is known to be delivered.
    pub(crate) fn rewind(&self, number: u64) -> bool {
        let is_ahead = self.last.get() > number;
        if is_ahead {
            let relayed = self.relayed.as_ref();
            self.last.set(relayed.map_or(number, |relayed| relayed.begin_again(number)));
        }
        is_ahead
    }
}
