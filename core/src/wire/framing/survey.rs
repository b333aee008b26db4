// SPDX-License-Identifier: MIT OR Apache-2.0
//! All frames that may start in a stretch of bytes, followed at once.
//!
//! Whether a header's length is true shows only when the members behind it have been skipped:
//! one must end where the message does. Headers in hostile bytes stand in each other's messages
//! and share nearly all members. So each candidate is not walked by itself: from left to right,
//! every place where a member of any of them begins is visited once, and candidates that meet at
//! a place go on together from there. A candidate is a frame if the place of its end is visited
//! by the group that it belongs to then.
//!
//! Groups of protobuf, which nobody uses, are walked in the same way, one level deeper: at their
//! end, those who entered there go on behind it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use memchr::memchr;

use super::candidates::{Candidates, Fate, UNKNOWN};
use super::effort::Effort;
use super::head::{NoHeader, split};
use super::{FRAMING_SIZE, RECORD_SEPARATOR};
use crate::wire::varint::{MAX_DEPTH, Malformed};
use crate::wire::view::{Member, member};

/// Least room for candidates; more for longer messages, so that a survey takes less memory than
/// the messages that are waited for.
const LEAST_ROOM: usize = 4096;
/// Bytes of the longest message per candidate. What does not fit is surveyed later,
/// and walked again for that: a few times at most.
const BYTES_PER_CANDIDATE: usize = 64;

/// A place to visit: where it is, how many groups it is in, and the leader of those who come
/// there, or the number of the innermost group.
type Walk = Reverse<(u32, u32, u32)>;

/// See above.
#[derive(Clone, Debug)]
pub(super) struct Survey {
    base: u64,
    /// The candidates before this place are known.
    at: u32,
    /// How many more there can be.
    room: usize,
    most_groups: usize,
    /// Their places are counted from the base.
    candidates: Candidates,
    walks: BinaryHeap<Walk>,
    /// Where candidates end.
    ends: BinaryHeap<Reverse<(u32, u32)>>,
    /// Groups that are open: the field numbers that can close it, and who goes on then.
    groups: HashMap<u32, Vec<(u32, u32)>>,
    last_group: u32,
    /// Candidates whose header is not complete.
    unread: Vec<u32>,
}

/// The bytes at hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window<'a> {
    bytes: &'a [u8],
    /// Where they begin.
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
    /// Begins at `base`, for messages of up to `limit` bytes.
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

    /// Whether it knows nothing of what begins at `offset`.
    pub(super) fn is_passed(&self, offset: u64) -> bool {
        offset >= self.base + u64::from(self.at)
    }

    /// The bytes of `buffer`, which begin at `offset`; `None` if that is too far away.
    pub(super) fn window<'a>(&self, buffer: &'a [u8], offset: u64) -> Option<Window<'a>> {
        let front = u32::try_from(offset - self.base).ok()?;
        let most = (UNKNOWN - 1 - front) as usize;
        Some(Window { bytes: buffer.get(..most).unwrap_or(buffer), front })
    }

    /// Goes on up to the offset `target`, as far as there are bytes; `false` if that is more work
    /// than is allowed.
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

    /// What is decided about the candidate that starts at `offset`, if it is known. Those before it
    /// do no longer matter.
    pub(super) fn front_fate(&mut self, offset: u64) -> Option<Fate> {
        let start = u32::try_from(offset - self.base).ok()?;
        let number = self.candidates.front(start)?;
        Some(self.candidates.fate(number))
    }

    pub(super) fn fate(&mut self, number: u32) -> Fate {
        self.candidates.fate(number)
    }

    /// The first candidate behind the front one that starts before the offset `end` and may run on
    /// beyond it.
    pub(super) fn first_beyond(&self, end: u64) -> Option<u32> {
        self.candidates.first_beyond(u32::try_from(end - self.base).ok()?)
    }

    /// Offsets where it starts and ends; the latter is not known if its header is not complete.
    pub(super) fn extent(&self, number: u32) -> Option<(u64, Option<u64>)> {
        let candidate = self.candidates.get(number)?;
        let offset = |place| self.base + u64::from(place);
        let end = Some(candidate.end).filter(|end| *end != UNKNOWN).map(offset);
        Some((offset(candidate.start), end))
    }

    /// It is not a frame that could speak against another one.
    pub(super) fn refuse(&mut self, number: u32) {
        self.candidates.refuse(number);
    }

    /// Reads the headers that have been completed.
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

    /// Notes the candidates up to `target`.
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
            // No longer than `target` says.
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

    /// Begins to walk through a message, which begins so far behind the start of its candidate.
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

    /// Visits the places up to `target`.
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

    /// All who come to a place on one level go on together.
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

    /// Those who end at a place are frames if they have come there.
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

    /// Goes on to where the next member begins.
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

    /// Those who came there go no further.
    fn lose(&mut self, level: u32, number: u32) {
        if level == 0 {
            return self.candidates.lose(number);
        }
        for (_, outside) in self.groups.remove(&number).unwrap_or_default() {
            self.lose(level - 1, outside);
        }
    }
}
