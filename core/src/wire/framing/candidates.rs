// SPDX-License-Identifier: MIT OR Apache-2.0
//! The candidates of a survey, that is, the places where frames may start, and the groups in which
//! they are followed.

use std::collections::VecDeque;

use super::reach::Reach;

/// End of a candidate whose header is incomplete.
pub(super) const UNKNOWN: u32 = u32::MAX;

/// The decision on a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Depends on bytes not examined yet.
    Open,
    /// The candidate is a frame.
    Frame,
    /// The candidate is not a frame.
    None,
}

/// A place where a frame may start.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) start: u32,
    pub(super) end: u32,
    /// Another candidate of the same group, or this one if it is the leader.
    leader: u32,
    fate: Fate,
    /// Set in the leader: the group met something that is not a member.
    is_lost: bool,
}

/// All candidates by number, in the order of their starts, without the first ones that no longer
/// matter.
#[derive(Clone, Debug, Default)]
pub(super) struct Candidates {
    first: u32,
    all: VecDeque<Candidate>,
    reach: Reach,
}

impl Candidates {
    /// Drops the candidates before `start`; returns the number of the one that starts there.
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

    /// Appends a candidate.
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

    /// Stores where a candidate ends, once its header is known.
    pub(super) fn set_end(&mut self, number: u32, end: u32, is_empty: bool) {
        if let Some(candidate) = self.get_mut(number) {
            candidate.end = end;
            // An empty message is too common to prove anything.
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

    /// Records the decision on a candidate.
    pub(super) fn decide(&mut self, number: u32, fate: Fate) {
        if let Some(candidate) = self.get_mut(number) {
            candidate.fate = fate;
            if fate == Fate::None {
                self.refuse(number);
            }
        }
    }

    /// Excludes a candidate from those that could rule out another frame.
    pub(super) fn refuse(&mut self, number: u32) {
        self.reach.set(number, 0);
    }

    /// Ends the walk of the group led by `number`.
    pub(super) fn lose(&mut self, number: u32) {
        if let Some(candidate) = self.get_mut(number) {
            candidate.is_lost = true;
        }
    }

    /// Returns the first candidate after the front one that starts before `end` and may extend
    /// beyond it.
    pub(super) fn first_beyond(&self, end: u32) -> Option<u32> {
        let count = self.all.partition_point(|candidate| candidate.start < end);
        let last = self.first + u32::try_from(count).ok()?;
        self.reach.first_beyond(self.first + 1..last, end)
    }

    /// Returns the leader of a candidate's group. The highest number leads, so that the leader
    /// exists as long as any member does.
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

    /// Merges two groups; returns the leader.
    pub(super) fn join(&mut self, one: u32, other: u32) -> u32 {
        let Some(other) = self.leader(other) else { return one };
        let leader = one.max(other);
        if let Some(candidate) = self.get_mut(one.min(other)) {
            candidate.leader = leader;
        }
        leader
    }
}
