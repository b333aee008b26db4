// SPDX-License-Identifier: MIT OR Apache-2.0
//! What comes in: frames, lines or any bytes, from standard input.

use std::time::Instant;

use heka_core::codec::Form;
use heka_core::net::Addr;
use heka_core::os::{Input, Kind, detect, wait};
use heka_core::report::{self, Explain as _, Stop, stats};
use heka_core::wire::{Deframer, Frame, More, Step};
use memchr::memchr;
use nix::poll::PollFlags;
use nix::sys::stat::{SFlag, fstat};

use crate::cli::{InputForm, Plan};

/// Bytes that are no records go into datagrams of this size, as with socat(1).
const DATAGRAM: usize = 8192;

/// One record of the input, or several.
#[derive(Debug)]
pub(crate) enum Record<'a> {
    /// Frames that can go out as they are.
    Run(Run<'a>),
    /// A framed message.
    Frame(&'a Frame<'a>),
    /// A line without its end.
    Line(&'a [u8]),
    /// Any bytes.
    Bytes(&'a [u8]),
}

/// Frames side by side at the front of the input.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    input: &'a mut Input,
    len: usize,
    /// Where each of them ends.
    pub(crate) ends: &'a [usize],
}

impl Run<'_> {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.input.data().get(..self.len).unwrap_or_default()
    }

    /// Hands over every frame.
    pub(crate) fn each(&self, mut receive: impl FnMut(&Frame<'_>)) {
        let mut rest = self.bytes();
        let mut deframer = Deframer::new(rest.len());
        while let Step::Frame(done, ref frame) = deframer.next(rest, More::Ended) {
            receive(frame);
            rest = rest.get(done..).unwrap_or_default();
        }
    }

    /// Takes the bytes with the buffer they are in, if it is worth it, and leaves `spare`.
    pub(crate) fn take(&mut self, spare: Vec<u8>) -> Result<Vec<u8>, Vec<u8>> {
        let taken = self.input.take_buffer(self.len, spare)?;
        self.len = 0;
        Ok(taken)
    }
}

impl<'a> Record<'a> {
    /// The position after it, if it carries one.
    pub(crate) fn checkpoint(&self) -> Option<&'a [u8]> {
        match self {
            Self::Frame(frame) => frame.header.checkpoint,
            Self::Run(_) | Self::Line(_) | Self::Bytes(_) => None,
        }
    }
}

/// How the input is cut into records.
#[derive(Debug)]
enum Splitter {
    Undecided,
    Frames(Box<Deframer>),
    Lines(Lines),
    Bytes,
}

/// How lines are found.
#[derive(Clone, Copy, Debug)]
struct Lines {
    delimiter: u8,
    /// Longest line.
    limit: usize,
    /// So much of the input's front is known to hold no delimiter.
    searched: usize,
}

/// Standard input as records.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) input: Input,
    splitter: Splitter,
    /// Frames can go out as they are, so runs of them need no closer look.
    is_verbatim: bool,
    /// Where the frames of a run end.
    ends: Vec<usize>,
    /// How lines are found if the input turns out to have some.
    lines: Lines,
    /// Most bytes that are one record if any bytes may be.
    piece: usize,
    left: u64,
    /// There was damage in the input.
    pub(crate) is_damaged: bool,
    ended: bool,
    is_pipe: bool,
}

impl Source {
    pub(crate) fn new(plan: &Plan, is_verbatim: bool) -> Result<Self, Stop> {
        let delimiter = if plan.payload.null { 0 } else { b'\n' };
        let lines = Lines { delimiter, limit: plan.max_message_size, searched: 0 };
        let splitter = match (plan.output, plan.input) {
            (Form::Raw, _) => Splitter::Bytes,
            (_, InputForm::Auto) => Splitter::Undecided,
            (_, InputForm::Heka) => {
                Splitter::Frames(Box::new(Deframer::new(plan.max_message_size)))
            }
            (_, InputForm::Lines) => Splitter::Lines(lines),
        };
        let goes_by_datagram = plan.targets.iter().flatten().any(Addr::is_datagram);
        let input = Input::stdin()?;
        Input::expect(&["-".to_owned()]);
        let mode = fstat(input.fd()).at(input.name())?.st_mode;
        Ok(Self {
            is_pipe: SFlag::from_bits_truncate(mode) & SFlag::S_IFMT == SFlag::S_IFIFO,
            input,
            splitter,
            is_verbatim,
            ends: Vec::new(),
            lines,
            piece: if goes_by_datagram { DATAGRAM } else { usize::MAX },
            left: plan.max_count.unwrap_or(u64::MAX),
            is_damaged: false,
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
        receive: &mut impl FnMut(&mut Record<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        if self.input.read()? {
            let idle = !self.input.is_ready()?;
            self.deliver(if idle { More::Idle } else { More::Coming }, receive)
        } else {
            self.deliver(More::Ended, receive)?;
            self.ended = true;
            Ok(())
        }
    }

    fn deliver(
        &mut self,
        more: More,
        receive: &mut impl FnMut(&mut Record<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        if matches!(self.splitter, Splitter::Undecided) {
            match detect(self.input.data(), more) {
                Some(Kind::Frames) => {
                    self.splitter = Splitter::Frames(Box::new(Deframer::new(self.lines.limit)));
                }
                Some(Kind::Text) => self.splitter = Splitter::Lines(self.lines),
                None => return Ok(()),
            }
        }
        while !self.ended {
            let Some(count) = self.deliver_next(more, receive)? else { return Ok(()) };
            stats::MESSAGES.add(count);
            self.left -= count;
            self.ended = self.left == 0;
        }
        Ok(())
    }

    /// Hands over what stands first in the input and returns how many records that were; `None` if
    /// more has to be read.
    fn deliver_next(
        &mut self,
        more: More,
        receive: &mut impl FnMut(&mut Record<'_>) -> Result<(), Stop>,
    ) -> Result<Option<u64>, Stop> {
        let data = self.input.data();
        let done = match &mut self.splitter {
            Splitter::Frames(deframer) => {
                self.ends.clear();
                if self.is_verbatim {
                    let len = deframer.next_run(data, self.left, &mut self.ends);
                    if len > 0 {
                        return self.deliver_run(len, receive).map(Some);
                    }
                }
                match deframer.next(data, more) {
                    Step::Frame(done, frame) if frame.is_signal() => {
                        self.input.consume(done);
                        return Ok(Some(0));
                    }
                    Step::Frame(done, frame) => {
                        receive(&mut Record::Frame(&frame))?;
                        done
                    }
                    Step::Damage(done, damage) => {
                        self.is_damaged = true;
                        stats::SKIPPED.add(1);
                        let name = self.input.name();
                        report::repeated(
                            format_args!("{name}: damage"),
                            format_args!("{name}: {damage}"),
                        );
                        self.input.consume(done);
                        return Ok(Some(0));
                    }
                    Step::Need(done, _) => {
                        self.input.consume(done);
                        return Ok(None);
                    }
                }
            }
            Splitter::Lines(lines) => {
                let Some((done, line)) = lines.next(data, more) else { return Ok(None) };
                receive(&mut Record::Line(line))?;
                done
            }
            Splitter::Undecided => return Ok(None),
            Splitter::Bytes if data.is_empty() => return Ok(None),
            Splitter::Bytes => {
                let piece = data.get(..self.piece).unwrap_or(data);
                receive(&mut Record::Bytes(piece))?;
                piece.len()
            }
        };
        self.input.consume(done);
        Ok(Some(1))
    }

    fn deliver_run(
        &mut self,
        len: usize,
        receive: &mut impl FnMut(&mut Record<'_>) -> Result<(), Stop>,
    ) -> Result<u64, Stop> {
        let mut record = Record::Run(Run { input: &mut self.input, len, ends: &self.ends });
        receive(&mut record)?;
        if let Record::Run(run) = record {
            let left = run.len;
            run.input.consume(left);
        }
        Ok(self.ends.len() as u64)
    }
}

impl Lines {
    /// The next line and how many bytes it takes with its end. One that exceeds the limit is cut
    /// there, and the last one needs no end.
    fn next<'a>(&mut self, data: &'a [u8], more: More) -> Option<(usize, &'a [u8])> {
        let within = data.get(..self.limit.saturating_add(1)).unwrap_or(data);
        let from = std::mem::take(&mut self.searched);
        match memchr(self.delimiter, within.get(from..).unwrap_or_default()) {
            Some(len) => Some((from + len + 1, &data[..from + len])),
            None if within.len() > self.limit => Some((self.limit, &data[..self.limit])),
            None if more == More::Ended && !data.is_empty() => Some((data.len(), data)),
            None => {
                self.searched = within.len();
                None
            }
        }
    }
}
