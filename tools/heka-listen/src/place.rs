// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a connection stands in the stream that it carries.
//!
//! A frame that carries a number says it; those that follow it without one are counted on, until
//! damage makes the count uncertain. That decides what this sender is told. What is passed over as
//! repeated is decided by what was taken of the stream: by no number of a frame that was refused.

use std::rc::Rc;
use std::time::Instant;

use crate::streams::Taken;

/// A stream, as long as a connection goes on with it.
#[derive(Debug)]
pub(crate) struct Hold {
    taken: Rc<Taken>,
    holder: u64,
}

impl Hold {
    /// Takes a stream over; `holder` is nobody else's number.
    pub(crate) fn new(taken: Rc<Taken>, holder: u64) -> Self {
        taken.holder.set(holder);
        Self { taken, holder }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.taken.left.set(Instant::now());
    }
}

#[derive(Debug)]
struct Bound {
    id: [u8; 16],
    /// The run of this process.
    run: [u8; 16],
    hold: Hold,
    /// How much of the stream had been taken before this connection.
    before: u64,
}

/// Where a connection stands.
#[derive(Debug, Default)]
pub(crate) struct Place {
    bound: Option<Bound>,
    /// Numbers mean nothing here.
    is_numberless: bool,
    /// Number of the next frame, if that is known.
    next: Option<u64>,
    /// Highest number that came on this connection.
    came: u64,
    /// Highest number that was confirmed on it.
    told: u64,
    /// Where in the input the last frame with a number began.
    seen: Option<u64>,
}

impl Place {
    /// Where nobody can be told anything.
    pub(crate) fn without_numbers() -> Self {
        Self { is_numberless: true, ..Self::default() }
    }

    pub(crate) fn has_numbers(&self) -> bool {
        !self.is_numberless
    }

    pub(crate) fn is_bound(&self) -> bool {
        self.bound.is_some()
    }

    /// Whether it stands in that stream.
    pub(crate) fn is_of(&self, id: &[u8; 16]) -> bool {
        self.bound.as_ref().is_some_and(|bound| bound.id == *id)
    }

    /// The connection goes on with a stream.
    pub(crate) fn bind(&mut self, id: [u8; 16], run: [u8; 16], hold: Hold) {
        let before = hold.taken.last.get();
        *self = Self { bound: Some(Bound { id, run, hold, before }), ..Self::default() };
    }

    /// Whether the sender goes on with its stream on another connection.
    pub(crate) fn is_left(&self) -> bool {
        let hold = self.bound.as_ref().map(|bound| &bound.hold);
        hold.is_some_and(|hold| hold.taken.holder.get() != hold.holder)
    }

    /// A frame at `offset` of the input says that it stands behind record `number`; `false` if that
    /// cannot be: each record takes at least a byte.
    pub(crate) fn stand(&mut self, number: u64, offset: u64) -> bool {
        let Some(bound) = &self.bound else { return false };
        match self.seen {
            // The stream may have begun on another connection.
            None => self.told = number,
            Some(seen) if number > self.came.saturating_add(offset.saturating_sub(seen)) => {
                self.next = None;
                return false;
            }
            Some(_) => {}
        }
        // More than that was counted in what was damage.
        let taken = &bound.hold.taken.last;
        taken.set(taken.get().min(number.max(bound.before)));
        self.seen = Some(offset);
        self.came = self.came.max(number);
        self.next = number.checked_add(1);
        true
    }

    /// Counts frames that follow, and returns the number of the last one if that is known.
    pub(crate) fn count(&mut self, count: u64) -> Option<u64> {
        let last = self.next?.checked_add(count.checked_sub(1)?)?;
        self.came = self.came.max(last);
        self.next = last.checked_add(1);
        Some(last)
    }

    /// Takes `count` records, of which the last one has that number, and returns how many of them,
    /// the first ones, were taken before.
    pub(crate) fn take(&mut self, last: u64, count: u64) -> u64 {
        let Some(bound) = &self.bound else { return 0 };
        let taken = &bound.hold.taken.last;
        let before = last.saturating_sub(count);
        let repeated = taken.get().saturating_sub(before).min(count);
        taken.set(taken.get().max(last));
        repeated
    }

    /// Something was damaged: how many frames it was is not known.
    pub(crate) fn lose_count(&mut self) {
        self.next = None;
    }

    /// The number to confirm, if that is news, how many records that confirms, and who says it.
    /// Call it when everything that came is safe.
    pub(crate) fn news(&mut self) -> Option<(u64, u64, [u8; 16])> {
        let count = self.came.saturating_sub(self.told);
        self.told = self.came;
        let bound = self.bound.as_ref().filter(|_| count > 0)?;
        Some((self.came, count, bound.run))
    }
}
