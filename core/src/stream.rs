// SPDX-License-Identifier: MIT OR Apache-2.0
//! Heka streams as files and pipes: an [`Input`] deframed, with its damage reported.

use std::ops::ControlFlow;

use crate::exit::Stop;
use crate::io::{Input, Output};
use crate::wire::framing::{RECORD_SEPARATOR, UNIT_SEPARATOR};
use crate::wire::{Behind, Deframer, Frame, Header, Step};
use crate::{diag, stats};

/// What a stream of unknown origin consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Framed messages.
    Frames,
    /// Lines of text, or anything else.
    Text,
}

/// Tells frames from text by the first bytes of a stream; `None` if more of them are needed.
pub fn detect(data: &[u8], behind: Behind) -> Option<Kind> {
    let undecided = if behind == Behind::End { Some(Kind::Text) } else { None };
    match data {
        [] => None,
        [RECORD_SEPARATOR] => undecided,
        [RECORD_SEPARATOR, header_len, rest @ ..] => {
            let (header, separator) = match rest.split_at_checked(usize::from(*header_len)) {
                Some((header, [separator, ..])) => (header, *separator),
                _ => return undecided,
            };
            let is_frame = separator == UNIT_SEPARATOR && Header::parse(header).is_ok();
            Some(if is_frame { Kind::Frames } else { Kind::Text })
        }
        _ => Some(Kind::Text),
    }
}

/// Reads frames from an input; skips damage and tells of it.
#[derive(Debug)]
pub struct FrameReader {
    input: Input,
    deframer: Deframer,
    need: usize,
    damages: u64,
}

/// What a receiver of frames says after each: go on, or that it has enough.
pub type Flow = Result<ControlFlow<()>, Stop>;

impl FrameReader {
    /// Reads frames with messages of up to `limit` bytes from `input`, whose next byte is at
    /// `offset`.
    pub fn new(input: Input, limit: usize, offset: u64) -> Self {
        Self { input, deframer: Deframer::at(limit, offset), need: 0, damages: 0 }
    }

    /// How many stretches of damage were met.
    pub fn damages(&self) -> u64 {
        self.damages
    }

    /// The input itself.
    pub fn input(&self) -> &Input {
        &self.input
    }

    /// Hands every frame to `receive`, to the end of the input or until it has enough.
    ///
    /// # Errors
    /// As [`Input::fill`], and whatever `receive` says.
    pub fn read_all(
        &mut self,
        out: &mut Output,
        mut receive: impl FnMut(&Frame<'_>, &mut Output) -> Flow,
    ) -> Flow {
        loop {
            let more = self.fill(out, &mut receive)?;
            let behind = if more { Behind::More } else { Behind::End };
            if self.deliver(behind, out, &mut receive)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if !more {
                return Ok(ControlFlow::Continue(()));
            }
        }
    }

    /// Hands over the frames of what has been read.
    ///
    /// # Errors
    /// Whatever `receive` says.
    pub fn deliver(
        &mut self,
        behind: Behind,
        out: &mut Output,
        receive: &mut impl FnMut(&Frame<'_>, &mut Output) -> Flow,
    ) -> Flow {
        loop {
            match self.deframer.next(self.input.data(), behind) {
                Step::Frame(done, frame) => {
                    let flow = receive(&frame, out)?;
                    self.input.consume(done);
                    if flow.is_break() {
                        return Ok(flow);
                    }
                }
                Step::Damage(done, damage) => {
                    self.input.consume(done);
                    self.damages += 1;
                    stats::SKIPPED.add(1);
                    diag::warning(format_args!("{}: {damage}", self.input.name()));
                }
                Step::Need(done, need) => {
                    self.input.consume(done);
                    self.need = need;
                    return Ok(ControlFlow::Continue(()));
                }
            }
        }
    }

    /// Reads until another look is worth it; `false` at the end of the input. Before it waits,
    /// what can be delivered is.
    fn fill(
        &mut self,
        out: &mut Output,
        receive: &mut impl FnMut(&Frame<'_>, &mut Output) -> Flow,
    ) -> Result<bool, Stop> {
        loop {
            if !self.input.is_ready()? {
                let _: ControlFlow<()> = self.deliver(Behind::Idle, out, receive)?;
            }
            if !self.input.fill(out)? {
                return Ok(false);
            }
            if self.input.data().len() >= self.need {
                return Ok(true);
            }
        }
    }
}
