// SPDX-License-Identifier: MIT OR Apache-2.0
//! The walk over the bytes at hand.

use super::boundary::{End, Lines, find_byte};
use super::framing::{Prefix, length, octet_count};
use super::splitter::{Kind, State};
use super::{Damage, Framing, More, Oversize, Progress, Splitter, TooLong, Turn, cut};
use crate::wire::{Deframer, Frame, Step};

/// What stands in a stream.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::large_enum_variant, reason = "frames are a usual variant; they stay on the stack")]
pub enum Found<'a> {
    /// A record, or a part of one, of any framing but Heka's.
    Record(Record<'a>),
    /// A Heka frame.
    Frame(Frame<'a>),
    /// Something that its reader is to be told of.
    Damage(Damage<'a>),
}

/// A record, borrowed from the buffer it was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its bytes, without what frames it.
    pub text: &'a [u8],
    /// The same, with the delimiter if that is one byte.
    pub whole: &'a [u8],
    /// Where it begins in the stream.
    pub offset: u64,
    /// How much of a record this is.
    pub part: Part,
}

/// How much of a record there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it, or its last piece.
    Whole,
    /// A piece that the limit allows; the next one follows.
    Piece,
    /// The beginning; the rest is left out.
    Truncated,
}

/// Where a record ends.
enum Ends {
    At(End),
    /// Farther away than the limit allows.
    Beyond,
    /// Not in what is there.
    Open,
}

/// The records of the bytes at hand, one after the other. Once there are no more,
/// [`Records::done`] tells how many bytes are done with: the others are to be shown again, with
/// what follows them.
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

    /// So many bytes are done with.
    #[inline]
    pub fn done(&self) -> usize {
        self.at
    }

    /// Another look at those that are left is worth it when there are so many.
    pub fn need(&self) -> usize {
        self.need
    }

    /// Whether the next bytes belong to a record that is left out.
    pub fn is_skipping(&self) -> bool {
        self.progress.is_skipping()
    }

    /// At most `most` Heka frames that follow each other without any doubt, of which nothing is
    /// known but where each ends: that is added to `ends`, counted from the first one's beginning.
    /// None, if what is next needs a closer look.
    pub fn run(&mut self, most: u64, ends: &mut Vec<usize>) -> &'a [u8] {
        let rest = self.rest();
        let Kind::Framing(Framing::Heka) = self.splitter.kind else { return &[] };
        let len = self.deframer().next_run(rest, most, ends);
        self.advance(len);
        rest.get(..len).unwrap_or_default()
    }

    /// All whole records, if it can be told at a glance that none of them is over the limit.
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

    /// The next one, with no more work than `turn` has left. Once the turn is over there may be
    /// more, in what is not done with.
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

    /// Whether nothing inside a Heka frame is to be taken for a frame, whatever follows it.
    pub fn trust_lengths(&mut self, trusts: bool) {
        if matches!(self.splitter.kind, Kind::Framing(Framing::Heka)) {
            self.deframer().trust_lengths(trusts);
        }
    }

    /// As [`Records::run`], with no more work than `turn` has left.
    pub fn run_within(&mut self, most: u64, ends: &mut Vec<usize>, turn: &mut Turn) -> &'a [u8] {
        let before = self.allow(turn);
        let run = self.run(most, ends);
        turn.spend(self.work() - before);
        run
    }

    /// Limits the work on frames; returns how much there has been.
    fn allow(&mut self, turn: &Turn) -> u64 {
        if matches!(self.splitter.kind, Kind::Framing(Framing::Heka)) {
            self.deframer().allow(turn.left());
        }
        self.work()
    }

    fn work(&self) -> u64 {
        self.progress.deframer.as_ref().map_or(0, |deframer| deframer.work())
    }

    /// A record of usual length that a byte ends.
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
            Kind::Framing(Framing::OctetCount) => match octet_count(rest) {
                Ok(prefix) => self.by_length(rest, prefix),
                Err(cause) => {
                    self.progress.state = State::Lost;
                    let offset = self.progress.offset;
                    Some(Found::Damage(Damage::NoLength { offset, cause }))
                }
            },
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

    /// Hands out a record, behind which the next one begins.
    fn take(&mut self, rest: &'a [u8], end: End, part: Part) -> Found<'a> {
        let offset = self.progress.offset;
        self.progress.begin();
        self.advance(end.used);
        let text = rest.get(..end.text).unwrap_or_default();
        let whole = rest.get(..end.whole).unwrap_or_default();
        Found::Record(Record { text, whole, offset, part })
    }

    /// Leaves bytes out; `false` if more of them are to come.
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

    /// There is only the beginning of a record, which needs so many bytes.
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
        let Splitter { limit, lines, .. } = self.splitter;
        if self.progress.state == State::Truncating {
            return Some(self.piece(rest, cut(rest, limit.size), Part::Truncated));
        }
        let within = rest.get(..limit.size.saturating_add(self.splitter.reach())).unwrap_or(rest);
        let more = if within.len() < rest.len() { More::Coming } else { self.more };
        let ends = match lines {
            None => self.record_end(within, more),
            Some(lines) => self.group_end(lines.as_ref(), within, more),
        };
        match ends {
            Ends::At(end) => Some(self.take(rest, end, Part::Whole)),
            Ends::Beyond => Some(self.too_long(rest)),
            Ends::Open => {
                self.need = rest.len() + 1;
                None
            }
        }
    }

    /// Where the record ends that `within` begins with, of which the limit allows no more.
    fn record_end(&mut self, within: &[u8], more: More) -> Ends {
        let limit = self.splitter.limit.size;
        let end = self.find_end(within, more);
        let end = end.or_else(|| (more == More::Ended).then(|| End::all(within.len())));
        match end {
            Some(end) if end.text <= limit => Ends::At(end),
            None if within.len() < limit.saturating_add(self.splitter.reach()) => Ends::Open,
            _ => Ends::Beyond,
        }
    }

    /// Where the record, or line, ends that `data` begins with.
    fn find_end(&mut self, data: &[u8], more: More) -> Option<End> {
        if let Some(end) = self.progress.known.take() {
            return Some(end);
        }
        // An end that may go on is not waited for beyond the limit, where memory would grow.
        let is_full = data.len() > self.splitter.limit.size && more == More::Coming;
        let more = if is_full { More::Idle } else { more };
        self.splitter.find_end(data, &mut self.progress.search, more)
    }

    /// Where the group of lines ends that `within` begins with.
    fn group_end(&mut self, lines: &dyn Lines, within: &[u8], more: More) -> Ends {
        let limit = self.splitter.limit.size;
        loop {
            let start = self.progress.line;
            let line = within.get(start..).unwrap_or_default();
            let Some(end) = self.find_end(line, more) else {
                return self.last_line(lines, within, more);
            };
            let group = end.behind(start);
            let before = self.progress.before;
            let is_next = before.is_some() && lines.begins(line.get(..end.whole).unwrap_or(line));
            if is_next || group.text > limit {
                self.progress.known = before.map(|_| end);
                return before.filter(|_| is_next).map_or(Ends::Beyond, Ends::At);
            }
            self.progress.before = Some(group);
            self.progress.line = group.used;
            self.progress.search = Default::default();
        }
    }

    /// The same, where no line ends behind those that are known.
    fn last_line(&self, lines: &dyn Lines, within: &[u8], more: More) -> Ends {
        let limit = self.splitter.limit.size;
        let line = within.get(self.progress.line..).unwrap_or_default();
        let is_full = within.len() >= limit.saturating_add(self.splitter.reach());
        match self.progress.before {
            Some(before) if line.is_empty() && more != More::Coming => Ends::At(before),
            Some(before) if more == More::Idle => Ends::At(before),
            // As much of it as there is tells whether it belongs to the others.
            Some(before) if is_full && lines.begins(line) => Ends::At(before),
            _ if is_full || within.len() > limit && more == More::Ended => Ends::Beyond,
            _ if more == More::Ended => Ends::At(End::all(within.len())),
            _ => Ends::Open,
        }
    }

    /// A record over the limit: tells of it, and then hands out what there is to hand out.
    #[cold]
    fn too_long(&mut self, rest: &'a [u8]) -> Found<'a> {
        let limit = self.splitter.limit;
        // A group is split between its lines.
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

    /// Hands out a part of a record that is too long.
    fn piece(&mut self, rest: &'a [u8], len: usize, part: Part) -> Found<'a> {
        let offset = self.progress.offset;
        let text = self.progress.before.map_or(len, |before| before.text);
        match self.progress.before.take() {
            // What was searched is the line behind it.
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
