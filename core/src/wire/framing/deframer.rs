// SPDX-License-Identifier: MIT OR Apache-2.0
//! The reader of frames: it walks from 0x1e to 0x1e, and puts what is damage together.

use memchr::memchr;

use super::judge::{Judge, NoFrame};
use super::long::Long;
use super::members::Beginning;
use super::{Damage, FRAMING_SIZE, Frame, More, RECORD_SEPARATOR, Reason, Step, whole};

/// Finds frames in a stream that arrives in any pieces.
#[derive(Clone, Debug)]
pub struct Deframer {
    judge: Judge,
    damage: Option<Damage>,
    /// How messages of this stream begin.
    beginning: Beginning,
    trusts_lengths: bool,
    /// What is skipped.
    long: Option<Long>,
}

impl Deframer {
    /// Takes messages of up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self::at(limit, 0)
    }

    /// The same, for an input whose first byte is at `offset`.
    pub fn at(limit: usize, offset: u64) -> Self {
        Self {
            judge: Judge::new(limit, offset),
            damage: None,
            beginning: Beginning::NONE,
            trusts_lengths: false,
            long: None,
        }
    }

    /// The longest message taken.
    pub fn limit(&self) -> usize {
        self.judge.limit
    }

    /// Position in the input of the first byte of the buffer.
    pub fn offset(&self) -> u64 {
        self.judge.offset
    }

    /// How much work the input has been: headers and members read, and each 64 bytes searched for
    /// a 0x1e. It grows in proportion to the input, whatever that is.
    pub fn work(&self) -> u64 {
        self.judge.effort.done
    }

    /// Stops after that many more steps of [`Deframer::work`], or soon after:
    /// [`Step::Need`] then needs nothing. Without a call of this there is no such limit.
    pub fn allow(&mut self, steps: u64) {
        self.judge.effort.allowed = self.judge.effort.done.saturating_add(steps);
    }

    /// Looks at `buffer`, which holds the bytes not yet done with.
    pub fn next<'a>(&mut self, buffer: &'a [u8], more: More) -> Step<'a> {
        if let Some(long) = &mut self.long {
            let (done, damage) = long.pass(buffer, more);
            self.judge.offset += done as u64;
            let Some(damage) = damage else { return Step::Need(done, 1) };
            self.long = None;
            return Step::Damage(done, damage);
        }
        let mut at = 0;
        loop {
            if self.judge.effort.is_spent() {
                return Step::Need(at, 0);
            }
            let rest = &buffer[at..];
            let distance = memchr(RECORD_SEPARATOR, rest);
            let skipped = distance.unwrap_or(rest.len());
            self.judge.effort.add_search(skipped);
            self.skip(skipped, Reason::NotAFrame);
            at += skipped;
            if distance.is_none() {
                return self.pause(at, FRAMING_SIZE, more);
            }
            match self.judge.judge(&buffer[at..], more) {
                Ok(frame) => return self.found(at, frame),
                Err(NoFrame::Need(need)) => return self.pause(at, need, more),
                Err(NoFrame::Spent) => return Step::Need(at, 0),
                Err(NoFrame::Damage(Reason::TooLong)) if self.begins_long(&buffer[at..]) => {
                    return self.next(buffer, more);
                }
                Err(NoFrame::Damage(reason)) => {
                    self.skip(1, reason);
                    at += 1;
                }
            }
        }
    }

    /// A frame, unless damage in front of it is to be reported first.
    #[inline]
    fn found<'a>(&mut self, at: usize, frame: Frame<'a>) -> Step<'a> {
        if let Some(damage) = self.damage.take() {
            return Step::Damage(at, damage);
        }
        self.judge.offset += frame.bytes.len() as u64;
        Step::Frame(at + frame.bytes.len(), frame)
    }

    fn pause<'a>(&mut self, done: usize, need: usize, more: More) -> Step<'a> {
        match self.damage {
            Some(damage) if more != More::Coming => {
                self.damage = None;
                Step::Damage(done, damage)
            }
            _ => Step::Need(done, need),
        }
    }

    fn skip(&mut self, len: usize, reason: Reason) {
        if len > 0 {
            let offset = self.judge.offset;
            let damage = self.damage.get_or_insert(Damage { offset, len: 0, reason });
            damage.len += len as u64;
            self.judge.offset += len as u64;
        }
    }

    /// From now on a header at the place where one must be states its length truthfully, or does
    /// not: then a frame over the limit is damage of its own, and ends where its header says.
    pub fn trust_lengths(&mut self, trust: bool) {
        self.trusts_lengths = trust;
    }

    /// Whether the front of `buffer` is a frame over the limit, which is skipped from now on.
    fn begins_long(&mut self, buffer: &[u8]) -> bool {
        if self.trusts_lengths && self.damage.is_none() {
            self.long = Long::begin(buffer, self.judge.offset);
        }
        self.long.is_some()
    }

    /// Passes over at most `most` frames at the front of `buffer`, as many as follow each other
    /// without any doubt, and returns how many bytes they take. Where each of them ends is added
    /// to `ends`. Nothing is skipped if the frames need a closer look: [`Deframer::next`]
    /// takes it.
    pub fn next_run(&mut self, buffer: &[u8], most: u64, ends: &mut Vec<usize>) -> usize {
        if self.damage.is_some() || self.long.is_some() || !self.judge.is_fresh() {
            return 0;
        }
        let done = whole::run(buffer, self.judge.limit, &mut self.beginning, most, ends);
        if done > 0 {
            self.judge.effort.add(ends.len());
            self.judge.offset += done as u64;
        }
        done
    }
}
