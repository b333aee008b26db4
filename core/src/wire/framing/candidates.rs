// SPDX-License-Identifier: MIT OR Apache-2.0
//! The places of a survey where frames may start, and which of them go on together.

use std::collections::VecDeque;

use super::reach::Reach;

/// End of a candidate whose header is not complete.
pub(super) const UNKNOWN: u32 = u32::MAX;

/// What is decided about a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It depends on bytes that were not looked at.
    Open,
    /// It is a frame.
    Frame,
    /// Nothing.
    None,
}

/// Where a frame may start.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) start: u32,
    pub(super) end: u32,
    /// One that it goes together with, itself if it leads.
    leader: u32,
    fate: Fate,
    /// It leads, and they met something that is no member.
    is_lost: bool,
}

/// All of them, by number and in the order of their starts, but for the first ones, which do not
/// matter.
#[derive(Clone, Debug, Default)]
pub(super) struct Candidates {
    first: u32,
    all: VecDeque<Candidate>,
    reach: Reach,
}

impl Candidates {
    /// Gives up those before `start`; the number of the one that starts there.
    pub(super) fn front(&mut self, start: u32) -> Option<u32> {
        while self.all.front()?.start < start {
            self.all.pop_front();
            self.first += 1;
        }
        (self.all.front()?.start == start).then_some(self.first)
    }

    pub(super) fn get(&self, number: u32) -> Option<&Candidate> {
        self.all.get(number.checked_sub(self.first)? as usize)
    }

    fn get_mut(&mut self, number: u32) -> Option<&mut Candidate> {
        self.all.get_mut(number.checked_sub(self.first)? as usize)
    }

    /// Adds one behind all others.
    pub(super) fn add(&mut self, start: u32) -> u32 {
        let len = u32::try_from(self.all.len()).unwrap_or(0);
        let number = self.first + len;
        let leader = number;
        self.all.push_back(Candidate {
            start,
            end: UNKNOWN,
            leader,
            fate: Fate::Open,
            is_lost: false,
        });
        self.reach.make_room(self.first..number + 1);
        self.reach.set(number, UNKNOWN);
        number
    }

    /// Its header was read.
    pub(super) fn set_end(&mut self, number: u32, end: u32, is_empty: bool) {
        if let Some(candidate) = self.get_mut(number) {
            candidate.end = end;
            // An empty message is found too easily to prove anything.
            self.reach.set(number, if is_empty { 0 } else { end });
        }
    }

    pub(super) fn fate(&mut self, number: u32) -> Fate {
        let leader = self.leader(number).and_then(|leader| self.get(leader));
        let is_lost = leader.is_none_or(|leader| leader.is_lost);
        match self.get(number).map(|candidate| candidate.fate) {
            Some(Fate::Open) if !is_lost => Fate::Open,
            Some(Fate::Frame) => Fate::Frame,
            _ => Fate::None,
        }
    }

    /// It is decided.
    pub(super) fn decide(&mut self, number: u32, fate: Fate) {
        if let Some(candidate) = self.get_mut(number) {
            candidate.fate = fate;
            if fate == Fate::None {
                self.refuse(number);
            }
        }
    }

    /// It is not a frame that could rule out another one.
    pub(super) fn refuse(&mut self, number: u32) {
        self.reach.set(number, 0);
    }

    /// Those whom it leads go no further.
    pub(super) fn lose(&mut self, number: u32) {
        if let Some(candidate) = self.get_mut(number) {
            candidate.is_lost = true;
        }
    }

    /// The first one behind the front one that starts before `end` and may run on beyond it.
    pub(super) fn first_beyond(&self, end: u32) -> Option<u32> {
        let count = self.all.partition_point(|candidate| candidate.start < end);
        let last = self.first + u32::try_from(count).ok()?;
        self.reach.first_beyond(self.first + 1..last, end)
    }

    /// Who leads those that it goes together with. The highest does, so that it is there as long
    /// as any of them.
    pub(super) fn leader(&mut self, mut number: u32) -> Option<u32> {
        loop {
            let next = self.get(number)?.leader;
            let beyond = self.get(next)?.leader;
            self.get_mut(number)?.leader = beyond;
            if next == beyond {
                return Some(next);
            }
            number = beyond;
        }
    }

    /// From here on those whom `one` leads and those of `other` go together; returns who leads.
    pub(super) fn join(&mut self, one: u32, other: u32) -> u32 {
        let Some(other) = self.leader(other) else { return one };
        let leader = one.max(other);
        if let Some(candidate) = self.get_mut(one.min(other)) {
            candidate.leader = leader;
        }
        leader
    }
}
