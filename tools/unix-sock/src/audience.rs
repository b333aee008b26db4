// SPDX-License-Identifier: MIT OR Apache-2.0
//! The peers that can be sent to, and which of them have room. This determines whether standard
//! input is read, and what happens to a record for a peer whose queue is full.
//!
//! The state is updated incrementally: examining thousands of peers for every record would cost
//! more than the record.

use std::collections::BTreeSet;

use crate::cli::QueueFull;
use crate::plan::Plan;

/// Size of a single peer's queue at which standard input waits.
const SHORT_QUEUE: usize = 128 * 1024;

/// Whether a peer can be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It cannot.
    Closed,
    /// It can.
    Roomy,
    /// It can, but its queue has reached `--queue-size`.
    Full,
}

impl Standing {
    /// Returns the standing of a peer that can be sent to, given the size of its queue.
    pub(crate) fn open(cost: usize, plan: &Plan) -> Self {
        if cost < plan.queue_size { Self::Roomy } else { Self::Full }
    }
}

/// The numbers of the peers that can be sent to.
#[derive(Debug, Default)]
pub(crate) struct Audience {
    open: BTreeSet<u64>,
    full: BTreeSet<u64>,
}

impl Audience {
    /// Updates the standing of a peer.
    pub(crate) fn note(&mut self, number: u64, standing: Standing) {
        if standing == Standing::Closed {
            self.open.remove(&number);
        } else {
            self.open.insert(number);
        }
        if standing == Standing::Full {
            self.full.insert(number);
        } else {
            self.full.remove(&number);
        }
    }

    /// Whether no peer can be sent to.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Returns the peer that can be sent to, if there is only one.
    pub(crate) fn only(&self) -> Option<u64> {
        self.open.first().copied().filter(|_| self.open.len() == 1)
    }

    /// Returns all peers that can be sent to.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.open.iter().copied().collect()
    }

    /// Whether any queue is full.
    pub(crate) fn has_full(&self) -> bool {
        !self.full.is_empty()
    }

    /// Whether a peer's queue is full.
    pub(crate) fn is_full(&self, number: u64) -> bool {
        self.full.contains(&number)
    }

    /// Whether to read standard input, given the size of each peer's queue.
    pub(crate) fn has_room(&self, plan: &Plan, cost: impl Fn(u64) -> usize) -> bool {
        if let Some(only) = self.only() {
            // Standard input waits for this peer anyway, so its data may as well stay in the pipe.
            return cost(only) < SHORT_QUEUE.min(plan.queue_size);
        }
        match plan.queue_full {
            QueueFull::Block => self.full.is_empty(),
            QueueFull::Drop | QueueFull::Close => self.full.len() < self.open.len(),
        }
    }

    /// Whether a record for a peer is dropped, because others do not wait for it.
    pub(crate) fn leaves_behind(&self, number: u64, plan: &Plan) -> bool {
        plan.queue_full != QueueFull::Block && self.open.len() > 1 && self.is_full(number)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    fn plan(action: &str) -> Plan {
        let args = ["unix-sock", "-l", "s", "--queue-size", "1M", "--queue-full", action];
        Cli::parse_from(args).plan().unwrap()
    }

    fn audience(standings: &[Standing]) -> Audience {
        let mut audience = Audience::default();
        for (number, standing) in (0..).zip(standings) {
            // Only the last standing counts.
            for before in [Standing::Full, Standing::Roomy, Standing::Closed, *standing] {
                audience.note(number, before);
            }
        }
        audience
    }

    #[test]
    fn who_is_waited_for_is_up_to_the_action() {
        use Standing::{Closed, Full, Roomy};
        for (standings, drops, waits) in [
            (&[Roomy, Roomy][..], [false, false], [false, false, false]),
            (&[Roomy, Full], [false, true], [false, false, true]),
            (&[Full, Full], [true, true], [true, true, true]),
            (&[Roomy, Full, Closed], [false, true], [false, false, true]),
        ] {
            let audience = audience(standings);
            for (action, waits) in ["drop", "close", "block"].into_iter().zip(waits) {
                let plan = plan(action);
                assert_eq!(audience.has_room(&plan, |_| 0), !waits, "{standings:?} {action}");
                for (number, drops) in (0..).zip(drops) {
                    let drops = drops && action != "block";
                    assert_eq!(audience.leaves_behind(number, &plan), drops, "{standings:?}");
                }
            }
        }
    }

    #[test]
    fn a_single_peer_is_waited_for_early_and_never_left_behind() {
        use Standing::{Closed, Full};
        for action in ["drop", "close", "block"] {
            let (audience, plan) = (audience(&[Closed, Full]), plan(action));
            assert_eq!(audience.only(), Some(1));
            assert!(audience.has_room(&plan, |number| if number == 1 {
                SHORT_QUEUE - 1
            } else {
                0
            }));
            assert!(!audience.has_room(&plan, |_| SHORT_QUEUE));
            assert!(!audience.leaves_behind(1, &plan));
        }
        assert!(audience(&[Closed]).is_empty());
    }
}
