// SPDX-License-Identifier: MIT OR Apache-2.0
//! The position of a connection in its numbered stream.
//!
//! A frame with a number states it; frames without one that follow are counted. This determines
//! what the sender is told. Which records are skipped as repeated is determined by the part of the
//! stream that was accepted, not by the number of a frame that was refused.
//!
//! Nothing is acknowledged after a record that is neither accepted nor refused. If a record is
//! damaged or missing, the connection is ended: the sender reconnects and continues there. If the
//! same record is damaged repeatedly, it is refused.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;

use heka_core::delivery::Refusal;

use crate::relay::Relay;
use crate::taken::Taken;

/// Number of consecutive times that a record may be damaged before it is refused.
const TRIES: u32 = 3;
/// Maximum number of refusals that a sender may ignore before it is disconnected.
const MOST_REFUSED: usize = 2048;

/// A stream, as long as a connection continues it.
#[derive(Debug)]
pub(crate) struct Hold {
    taken: Rc<Taken>,
    holder: u64,
}

impl Hold {
    /// Takes over a stream; `holder` is a unique number.
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
    /// Number of records of the stream accepted before this connection.
    before: u64,
}

/// An answer to a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct News {
    /// Number up to which records are settled.
    pub(crate) number: u64,
    /// How many more than before.
    pub(crate) count: u64,
    /// Set if they are refused; otherwise they are safe.
    pub(crate) refused: Option<Refusal>,
    /// The run of the receiver.
    pub(crate) run: [u8; 16],
}

/// Refused records.
#[derive(Clone, Copy, Debug)]
struct Refused {
    /// Number of the last one.
    last: u64,
    count: u64,
    reason: Refusal,
}

/// The position of a connection.
#[derive(Debug, Default)]
pub(crate) struct Place {
    bound: Option<Bound>,
    /// Whether numbers are ignored.
    is_numberless: bool,
    /// Number of the next frame, if known.
    next: Option<u64>,
    /// The value to use if the number is impossible.
    unsaid: Option<u64>,
    /// Highest number received on this connection.
    came: u64,
    /// Highest number acknowledged on it.
    told: u64,
    /// Whether the sender has yet to learn that it will get answers.
    greets: bool,
    /// Input offset of the last frame with a number.
    seen: Option<u64>,
    /// Refusals that the sender must learn of before anything later.
    refused: VecDeque<Refused>,
    /// Whether further input is useless.
    is_over: bool,
}

impl Place {
    /// Creates the position of a sender that cannot be answered.
    pub(crate) fn without_numbers() -> Self {
        Self { is_numberless: true, ..Self::default() }
    }

    pub(crate) fn has_numbers(&self) -> bool {
        !self.is_numberless
    }

    pub(crate) fn is_bound(&self) -> bool {
        self.bound.is_some()
    }

    /// Whether the connection belongs to this stream.
    pub(crate) fn is_of(&self, id: &[u8; 16]) -> bool {
        self.bound.as_ref().is_some_and(|bound| bound.id == *id)
    }

    /// Continues a stream on this connection.
    pub(crate) fn bind(&mut self, id: [u8; 16], run: [u8; 16], hold: Hold) {
        let before = hold.taken.last.get();
        let bound = Some(Bound { id, run, hold, before });
        *self = Self { bound, greets: true, ..Self::default() };
    }

    /// Whether the number of the next record is known.
    pub(crate) fn counts(&self) -> bool {
        self.bound.is_some() && self.next.is_some()
    }

    /// Whether nothing more is accepted on this connection.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over || self.is_left()
    }

    /// Whether the sender continues its stream on another connection.
    pub(crate) fn is_left(&self) -> bool {
        let hold = self.bound.as_ref().map(|bound| &bound.hold);
        hold.is_some_and(|hold| hold.taken.holder.get() != hold.holder)
    }

    /// Handles a frame at `offset` of the input that follows record `number`; `false` if that is
    /// impossible, since each record takes at least a byte.
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
        // If more was counted than there was, the excess is taken back.
        let taken = &bound.hold.taken;
        if taken.rewind(number.max(bound.before)) && taken.relayed.is_some() {
            // Relayed records cannot be taken back: all unacknowledged ones have to be sent again.
            self.is_over = true;
        }
        self.seen = Some(offset);
        self.came = self.came.max(number);
        (self.next, self.unsaid) = (number.checked_add(1), None);
        true
    }

    /// Counts frames that follow; returns the number of the last one, if known.
    pub(crate) fn count(&mut self, count: u64) -> Option<u64> {
        self.unsaid = self.unsaid.and_then(|next| next.checked_add(count));
        let last = self.next?.checked_add(count.checked_sub(1)?)?;
        self.came = self.came.max(last);
        self.next = last.checked_add(1);
        Some(last)
    }

    /// Accepts `count` records, the last of which is number `last`; returns how many of them, from
    /// the first on, were accepted before.
    pub(crate) fn take(&mut self, last: u64, count: u64) -> u64 {
        let Some(bound) = &self.bound else { return 0 };
        let taken = &bound.hold.taken.last;
        let before = last.saturating_sub(count);
        let repeated = taken.get().saturating_sub(before).min(count);
        taken.set(taken.get().max(last));
        repeated
    }

    /// Refuses the next record.
    pub(crate) fn refuse_next(&mut self, reason: Refusal) {
        if let Some(number) = self.count(1) {
            self.refuse(number, reason);
        }
    }

    /// Refuses the record with this number.
    pub(crate) fn refuse(&mut self, number: u64, reason: Refusal) {
        match self.refused.back_mut() {
            // It has been refused already.
            Some(before) if number <= before.last => {}
            Some(before) if before.reason == reason && before.last + 1 == number => {
                *before = Refused { last: number, count: before.count + 1, reason };
            }
            _ => self.refused.push_back(Refused { last: number, count: 1, reason }),
        }
        self.is_over |= self.refused.len() > MOST_REFUSED;
    }

    /// Handles damage to the next record, or to several. Returns whether the first of them is
    /// refused, as it was damaged too often.
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

    /// Handles the end of input: an incomplete record will be sent again.
    pub(crate) fn end(&mut self) {
        self.is_over = true;
    }

    /// Puts the position of the last record counted into `out`, if it has one.
    pub(crate) fn put_position(&self, out: &mut Vec<u8>) -> bool {
        let relayed = self.bound.as_ref().and_then(|bound| bound.hold.taken.relayed.as_ref());
        let number = self.next.and_then(|next| next.checked_sub(1));
        match relayed.zip(number) {
            Some((relayed, number)) => relayed.put(out, number),
            None => out.clear(),
        }
        !out.is_empty()
    }

    /// Whether a received record is neither acknowledged nor refused yet.
    pub(crate) fn owes(&self) -> bool {
        self.bound.is_some() && self.came > self.told
    }

    /// Returns a sign of life for a waiting sender: its last answer.
    pub(crate) fn repeat(&self) -> Option<News> {
        let run = self.bound.as_ref().filter(|_| self.seen.is_some())?.run;
        Some(News { number: self.told, count: 0, refused: None, run })
    }

    /// Returns the next answer for the sender. Call it when everything received has been written;
    /// if later stages deliver, `relay` tells what they have delivered.
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
