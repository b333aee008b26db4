// SPDX-License-Identifier: MIT OR Apache-2.0
//! Decides whether a 0x1e starts a frame.
//!
//! A frame is first tried by itself, which costs no more than reading it. If that fails late or
//! leaves a doubt, the bytes examined may hold many more frame starts. These are followed together
//! (see [`Survey`]), so that no member is read again for each of them.

use super::candidates::Fate;
use super::effort::Effort;
use super::head::{NoHeader, split};
use super::survey::Survey;
use super::{Frame, More, RECORD_SEPARATOR, Reason};
use crate::wire::varint::Malformed;
use crate::wire::view::{MessageView, Progress};

/// Number of members that may be read in vain before other candidates among them are considered.
const PATIENCE: usize = 16;

/// What is known about the bytes at the front of the buffer.
#[derive(Clone, Debug)]
pub(super) struct Judge {
    pub(super) limit: usize,
    /// Input offset of the first byte of the buffer.
    pub(super) offset: u64,
    pub(super) effort: Effort,
    /// The part of the unfinished message at the front that is known to be valid, so that a slow
    /// sender of many small members does not cause rereading from the beginning.
    checked: Checked,
    /// Everything before this offset has been examined in vain.
    walked: u64,
    survey: Option<Box<Survey>>,
}

/// The beginning of an unfinished message.
#[derive(Clone, Copy, Debug, Default)]
struct Checked {
    /// Offset of its frame.
    offset: u64,
    /// Number of valid bytes.
    len: usize,
    /// Number of members in these bytes.
    members: usize,
}

/// The reason why a 0x1e does not, or not yet, start a frame.
#[derive(Clone, Copy)]
pub(super) enum NoFrame {
    Damage(Reason),
    /// More bytes are needed: the total number.
    Need(usize),
    /// The work allowance is used up.
    Spent,
}

impl Judge {
    pub(super) fn new(limit: usize, offset: u64) -> Self {
        Self {
            limit,
            offset,
            effort: Effort::UNLIMITED,
            checked: Checked::default(),
            walked: 0,
            survey: None,
        }
    }

    /// Whether the front of the buffer has not been examined, and more work is allowed.
    #[inline]
    pub(super) fn is_fresh(&self) -> bool {
        self.offset >= self.walked && !self.effort.is_spent()
    }

    /// Judges the 0x1e at the front of `buffer`.
    #[inline]
    pub(super) fn judge<'a>(&mut self, buffer: &'a [u8], more: More) -> Result<Frame<'a>, NoFrame> {
        if self.offset < self.walked {
            return self.judge_among_others(buffer, more);
        }
        let frame = self.examine(buffer, more);
        match frame {
            Ok(frame) if buffer.get(frame.bytes.len()) != Some(&RECORD_SEPARATOR) => {
                self.judge_unfollowed(frame, buffer, more)
            }
            Err(NoFrame::Spent) => self.judge_among_others(buffer, more),
            _ => frame,
        }
    }

    /// Judges the 0x1e at the front of `buffer` without regard to others. [`NoFrame::Spent`] means
    /// that a survey is needed.
    #[inline]
    fn examine<'a>(&mut self, buffer: &'a [u8], more: More) -> Result<Frame<'a>, NoFrame> {
        let (header, start, len) = match split(buffer, self.limit) {
            Ok(parts) => parts,
            Err(no_header) => return Err(self.without_header(&no_header, buffer, more)),
        };
        let whole = start + len;
        let Some(message) = buffer.get(start..whole) else {
            return Err(self.examine_unfinished(buffer, start, whole, more));
        };
        let mut view = MessageView::default();
        let mut progress = Progress::default();
        let is_message = view.read(message, &mut progress).is_ok();
        self.effort.add(1 + progress.members);
        if !is_message {
            self.note_walk(start, whole, progress.members, progress);
            return Err(NoFrame::Damage(Reason::BadMessage));
        }
        let bytes = &buffer[..whole];
        Ok(Frame { bytes, header, message, view, offset: self.offset })
    }

    fn without_header(&mut self, no_header: &NoHeader, buffer: &[u8], more: More) -> NoFrame {
        self.effort.add(1 + buffer.get(1).map_or(0, |len| usize::from(*len) / 8));
        match *no_header {
            NoHeader::Damage(reason) => NoFrame::Damage(reason),
            NoHeader::Need(_) if more == More::Ended => NoFrame::Damage(Reason::CutOff),
            NoHeader::Need(need) => NoFrame::Need(need),
        }
    }

    /// Like `examine`, for a frame that ends at `whole`, beyond the buffer.
    fn examine_unfinished(
        &mut self,
        buffer: &[u8],
        start: usize,
        whole: usize,
        more: More,
    ) -> NoFrame {
        let known = match self.checked {
            checked if checked.offset == self.offset => checked,
            _ => Checked { offset: self.offset, ..Checked::default() },
        };
        let unchecked = buffer.get(start + known.len..).unwrap_or_default();
        let (view, progress) = MessageView::parse_counting(unchecked);
        self.effort.add(1 + progress.members);
        let members = known.members + progress.members;
        let len = known.len + progress.checked;
        if view.is_err_and(|malformed| malformed == Malformed::Invalid) {
            self.note_walk(start + known.len, buffer.len(), members, progress);
            return NoFrame::Damage(Reason::BadMessage);
        }
        if more == More::Ended {
            self.note_walk(start + known.len, buffer.len(), members, progress);
            return NoFrame::Damage(Reason::CutOff);
        }
        if progress.in_group && members > PATIENCE {
            // Parts of a group would have to be read again.
            self.note_walk(start + known.len, buffer.len(), members, progress);
            return NoFrame::Spent;
        }
        // The last member has to be read again.
        let members = members - usize::from(progress.members > 0);
        self.checked = Checked { len, members, ..known };
        NoFrame::Need(whole)
    }

    /// Records how far an examination from `start` got in vain: as far as `progress` says, at most
    /// up to `end`.
    fn note_walk(&mut self, start: usize, end: usize, members: usize, progress: Progress) {
        if members > PATIENCE {
            let len = if progress.in_group { end } else { start + progress.checked + 1 };
            self.walked = self.walked.max(self.offset + len as u64);
        }
    }

    /// Judges a frame that is not followed by another. It may be a truncated frame whose length
    /// reaches into the frames after it.
    fn judge_unfollowed<'a>(
        &mut self,
        frame: Frame<'a>,
        buffer: &'a [u8],
        more: More,
    ) -> Result<Frame<'a>, NoFrame> {
        let end = frame.bytes.len();
        let is_last = buffer.get(end).is_none();
        if (is_last && more != More::Coming) || !self.may_hold_another(&frame) {
            return Ok(frame);
        }
        if is_last {
            return Err(NoFrame::Need(end + 1));
        }
        self.walked = self.walked.max(self.offset + end as u64);
        self.judge_among_others(buffer, more)
    }

    /// Whether another frame may start inside `frame` and extend beyond its end.
    fn may_hold_another(&mut self, frame: &Frame<'_>) -> bool {
        let bytes = frame.bytes;
        let body = bytes.len() - frame.message.len();
        self.effort.add_search(bytes.len());
        memchr::memchr_iter(RECORD_SEPARATOR, frame.message).any(|position| {
            self.effort.add(1);
            let inner = &bytes[body + position..];
            match split(inner, self.limit) {
                Ok((_, start, len)) => start + len > inner.len(),
                Err(NoHeader::Need(_)) => true,
                Err(NoHeader::Damage(_)) => false,
            }
        })
    }

    /// Judges the 0x1e at the front of `buffer` together with other candidates that share members
    /// with it.
    fn judge_among_others<'a>(
        &mut self,
        buffer: &'a [u8],
        more: More,
    ) -> Result<Frame<'a>, NoFrame> {
        let (start, len) = match split(buffer, self.limit) {
            Ok((_, start, len)) => (start, len),
            Err(no_header) => return Err(self.without_header(&no_header, buffer, more)),
        };
        let whole = start + len;
        self.survey_to(buffer, whole)?;
        let fate = self.survey.as_mut().and_then(|survey| survey.front_fate(self.offset));
        match fate {
            Some(Fate::None) => return Err(NoFrame::Damage(Reason::BadMessage)),
            Some(Fate::Open) if whole > buffer.len() => {
                return Err(match more {
                    More::Ended => NoFrame::Damage(Reason::CutOff),
                    More::Coming | More::Idle => NoFrame::Need(whole),
                });
            }
            Some(Fate::Frame) => match self.swallowed(buffer, whole, more) {
                None => {}
                Some(no_frame) => return Err(no_frame),
            },
            // The frame is too large for a survey.
            Some(Fate::Open) | None => {}
        }
        self.examine(buffer, more)
    }

    /// Makes sure that all candidates up to `target` are known, as far as there are bytes.
    fn survey_to(&mut self, buffer: &[u8], target: usize) -> Result<(), NoFrame> {
        let end = self.offset + target.min(buffer.len()) as u64;
        self.walked = self.walked.max(end);
        if self.survey.as_ref().is_none_or(|survey| survey.is_passed(self.offset)) {
            self.survey = Some(Box::new(Survey::new(self.offset, self.limit)));
        }
        let Some(survey) = &mut self.survey else { return Ok(()) };
        let Some(window) = survey.window(buffer, self.offset) else { return Ok(()) };
        let is_done = survey.advance(window, self.walked, self.limit, &mut self.effort);
        if is_done { Ok(()) } else { Err(NoFrame::Spent) }
    }

    /// Whether the frame at the front of `buffer`, which ends at `whole`, is damage that swallowed
    /// the start of an intact frame.
    fn swallowed(&mut self, buffer: &[u8], whole: usize, more: More) -> Option<NoFrame> {
        let next = buffer.get(whole);
        if next == Some(&RECORD_SEPARATOR) || (next.is_none() && more != More::Coming) {
            return None;
        }
        loop {
            self.effort.add(1);
            let inner = self.survey.as_ref()?.first_beyond(self.offset + whole as u64)?;
            if next.is_none() {
                return Some(NoFrame::Need(whole + 1));
            }
            let need = self.need_of(inner, buffer);
            if let Some(need) = need
                && let Err(no_frame) = self.survey_to(buffer, need)
            {
                return Some(no_frame);
            }
            let survey = self.survey.as_mut()?;
            match (survey.fate(inner), need) {
                (Fate::Frame, _) => return Some(NoFrame::Damage(Reason::BadMessage)),
                (Fate::Open, Some(need)) if need > buffer.len() && more != More::Ended => {
                    return Some(NoFrame::Need(need));
                }
                _ => survey.refuse(inner),
            }
        }
    }

    /// Returns the number of bytes of `buffer` that are needed to decide about a candidate or to
    /// read its header.
    fn need_of(&self, inner: u32, buffer: &[u8]) -> Option<usize> {
        let (start, end) = self.survey.as_ref()?.extent(inner)?;
        let within = |offset: u64| usize::try_from(offset - self.offset).ok();
        match end {
            Some(end) => within(end),
            None => match split(buffer.get(within(start)?..)?, self.limit) {
                Err(NoHeader::Need(need)) => Some(within(start)? + need),
                Err(NoHeader::Damage(_)) | Ok(_) => None,
            },
        }
    }
}
