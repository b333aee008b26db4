// SPDX-License-Identifier: MIT OR Apache-2.0
//! Iterates over the available bytes.

use super::boundary::{End, find_byte};
use super::ending::{Ends, Look};
use super::framing::{Prefix, docker, length, length_le, octet_count, syslog_count};
use super::splitter::{Kind, State};
use super::{
    Damage, Found, Framing, More, Oversize, Part, Progress, Record, Splitter, TooLong, Turn, cut,
};
use crate::wire::{Deframer, Frame, Step};

/// The records in the available bytes. After the last one, [`Records::done`] is the number of bytes
/// consumed; the rest has to be passed again together with the bytes that follow.
#[derive(Debug)]
pub struct Records<'a, 's> {
    splitter: &'s Splitter,
    progress: &'s mut Progress,
    data: &'a [u8],
    more: More,
    at: usize,
    need: usize,
}

impl<'a> Iterator for Records<'a, '_> {
    type Item = Found<'a>;

    #[inline]
    fn next(&mut self) -> Option<Found<'a>> {
        match self.next_plain() {
            Some(record) => Some(Found::Record(record)),
            None => self.next_of_any(),
        }
    }
}

impl<'a, 's> Records<'a, 's> {
    #[inline]
    pub(super) fn new(
        splitter: &'s Splitter,
        progress: &'s mut Progress,
        data: &'a [u8],
        more: More,
    ) -> Self {
        Self { splitter, progress, data, more, at: 0, need: 0 }
    }

    /// Returns the number of bytes consumed.
    #[inline]
    pub fn done(&self) -> usize {
        self.at
    }

    /// Returns the next frame if it is not a message, but a signal between stages.
    pub fn next_signal(&mut self) -> Option<Frame<'a>> {
        match self.next() {
            Some(Found::Frame(frame)) if frame.is_signal() => Some(frame),
            _ => None,
        }
    }

    /// Returns the number of bytes that must be available before another call is worthwhile.
    pub fn need(&self) -> usize {
        self.need
    }

    /// Whether the next bytes belong to a record that is being skipped.
    pub fn is_skipping(&self) -> bool {
        self.progress.is_skipping()
    }

    /// Returns up to `most` consecutive valid Heka frames without parsing them. The end of each,
    /// relative to the start of the first, is appended to `ends`. Returns nothing if the next bytes
    /// need closer examination.
    pub fn run(&mut self, most: u64, ends: &mut Vec<usize>) -> &'a [u8] {
        let rest = self.rest();
        let Kind::Framing(Framing::Heka) = self.splitter.kind else { return &[] };
        let len = self.deframer().next_run(rest, most, ends);
        self.advance(len);
        rest.get(..len).unwrap_or_default()
    }

    /// Returns all complete records, provided that none of them can be over the limit.
    pub fn whole(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest();
        if self.progress.state != State::Reading || rest.len() > self.splitter.limit.size {
            return None;
        }
        let len = match (self.splitter.plain, &self.splitter.kind) {
            (Some(byte), _) => {
                let searched = self.progress.search.searched;
                let unseen = rest.get(searched..).unwrap_or_default();
                let len = memchr::memrchr(byte, unseen).map_or(0, |last| searched + last + 1);
                self.progress.search.searched = rest.len() - len;
                len
            }
            (None, Kind::Framing(Framing::None)) => rest.len(),
            _ => return None,
        };
        self.advance(len);
        rest.get(..len)
    }

    /// Returns the next item, using at most the work that `turn` has left. After the turn is over,
    /// more items may be left in the unconsumed bytes.
    pub fn next_within(&mut self, turn: &mut Turn) -> Option<Found<'a>> {
        if turn.is_over() {
            return None;
        }
        let before = (self.at, self.allow(turn));
        let found = self.next();
        turn.spend(self.work() - before.1);
        match found {
            Some(Found::Damage(_)) => turn.spend_record(0),
            Some(_) => turn.spend_record(self.at - before.0),
            None => {}
        }
        found
    }

    /// Sets whether lengths of Heka frames are trusted, so that nothing inside a frame is taken for
    /// a frame.
    pub fn trust_lengths(&mut self, trusts: bool) {
        if matches!(self.splitter.kind, Kind::Framing(Framing::Heka)) {
            self.deframer().trust_lengths(trusts);
        }
    }

    /// Like [`Records::run`], using at most the work that `turn` has left.
    pub fn run_within(&mut self, most: u64, ends: &mut Vec<usize>, turn: &mut Turn) -> &'a [u8] {
        let before = self.allow(turn);
        let run = self.run(most, ends);
        turn.spend(self.work() - before);
        run
    }

    /// Limits the work on frames; returns the work done so far.
    fn allow(&mut self, turn: &Turn) -> u64 {
        if matches!(self.splitter.kind, Kind::Framing(Framing::Heka)) {
            self.deframer().allow(turn.left());
        }
        self.work()
    }

    fn work(&self) -> u64 {
        self.progress.deframer.as_ref().map_or(0, |deframer| deframer.work())
    }

    /// Returns a record of usual length that ends with a single byte.
    #[inline]
    fn next_plain(&mut self) -> Option<Record<'a>> {
        let byte = self.splitter.plain?;
        if self.progress.state != State::Reading {
            return None;
        }
        let rest = self.data.get(self.at..)?;
        let within = rest.get(..=self.splitter.limit.size).unwrap_or(rest);
        let end = find_byte(byte, within, &mut self.progress.search)?;
        self.progress.search.searched = 0;
        let offset = self.progress.offset;
        self.advance(end.used);
        let (text, whole) = (rest.get(..end.text)?, rest.get(..end.whole)?);
        Some(Record { text, whole, offset, part: Part::Whole })
    }

    #[inline(never)]
    fn next_of_any(&mut self) -> Option<Found<'a>> {
        self.need = 0;
        while self.progress.is_skipping() && !self.rest().is_empty() {
            if !self.skip() {
                return None;
            }
        }
        let rest = self.rest();
        let splitter = self.splitter;
        match splitter.kind {
            Kind::Framing(Framing::Heka) => self.by_frame(rest),
            _ if rest.is_empty() => {
                if self.more == More::Ended {
                    self.progress.begin();
                }
                None
            }
            Kind::Framing(Framing::Length(width)) => self.by_length(rest, length(width, rest)),
            Kind::Framing(Framing::LengthLe(width)) => self.by_length(rest, length_le(width, rest)),
            Kind::Framing(Framing::Syslog) => self.by_count_or_line(rest),
            Kind::Framing(Framing::OctetCount) => self.by_prefix(rest, octet_count(rest)),
            Kind::Framing(Framing::Docker) => self.by_prefix(rest, docker(rest)),
            Kind::Framing(Framing::None) => {
                let piece = rest.get(..splitter.limit.size).unwrap_or(rest);
                Some(self.take(rest, End::all(piece.len()), Part::Whole))
            }
            _ => self.by_end(rest),
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.data.get(self.at..).unwrap_or_default()
    }

    #[inline]
    fn advance(&mut self, len: usize) {
        self.at += len;
        self.progress.offset += len as u64;
    }

    /// Returns a record and moves on to the next one.
    fn take(&mut self, rest: &'a [u8], end: End, part: Part) -> Found<'a> {
        let offset = self.progress.offset;
        self.progress.begin();
        self.advance(end.used);
        let text = rest.get(..end.text).unwrap_or_default();
        let whole = rest.get(..end.whole).unwrap_or_default();
        Found::Record(Record { text, whole, offset, part })
    }

    /// Skips bytes; `false` if more of them are to come.
    fn skip(&mut self) -> bool {
        let rest = self.rest();
        if let State::SkippingBytes(left) = self.progress.state {
            let len = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
            self.advance(len);
            self.progress.state = match left - len as u64 {
                0 => State::Reading,
                left => State::SkippingBytes(left),
            };
            return true;
        }
        if self.progress.state == State::Lost {
            self.advance(rest.len());
            return false;
        }
        let end = self.splitter.find_end(rest, &mut self.progress.search, self.more);
        let (len, is_ended) = match end {
            Some(end) => (end.used, true),
            None if self.more == More::Ended => (rest.len(), true),
            // A delimiter may have begun in the last bytes.
            None => (rest.len().saturating_sub(self.splitter.reach() - 1), false),
        };
        self.advance(len);
        if is_ended {
            self.progress.begin();
        } else {
            self.progress.search.shift(len);
        }
        is_ended
    }

    fn deframer(&mut self) -> &mut Deframer {
        let (limit, offset) = (self.splitter.limit.size, self.progress.offset);
        self.progress.deframer.get_or_insert_with(|| Box::new(Deframer::at(limit, offset)))
    }

    fn by_frame(&mut self, rest: &'a [u8]) -> Option<Found<'a>> {
        let more = self.more;
        match self.deframer().next(rest, more) {
            Step::Frame(done, frame) => {
                self.advance(done);
                Some(Found::Frame(frame))
            }
            Step::Damage(done, damage) => {
                self.advance(done);
                Some(Found::Damage(Damage::NoFrame(damage)))
            }
            Step::Need(done, need) => {
                self.advance(done);
                self.need = need;
                None
            }
        }
    }

    /// Like [`Records::by_length`] for a syslog message, whose length prefix may be wrong.
    fn by_count_or_line(&mut self, rest: &'a [u8]) -> Option<Found<'a>> {
        let begins = self.progress.state == State::Reading && !self.progress.search.is_inside;
        match syslog_count(rest).filter(|_| begins) {
            // Digits at the end of the input are a line.
            Some(None) if self.more == More::Ended => self.by_end(rest),
            Some(prefix) => self.by_length(rest, prefix),
            None => self.by_end(rest),
        }
    }

    fn by_prefix(
        &mut self,
        rest: &'a [u8],
        prefix: Result<Prefix, &'static str>,
    ) -> Option<Found<'a>> {
        match prefix {
            Ok(prefix) => self.by_length(rest, prefix),
            Err(cause) => {
                self.progress.state = State::Lost;
                let offset = self.progress.offset;
                Some(Found::Damage(Damage::NoLength { offset, cause }))
            }
        }
    }

    fn by_length(&mut self, rest: &'a [u8], prefix: Prefix) -> Option<Found<'a>> {
        let offset = self.progress.offset;
        let Some((width, length)) = prefix else { return self.cut_off(rest, rest.len() + 1) };
        let len = usize::try_from(length).unwrap_or(usize::MAX);
        let limit = self.splitter.limit.size;
        let behind = rest.get(width..).unwrap_or_default();
        if len > limit {
            self.advance(width);
            self.progress.state = State::SkippingBytes(length);
            let (oversize, start) = (Oversize::Drop, behind.get(..len).unwrap_or(behind));
            return Some(Found::Damage(Damage::TooLong(TooLong {
                offset,
                limit,
                oversize,
                start,
            })));
        }
        match behind.get(..len) {
            Some(text) => {
                self.advance(width + len);
                Some(Found::Record(Record { text, whole: text, offset, part: Part::Whole }))
            }
            None => self.cut_off(rest, width + len),
        }
    }

    /// Handles the incomplete beginning of a record that needs `need` bytes.
    fn cut_off(&mut self, rest: &[u8], need: usize) -> Option<Found<'a>> {
        if self.more != More::Ended {
            self.need = need;
            return None;
        }
        let (offset, len) = (self.progress.offset, rest.len());
        self.advance(len);
        Some(Found::Damage(Damage::CutOff { offset, len }))
    }

    fn by_end(&mut self, rest: &'a [u8]) -> Option<Found<'a>> {
        let limit = self.splitter.limit;
        if self.progress.state == State::Truncating {
            return Some(self.piece(rest, cut(rest, limit.size), Part::Truncated));
        }
        let within = rest.get(..limit.size.saturating_add(self.splitter.reach())).unwrap_or(rest);
        let more = if within.len() < rest.len() { More::Coming } else { self.more };
        let look = Look { splitter: self.splitter, progress: &mut *self.progress };
        match look.for_end(within, more) {
            Ends::At(end) => Some(self.take(rest, end, Part::Whole)),
            Ends::Beyond => Some(self.too_long(rest)),
            Ends::Open => {
                self.need = rest.len() + 1;
                None
            }
        }
    }

    /// Handles a record over the limit: first the damage, then the pieces that the limit allows.
    #[cold]
    fn too_long(&mut self, rest: &'a [u8]) -> Found<'a> {
        let limit = self.splitter.limit;
        // A group is split between lines.
        let oversize = match self.progress.before {
            Some(_) => Oversize::Split,
            None => limit.oversize,
        };
        if self.progress.state == State::Splitting && oversize == Oversize::Split {
            let len = match self.progress.before {
                Some(before) => before.used,
                None => cut(rest, limit.size),
            };
            return self.piece(rest, len, Part::Piece);
        }
        self.progress.state = match oversize {
            Oversize::Split => State::Splitting,
            Oversize::Truncate => State::Truncating,
            Oversize::Drop => State::Skipping,
        };
        Found::Damage(Damage::TooLong(TooLong {
            offset: self.progress.offset,
            limit: limit.size,
            oversize,
            start: rest.get(..limit.size).unwrap_or(rest),
        }))
    }

    /// Returns a part of a record over the limit.
    fn piece(&mut self, rest: &'a [u8], len: usize, part: Part) -> Found<'a> {
        let offset = self.progress.offset;
        let text = self.progress.before.map_or(len, |before| before.text);
        match self.progress.before.take() {
            // The searched bytes belong to the next line.
            Some(_) => self.progress.line = 0,
            None => self.progress.search.shift(len),
        }
        if part == Part::Truncated {
            self.progress.state = State::Skipping;
        }
        self.advance(len);
        let text = rest.get(..text).unwrap_or_default();
        Found::Record(Record { text, whole: rest.get(..len).unwrap_or_default(), offset, part })
    }
}
