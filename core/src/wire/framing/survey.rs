// SPDX-License-Identifier: MIT OR Apache-2.0
//! Follows all frames that may start in a stretch of bytes at once.
//!
//! Whether a header's length is right is only known after the members of the message have been
//! skipped: one of them must end where the message does. In hostile input, headers are nested in
//! each other's messages and share nearly all members. So candidates are not followed separately.
//! Every place where a member of any candidate begins is visited once, from left to right, and
//! candidates that meet at a place continue as one group. A candidate is a frame if the group that
//! it then belongs to reaches its end.
//!
//! Protobuf groups, which nobody uses, are followed in the same way, one level deeper: at the end
//! of a group, the candidates that entered it continue after it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use memchr::memchr;

use super::candidates::{Candidates, Fate, UNKNOWN};
use super::effort::Effort;
use super::head::{NoHeader, split};
use super::{FRAMING_SIZE, RECORD_SEPARATOR};
use crate::wire::varint::{MAX_DEPTH, Malformed};
use crate::wire::view::{Member, member};

/// Minimum number of candidates. Longer messages allow more, so that a survey takes less memory
/// than the messages that are waited for.
const LEAST_ROOM: usize = 4096;
/// Bytes of the longest message per candidate. Candidates beyond that are surveyed later, for which
/// the bytes are read again, a few times at most.
const BYTES_PER_CANDIDATE: usize = 64;

/// A place to visit: its offset, its level of group nesting, and the leader of the candidates that
/// arrive there or the number of the innermost group.
type Walk = Reverse<(u32, u32, u32)>;

/// A survey; see the module.
#[derive(Clone, Debug)]
pub(super) struct Survey {
    base: u64,
    /// All candidates before this place are known.
    at: u32,
    /// Number of candidates that can be added.
    room: usize,
    most_groups: usize,
    /// Candidates; their places are relative to the base.
    candidates: Candidates,
    walks: BinaryHeap<Walk>,
    /// Ends of candidates.
    ends: BinaryHeap<Reverse<(u32, u32)>>,
    /// Open groups: the field numbers that can close them, and the candidates that continue then.
    groups: HashMap<u32, Vec<(u32, u32)>>,
    last_group: u32,
    /// Candidates whose header is incomplete.
    unread: Vec<u32>,
}

/// The available bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window<'a> {
    bytes: &'a [u8],
    /// The place of the first byte.
    front: u32,
}

impl<'a> Window<'a> {
    fn from(&self, place: u32) -> Option<&'a [u8]> {
        self.bytes.get(place.checked_sub(self.front)? as usize..)
    }

    fn until(&self, place: u32, end: u32) -> &'a [u8] {
        let len = end.saturating_sub(place) as usize;
        self.from(place).map_or(&[], |rest| rest.get(..len).unwrap_or(rest))
    }

    fn end(&self) -> u32 {
        u32::try_from(self.bytes.len()).map_or(UNKNOWN, |len| self.front.saturating_add(len))
    }
}

impl Survey {
    /// Creates a survey at offset `base` for messages of up to `limit` bytes.
    pub(super) fn new(base: u64, limit: usize) -> Self {
        let room = LEAST_ROOM.max(limit / BYTES_PER_CANDIDATE);
        Self {
            base,
            at: 0,
            room,
            most_groups: room,
            candidates: Candidates::default(),
            walks: BinaryHeap::new(),
            ends: BinaryHeap::new(),
            groups: HashMap::new(),
            last_group: 0,
            unread: Vec::new(),
        }
    }

    /// Whether the survey has nothing about `offset`.
    pub(super) fn is_passed(&self, offset: u64) -> bool {
        offset >= self.base + u64::from(self.at)
    }

    /// Returns `buffer`, which begins at `offset`, as a window; `None` if it is too far away.
    pub(super) fn window<'a>(&self, buffer: &'a [u8], offset: u64) -> Option<Window<'a>> {
        let front = u32::try_from(offset - self.base).ok()?;
        let most = (UNKNOWN - 1 - front) as usize;
        Some(Window { bytes: buffer.get(..most).unwrap_or(buffer), front })
    }

    /// Advances to the offset `target`, as far as there are bytes; `false` if the work allowance
    /// does not suffice.
    pub(super) fn advance(
        &mut self,
        window: Window<'_>,
        target: u64,
        limit: usize,
        effort: &mut Effort,
    ) -> bool {
        let target = u32::try_from(target - self.base).unwrap_or(UNKNOWN).min(window.end());
        self.read_headers(window, limit);
        self.enter(window, target, limit, effort) && self.walk(window, target, effort)
    }

    /// Returns the decision on the candidate that starts at `offset`, if known. Earlier candidates
    /// are dropped.
    pub(super) fn front_fate(&mut self, offset: u64) -> Option<Fate> {
        let start = u32::try_from(offset - self.base).ok()?;
        let number = self.candidates.front(start)?;
        Some(self.candidates.fate(number))
    }

    pub(super) fn fate(&mut self, number: u32) -> Fate {
        self.candidates.fate(number)
    }

    /// Returns the first candidate after the front one that starts before the offset `end` and may
    /// extend beyond it.
    pub(super) fn first_beyond(&self, end: u64) -> Option<u32> {
        self.candidates.first_beyond(u32::try_from(end - self.base).ok()?)
    }

    /// Returns the offsets where a candidate starts and ends; the end is not known while the header
    /// is incomplete.
    pub(super) fn extent(&self, number: u32) -> Option<(u64, Option<u64>)> {
        let candidate = self.candidates.get(number)?;
        let offset = |place| self.base + u64::from(place);
        let end = Some(candidate.end).filter(|end| *end != UNKNOWN).map(offset);
        Some((offset(candidate.start), end))
    }

    /// Excludes a candidate from those that could rule out another frame.
    pub(super) fn refuse(&mut self, number: u32) {
        self.candidates.refuse(number);
    }

    /// Reads the headers that have become complete.
    fn read_headers(&mut self, window: Window<'_>, limit: usize) {
        for number in std::mem::take(&mut self.unread) {
            let Some(start) = self.candidates.get(number).map(|candidate| candidate.start) else {
                continue;
            };
            let bytes = window.from(start).unwrap_or_default();
            let is_whole =
                bytes.get(1).is_some_and(|len| bytes.len() >= FRAMING_SIZE + usize::from(*len));
            if !is_whole {
                self.unread.push(number);
            } else if let Ok((_, message, len)) = split(bytes, limit) {
                self.follow(number, message, len);
            } else {
                self.candidates.decide(number, Fate::None);
            }
        }
    }

    /// Adds the candidates up to `target`.
    fn enter(
        &mut self,
        window: Window<'_>,
        target: u32,
        limit: usize,
        effort: &mut Effort,
    ) -> bool {
        while self.at < target && self.room > 0 {
            if effort.is_spent() {
                return false;
            }
            let rest = window.until(self.at, target);
            let distance = memchr(RECORD_SEPARATOR, rest).unwrap_or(rest.len());
            effort.add_search(distance);
            // At most `target`, so it fits.
            let start = self.at + u32::try_from(distance).unwrap_or(0);
            self.at = (start + 1).min(target);
            let bytes = if start < target { window.from(start) } else { None };
            match bytes.map(|bytes| split(bytes, limit)) {
                Some(Ok((_, message, len))) => {
                    let number = self.add(start);
                    self.follow(number, message, len);
                }
                Some(Err(NoHeader::Need(_))) => {
                    let number = self.add(start);
                    self.unread.push(number);
                }
                Some(Err(NoHeader::Damage(_))) | None => {}
            }
        }
        true
    }

    fn add(&mut self, start: u32) -> u32 {
        self.room -= 1;
        self.candidates.add(start)
    }

    /// Begins to follow a candidate, whose message begins `message` bytes after its start.
    fn follow(&mut self, number: u32, message: usize, len: usize) {
        let Some(start) = self.candidates.get(number).map(|candidate| candidate.start) else {
            return;
        };
        let place = |len| u32::try_from(len).ok().and_then(|len| start.checked_add(len));
        if let (Some(begin), Some(end)) = (place(message), place(message + len)) {
            self.candidates.set_end(number, end, len == 0);
            self.walks.push(Reverse((begin, 0, number)));
            self.ends.push(Reverse((end, number)));
        }
    }

    /// Visits all places up to `target`.
    fn walk(&mut self, window: Window<'_>, target: u32, effort: &mut Effort) -> bool {
        let mut stalled = Vec::new();
        let is_done = loop {
            let walk = self.walks.peek().map(|Reverse((place, ..))| *place);
            let end = self.ends.peek().map(|Reverse((place, _))| *place);
            let next = walk.into_iter().chain(end).min().filter(|place| *place <= target);
            let Some(place) = next else { break true };
            if effort.is_spent() {
                break false;
            }
            let arrived = self.meet(place, 0, effort);
            self.settle(place, arrived, effort);
            if let Some(leader) = arrived {
                self.step(window, (place, 0, leader), &mut stalled);
            }
            while let Some(&Reverse((at, level, _))) = self.walks.peek()
                && at == place
            {
                if let Some(group) = self.meet(place, level, effort) {
                    self.step(window, (place, level, group), &mut stalled);
                }
            }
        };
        self.walks.extend(stalled.into_iter().map(Reverse));
        is_done
    }

    /// Merges all candidates that arrive at a place on one level.
    fn meet(&mut self, place: u32, level: u32, effort: &mut Effort) -> Option<u32> {
        let mut arrived = None;
        while let Some(&Reverse((at, on, number))) = self.walks.peek()
            && (at, on) == (place, level)
        {
            self.walks.pop();
            effort.add(1);
            arrived = match arrived {
                None if level > 0 => Some(number),
                None => self.candidates.leader(number),
                Some(other) if level > 0 => Some(self.join_groups(other, number)),
                Some(other) => Some(self.candidates.join(other, number)),
            };
        }
        arrived
    }

    fn join_groups(&mut self, one: u32, other: u32) -> u32 {
        let Some(mut fewer) = self.groups.remove(&other) else { return one };
        let into = self.groups.entry(one).or_default();
        if into.len() < fewer.len() {
            std::mem::swap(into, &mut fewer);
        }
        into.append(&mut fewer);
        one
    }

    /// Decides on the candidates that end at a place: they are frames if they arrived there.
    fn settle(&mut self, place: u32, arrived: Option<u32>, effort: &mut Effort) {
        while let Some(&Reverse((end, number))) = self.ends.peek()
            && end == place
        {
            self.ends.pop();
            effort.add(1);
            let is_frame = arrived.is_some() && self.candidates.leader(number) == arrived;
            self.candidates.decide(number, if is_frame { Fate::Frame } else { Fate::None });
        }
    }

    /// Moves a group to the start of its next member.
    fn step(
        &mut self,
        window: Window<'_>,
        walk @ (place, level, number): (u32, u32, u32),
        stalled: &mut Vec<(u32, u32, u32)>,
    ) {
        let Some(bytes) = window.from(place) else { return self.lose(level, number) };
        let behind = |len: u64| u32::try_from(u64::from(place) + len).ok();
        match member(bytes, level > 0) {
            Ok(Member::Value(len)) => match behind(len) {
                Some(next) => self.walks.push(Reverse((next, level, number))),
                None => self.lose(level, number),
            },
            Ok(Member::Group(field, len))
                if level < MAX_DEPTH && self.groups.len() < self.most_groups =>
            {
                self.last_group = self.last_group.wrapping_add(1);
                self.groups.insert(self.last_group, vec![(field, number)]);
                let inside = behind(len).map(|next| Reverse((next, level + 1, self.last_group)));
                self.walks.extend(inside);
            }
            Ok(Member::GroupEnd(field, len)) if level > 0 => {
                for (opened, outside) in self.groups.remove(&number).unwrap_or_default() {
                    match behind(len).filter(|_| opened == field) {
                        Some(next) => self.walks.push(Reverse((next, level - 1, outside))),
                        None => self.lose(level - 1, outside),
                    }
                }
            }
            Err(Malformed::Truncated) => stalled.push(walk),
            _ => self.lose(level, number),
        }
    }

    /// Ends the walk of those that arrived there.
    fn lose(&mut self, level: u32, number: u32) {
        if level == 0 {
            return self.candidates.lose(number);
        }
        for (_, outside) in self.groups.remove(&number).unwrap_or_default() {
            self.lose(level - 1, outside);
        }
    }
}
