// SPDX-License-Identifier: MIT OR Apache-2.0
//! What comes in: frames, lines or any bytes, from standard input.

use std::time::Instant;

use heka_core::diag;
use heka_core::exit::{Explain as _, Stop};
use heka_core::io::{Input, wait};
use heka_core::stats;
use heka_core::stream::{Kind, detect};
use heka_core::wire::{Behind, Deframer, Frame, Step};
use memchr::memchr;
use nix::poll::PollFlags;
use nix::sys::stat::{SFlag, fstat};

use crate::cli::{InputForm, OutputForm, Plan};

/// One record of the input.
#[derive(Debug)]
pub(crate) enum Record<'a> {
    /// A framed message.
    Frame(&'a Frame<'a>),
    /// A line without its end.
    Line(&'a [u8]),
    /// Any bytes.
    Bytes(&'a [u8]),
}

impl Record<'_> {
    /// The position after it, if it carries one.
    pub(crate) fn checkpoint(&self) -> Option<&[u8]> {
        match self {
            Self::Frame(frame) => frame.header.checkpoint,
            Self::Line(_) | Self::Bytes(_) => None,
        }
    }
}

/// How the input is cut into records.
#[derive(Debug)]
enum Splitter {
    Undecided,
    Frames(Deframer),
    Lines,
    Bytes,
}

/// Standard input as records.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) input: Input,
    splitter: Splitter,
    delimiter: u8,
    limit: usize,
    left: u64,
    ended: bool,
    is_pipe: bool,
}

impl Source {
    pub(crate) fn new(plan: &Plan) -> Result<Self, Stop> {
        let splitter = match (plan.output, plan.input) {
            (OutputForm::Raw, _) => Splitter::Bytes,
            (_, InputForm::Auto) => Splitter::Undecided,
            (_, InputForm::Heka) => Splitter::Frames(Deframer::new(plan.max_message_size)),
            (_, InputForm::Lines) => Splitter::Lines,
        };
        let input = Input::stdin()?;
        let mode = fstat(input.fd()).at(input.name())?.st_mode;
        Ok(Self {
            is_pipe: SFlag::from_bits_truncate(mode) & SFlag::S_IFMT == SFlag::S_IFIFO,
            input,
            splitter,
            delimiter: if plan.payload.null { 0 } else { b'\n' },
            limit: plan.max_message_size,
            left: plan.max_count.unwrap_or(u64::MAX),
            ended: plan.max_count == Some(0),
        })
    }

    /// Whether no record will come any more.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether there is nothing in it but what a writer could still take back by not writing it:
    /// a pipe that holds data, or whose writer is there.
    ///
    /// # Errors
    /// A signal.
    pub(crate) fn is_pipe_in_use(&self) -> Result<bool, Stop> {
        if !self.is_pipe {
            return Ok(false);
        }
        let ready = wait(&[(self.input.fd(), PollFlags::POLLIN)], Some(Instant::now()))?;
        Ok(ready.first() != Some(&PollFlags::POLLHUP))
    }

    /// Reads once and hands over the records that are complete.
    pub(crate) fn read(
        &mut self,
        receive: &mut impl FnMut(&Record<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        if self.input.read()? {
            let idle = !self.input.is_ready()?;
            self.deliver(if idle { Behind::Idle } else { Behind::More }, receive)
        } else {
            self.deliver(Behind::End, receive)?;
            self.ended = true;
            Ok(())
        }
    }

    fn deliver(
        &mut self,
        behind: Behind,
        receive: &mut impl FnMut(&Record<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        if matches!(self.splitter, Splitter::Undecided) {
            match detect(self.input.data(), behind) {
                Some(Kind::Frames) => self.splitter = Splitter::Frames(Deframer::new(self.limit)),
                Some(Kind::Text) => self.splitter = Splitter::Lines,
                None => return Ok(()),
            }
        }
        while !self.ended {
            let data = self.input.data();
            let done = match &mut self.splitter {
                Splitter::Frames(deframer) => match deframer.next(data, behind) {
                    Step::Frame(done, frame) => {
                        receive(&Record::Frame(&frame))?;
                        done
                    }
                    Step::Damage(done, damage) => {
                        stats::SKIPPED.add(1);
                        diag::warning(format_args!("{}: {damage}", self.input.name()));
                        self.input.consume(done);
                        continue;
                    }
                    Step::Need(done, _) => {
                        self.input.consume(done);
                        return Ok(());
                    }
                },
                Splitter::Lines | Splitter::Undecided => {
                    let Some((done, line)) = next_line(data, self.delimiter, behind, self.limit)
                    else {
                        return Ok(());
                    };
                    receive(&Record::Line(line))?;
                    done
                }
                Splitter::Bytes if data.is_empty() => return Ok(()),
                Splitter::Bytes => {
                    receive(&Record::Bytes(data))?;
                    data.len()
                }
            };
            self.input.consume(done);
            stats::MESSAGES.add(1);
            self.left -= 1;
            self.ended = self.left == 0;
        }
        Ok(())
    }
}

/// The next line and how many bytes it takes with its end. One that exceeds `limit` is cut there,
/// and the last one needs no end.
fn next_line(data: &[u8], delimiter: u8, behind: Behind, limit: usize) -> Option<(usize, &[u8])> {
    let within = data.get(..limit.saturating_add(1)).unwrap_or(data);
    match memchr(delimiter, within) {
        Some(end) => Some((end + 1, &data[..end])),
        None if within.len() > limit => Some((limit, &data[..limit])),
        None if behind == Behind::End && !data.is_empty() => Some((data.len(), data)),
        None => None,
    }
}
