// SPDX-License-Identifier: MIT OR Apache-2.0
//! The frame reader: it goes from 0x1e to 0x1e and merges adjacent damage.

use memchr::memchr;

use super::judge::{Judge, NoFrame};
use super::long::Long;
use super::members::Beginning;
use super::{Damage, FRAMING_SIZE, Frame, More, RECORD_SEPARATOR, Reason, Step, whole};

/// Finds frames in a stream that arrives in pieces of any size.
#[derive(Clone, Debug)]
pub struct Deframer {
    judge: Judge,
    damage: Option<Damage>,
    /// How the messages of this stream begin.
    beginning: Beginning,
    trusts_lengths: bool,
    /// The frame that is being skipped.
    long: Option<Long>,
}

impl Deframer {
    /// Creates a deframer for messages of up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self::at(limit, 0)
    }

    /// Like [`Deframer::new`], for an input whose first byte is at `offset`.
    pub fn at(limit: usize, offset: u64) -> Self {
        Self {
            judge: Judge::new(limit, offset),
            damage: None,
            beginning: Beginning::NONE,
            trusts_lengths: false,
            long: None,
        }
    }

    /// Returns the limit on the length of a message, in bytes.
    pub fn limit(&self) -> usize {
        self.judge.limit
    }

    /// Returns the input offset of the first byte of the buffer.
    pub fn offset(&self) -> u64 {
        self.judge.offset
    }

    /// Returns the work done so far: one step for each header and member read, and for every 64
    /// bytes searched for a 0x1e. It is proportional to the size of the input, whatever the input
    /// is.
    pub fn work(&self) -> u64 {
        self.judge.effort.done
    }

    /// Stops soon after `steps` more steps of [`Deframer::work`]; [`Step::Need`] then needs 0
    /// bytes. Without a call there is no such limit.
    pub fn allow(&mut self, steps: u64) {
        self.judge.effort.allowed = self.judge.effort.done.saturating_add(steps);
    }

    /// Examines `buffer`, which holds the bytes that have not been consumed.
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

    /// Returns a frame, unless damage before it must be reported first.
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

    /// Sets whether lengths in headers can be relied on. If so, a frame over the limit is damage of
    /// its own that ends where its header says.
    pub fn trust_lengths(&mut self, trust: bool) {
        self.trusts_lengths = trust;
    }

    /// Whether `buffer` begins with a frame over the limit; such a frame is skipped from now on.
    fn begins_long(&mut self, buffer: &[u8]) -> bool {
        if self.trusts_lengths && self.damage.is_none() {
            self.long = Long::begin(buffer, self.judge.offset);
        }
        self.long.is_some()
    }

    /// Skips up to `most` consecutive valid frames at the front of `buffer` and returns their size
    /// in bytes. The end of each is appended to `ends`. Returns 0 if the frames need a closer
    /// examination by [`Deframer::next`].
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
