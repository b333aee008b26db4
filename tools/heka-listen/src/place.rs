// SPDX-License-Identifier: MIT OR Apache-2.0
//! The place of a connection in the stream that it carries.
//!
//! A frame that carries a number says it; those that follow it without one are counted on. That
//! decides what this sender is sent. What is skipped as repeated is decided by what was taken
//! of the stream: by no number of a frame that was refused.
//!
//! Nothing is acknowledged behind a record that is neither taken nor refused. Where one is damaged,
//! or missing, the connection is over: the sender makes another one and begins there. If the same
//! record is damaged time and again, it is refused.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;

use heka_core::delivery::Refusal;

use crate::relay::Relay;
use crate::taken::Taken;

/// A record that was damaged this often in succession is refused.
const TRIES: u32 = 3;
/// A sender that ignores this many refusals is disconnected.
const MOST_REFUSED: usize = 2048;

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

/// What a sender is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct News {
    /// Nothing is left to do about records up to this number.
    pub(crate) number: u64,
    /// That many more than before.
    pub(crate) count: u64,
    /// They are refused; otherwise they are safe.
    pub(crate) refused: Option<Refusal>,
    /// Who says it.
    pub(crate) run: [u8; 16],
}

/// Records that are refused.
#[derive(Clone, Copy, Debug)]
struct Refused {
    /// Number of the last one.
    last: u64,
    count: u64,
    reason: Refusal,
}

/// The place of a connection.
#[derive(Debug, Default)]
pub(crate) struct Place {
    bound: Option<Bound>,
    /// Numbers mean nothing here.
    is_numberless: bool,
    /// Number of the next frame, if that is known.
    next: Option<u64>,
    /// What it would be if a number that cannot be had not been said.
    unsaid: Option<u64>,
    /// Highest number that came on this connection.
    came: u64,
    /// Highest number that was acknowledged on it.
    told: u64,
    /// The sender is to learn that it will get answers at all.
    greets: bool,
    /// Where in the input the last frame with a number began.
    seen: Option<u64>,
    /// What the sender is to learn before anything behind it.
    refused: VecDeque<Refused>,
    /// What comes now is of no use.
    is_over: bool,
}

impl Place {
    /// Where there is no way back to the sender.
    pub(crate) fn without_numbers() -> Self {
        Self { is_numberless: true, ..Self::default() }
    }

    pub(crate) fn has_numbers(&self) -> bool {
        !self.is_numberless
    }

    pub(crate) fn is_bound(&self) -> bool {
        self.bound.is_some()
    }

    /// Whether it is in that stream.
    pub(crate) fn is_of(&self, id: &[u8; 16]) -> bool {
        self.bound.as_ref().is_some_and(|bound| bound.id == *id)
    }

    /// The connection goes on with a stream.
    pub(crate) fn bind(&mut self, id: [u8; 16], run: [u8; 16], hold: Hold) {
        let before = hold.taken.last.get();
        let bound = Some(Bound { id, run, hold, before });
        *self = Self { bound, greets: true, ..Self::default() };
    }

    /// Whether the number of the next record is known.
    pub(crate) fn counts(&self) -> bool {
        self.bound.is_some() && self.next.is_some()
    }

    /// Whether nothing more is taken on this connection.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over || self.is_left()
    }

    /// Whether the sender goes on with its stream on another connection.
    pub(crate) fn is_left(&self) -> bool {
        let hold = self.bound.as_ref().map(|bound| &bound.hold);
        hold.is_some_and(|hold| hold.taken.holder.get() != hold.holder)
    }

    /// A frame at `offset` of the input says that it follows record `number`; `false` if that
    /// cannot be: each record takes at least a byte.
    pub(crate) fn stand(&mut self, number: u64, offset: u64) -> bool {
        let Some(bound) = &self.bound else { return false };
        match self.seen {
            // The stream may have begun on another connection.
            None => self.told = number,
            Some(seen) if number > self.came.saturating_add(offset.saturating_sub(seen)) => {
                self.unsaid = self.next.take().or(self.unsaid);
                return false;
            }
            Some(_) if self.next.or(self.unsaid).is_some_and(|next| number >= next) => {
                self.lose();
                return true;
            }
            Some(_) => {}
        }
        // If more was counted than there was, that is taken back.
        let taken = &bound.hold.taken;
        if taken.rewind(number.max(bound.before)) && taken.relayed.is_some() {
            // What was passed on cannot be: all that is not acknowledged has to come again.
            self.is_over = true;
        }
        self.seen = Some(offset);
        self.came = self.came.max(number);
        (self.next, self.unsaid) = (number.checked_add(1), None);
        true
    }

    /// Counts frames that follow, and returns the number of the last one if that is known.
    pub(crate) fn count(&mut self, count: u64) -> Option<u64> {
        self.unsaid = self.unsaid.and_then(|next| next.checked_add(count));
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

    /// The next record will never be written.
    pub(crate) fn refuse_next(&mut self, reason: Refusal) {
        if let Some(number) = self.count(1) {
            self.refuse(number, reason);
        }
    }

    /// The record of that number will never be written.
    pub(crate) fn refuse(&mut self, number: u64, reason: Refusal) {
        match self.refused.back_mut() {
            // It is refused already.
            Some(before) if number <= before.last => {}
            Some(before) if before.reason == reason && before.last + 1 == number => {
                *before = Refused { last: number, count: before.count + 1, reason };
            }
            _ => self.refused.push_back(Refused { last: number, count: 1, reason }),
        }
        self.is_over |= self.refused.len() > MOST_REFUSED;
    }

    /// The next record, or more of them, did not arrive as they were sent. Returns whether the first
    /// of them is refused, as that happened too often.
    pub(crate) fn lose(&mut self) -> bool {
        self.is_over = true;
        let Some((bound, number)) = self.bound.as_ref().zip(self.next.take().or(self.unsaid))
        else {
            return false;
        };
        let damaged = &bound.hold.taken.damaged;
        let times = match damaged.get() {
            (before, times) if before == number => times + 1,
            _ => 1,
        };
        damaged.set((number, times));
        if times >= TRIES {
            self.came = number;
            self.refuse(number, Refusal::Damaged);
        }
        times >= TRIES
    }

    /// Nothing more comes: a record that has begun will come again.
    pub(crate) fn end(&mut self) {
        self.is_over = true;
    }

    /// Puts the position of the record that was counted last into `out`, if it has one.
    pub(crate) fn put_position(&self, out: &mut Vec<u8>) -> bool {
        let relayed = self.bound.as_ref().and_then(|bound| bound.hold.taken.relayed.as_ref());
        let number = self.next.and_then(|next| next.checked_sub(1));
        match relayed.zip(number) {
            Some((relayed, number)) => relayed.put(out, number),
            None => out.clear(),
        }
        !out.is_empty()
    }

    /// Whether something that came is neither acknowledged nor refused yet.
    pub(crate) fn owes(&self) -> bool {
        self.bound.is_some() && self.came > self.told
    }

    /// A sign of life for a sender that waits: what it was sent last.
    pub(crate) fn repeat(&self) -> Option<News> {
        let run = self.bound.as_ref().filter(|_| self.seen.is_some())?.run;
        Some(News { number: self.told, count: 0, refused: None, run })
    }

    /// What to send the sender next. Call it when everything that came is written; if others
    /// deliver it, `relay` says how far they have.
    pub(crate) fn news(&mut self, relay: Option<&Relay>) -> Option<News> {
        let Bound { run, hold, .. } = self.bound.as_ref()?;
        let (run, relayed) = (*run, hold.taken.relayed.as_ref());
        let safe = relayed.zip(relay).map_or(u64::MAX, |(relayed, relay)| relayed.delivered(relay));
        let safe = safe.max(self.told);
        let (number, refused) = match self.refused.front() {
            Some(first) if first.last - first.count > self.told => {
                (safe.min(first.last - first.count), None)
            }
            Some(first) => (first.last, Some(first.reason)),
            None => (safe.min(self.came), None),
        };
        if refused.is_some() {
            self.refused.pop_front();
        }
        let count = number.checked_sub(self.told)?;
        if count == 0 && !(self.greets && refused.is_none()) {
            return None;
        }
        self.greets = false;
        self.told = number;
        Some(News { number, count, refused, run })
    }
}
