// SPDX-License-Identifier: MIT OR Apache-2.0
//! The input: frames, lines or arbitrary bytes, from standard input.

use std::time::Instant;

use heka_core::codec::Form;
use heka_core::net::Addr;
use heka_core::os::{Input, Kind, detect, wait};
use heka_core::record::{Found, Framing, Limit, More, Oversize, Progress, Splitter};
use heka_core::report::{self, Explain as _, Stop, stats};
use heka_core::wire::Frame;
use nix::poll::PollFlags;
use nix::sys::stat::{SFlag, fstat};

use crate::plan::{InputForm, Plan};

/// Arbitrary bytes are sent in datagrams of this size, as with socat(1).
const DATAGRAM: usize = 8192;

/// One or several records of the input.
#[derive(Debug)]
pub(crate) enum Record<'a> {
    /// Frames that can be sent unchanged.
    Run(Run<'a>),
    /// A framed message.
    Frame(&'a Frame<'a>),
    /// A position without a message, for the stage that stores positions.
    Mark(&'a [u8]),
    /// A line without its line end.
    Line(&'a [u8]),
    /// Arbitrary bytes.
    Bytes(&'a [u8]),
}

/// Consecutive frames at the front of the input.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    input: &'a mut Input,
    len: usize,
    /// The end of each frame.
    pub(crate) ends: &'a [usize],
}

impl Run<'_> {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.input.data().get(..self.len).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns an upper bound on the length of the longest message: the longest frame without its
    /// header, the header's length, and two separators.
    pub(crate) fn longest_message(&self) -> usize {
        let (bytes, mut start, mut longest) = (self.bytes(), 0, 0);
        for &end in self.ends {
            let header = bytes.get(start + 1).map_or(0, |len| usize::from(*len));
            longest = longest.max((end - start).saturating_sub(3 + header));
            start = end;
        }
        longest
    }

    /// Calls `receive` for every frame.
    pub(crate) fn each(&self, mut receive: impl FnMut(&Frame<'_>)) {
        let bytes = self.bytes();
        let splitter = Splitter::frames(bytes.len());
        for found in splitter.records(bytes, &mut Progress::default(), More::Ended) {
            if let Found::Frame(ref frame) = found {
                receive(frame);
            }
        }
    }

    /// Takes the bytes with their buffer, if that is worthwhile, and leaves `spare`.
    pub(crate) fn take(&mut self, spare: Vec<u8>) -> Result<Vec<u8>, Vec<u8>> {
        let taken = self.input.take_buffer(self.len, spare)?;
        self.len = 0;
        Ok(taken)
    }
}

impl<'a> Record<'a> {
    /// Returns the position after the record, if it carries one.
    pub(crate) fn checkpoint(&self) -> Option<&'a [u8]> {
        match self {
            Self::Frame(frame) => frame.header.checkpoint,
            Self::Run(_) | Self::Mark(_) | Self::Line(_) | Self::Bytes(_) => None,
        }
    }

    /// Returns the number of messages.
    pub(crate) fn count(&self) -> u64 {
        match self {
            Self::Run(run) => run.ends.len() as u64,
            Self::Mark(_) => 0,
            Self::Frame(_) | Self::Line(_) | Self::Bytes(_) => 1,
        }
    }
}

/// Standard input as records.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) input: Input,
    /// `None` until the kind of input is known.
    splitter: Option<Splitter>,
    progress: Progress,
    /// Whether any bytes are a record.
    is_raw: bool,
    /// Whether frames can be sent unchanged, so that runs of them need not be parsed.
    is_verbatim: bool,
    /// The ends of the frames in a run.
    ends: Vec<usize>,
    /// The byte that ends a line.
    delimiter: u8,
    /// Maximum length of a frame, and of a line.
    limit: usize,
    line_limit: usize,
    /// Whether any input was lost.
    pub(crate) has_lost: bool,
    left: u64,
    ended: bool,
    is_pipe: bool,
}

impl Source {
    /// Creates the source. Lines over `line_limit` are continued in the next message.
    pub(crate) fn new(plan: &Plan, is_verbatim: bool, line_limit: usize) -> Result<Self, Stop> {
        let delimiter = if plan.payload.null { 0 } else { b'\n' };
        let is_raw = plan.output == Form::Raw;
        let goes_by_datagram = plan.targets.iter().flatten().any(Addr::is_datagram);
        let splitter = match plan.input {
            _ if is_raw => {
                let size = if goes_by_datagram { DATAGRAM } else { usize::MAX };
                Some(Splitter::new(Framing::None, Limit { size, oversize: Oversize::Split }))
            }
            InputForm::Auto => None,
            InputForm::Heka => Some(Splitter::frames(plan.max_record)),
            InputForm::Lines => Some(lines(delimiter, line_limit)),
        };
        let input = Input::stdin()?;
        Input::expect(&["-".to_owned()]);
        let mode = fstat(input.fd()).at(input.name())?.st_mode;
        Ok(Self {
            is_pipe: SFlag::from_bits_truncate(mode) & SFlag::S_IFMT == SFlag::S_IFIFO,
            input,
            splitter,
            progress: Progress::default(),
            is_raw,
            is_verbatim,
            ends: Vec::new(),
            delimiter,
            limit: plan.max_record,
            line_limit,
            has_lost: false,
            left: plan.max_count.unwrap_or(u64::MAX),
            ended: plan.max_count == Some(0),
        })
    }

    /// Whether the input has ended.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether the input is a pipe that still holds data or has a writer: data that is not read
    /// stays the writer's responsibility.
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

    /// Reads once and passes on the complete records.
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
        if self.splitter.is_none() {
            self.splitter = match detect(self.input.data(), more) {
                Some(Kind::Frames) => Some(Splitter::frames(self.limit)),
                Some(Kind::Text) => Some(lines(self.delimiter, self.line_limit)),
                None => return Ok(()),
            };
        }
        while !self.ended {
            let Some(count) = self.deliver_next(more, receive)? else { return Ok(()) };
            stats::MESSAGES.add(count);
            self.left -= count;
            self.ended = self.left == 0;
        }
        if self.left == 0 { self.deliver_marks(more, receive) } else { Ok(()) }
    }

    /// Passes on the marks after the last message, which may have its position.
    fn deliver_marks(
        &mut self,
        more: More,
        receive: &mut impl FnMut(&mut Record<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let Some(splitter) = &self.splitter else { return Ok(()) };
        let mut records = splitter.records(self.input.data(), &mut self.progress, more);
        while let Some(frame) = records.next_signal() {
            if let Some(checkpoint) = frame.mark() {
                receive(&mut Record::Mark(checkpoint))?;
            }
        }
        Ok(())
    }

    /// Passes on the first records of the input and returns their number; `None` if more must be
    /// read.
    fn deliver_next(
        &mut self,
        more: More,
        receive: &mut impl FnMut(&mut Record<'_>) -> Result<(), Stop>,
    ) -> Result<Option<u64>, Stop> {
        let Some(splitter) = &self.splitter else { return Ok(None) };
        let mut records = splitter.records(self.input.data(), &mut self.progress, more);
        if self.is_verbatim {
            self.ends.clear();
            let len = records.run(self.left, &mut self.ends).len();
            if len > 0 {
                return self.deliver_run(len, receive).map(Some);
            }
        }
        let count = match records.next() {
            Some(Found::Frame(frame)) if frame.is_signal() => {
                if let Some(checkpoint) = frame.mark() {
                    receive(&mut Record::Mark(checkpoint))?;
                }
                Some(0)
            }
            Some(Found::Frame(frame)) => {
                receive(&mut Record::Frame(&frame))?;
                Some(1)
            }
            Some(Found::Record(record)) => {
                let text = record.text;
                receive(&mut if self.is_raw { Record::Bytes(text) } else { Record::Line(text) })?;
                Some(1)
            }
            Some(Found::Damage(damage)) => {
                self.has_lost |= report::damage(self.input.name(), &damage);
                Some(0)
            }
            None => None,
        };
        let done = records.done();
        self.input.consume(done);
        Ok(count)
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

/// Splits lines; a line over `limit` is continued in the next message.
fn lines(delimiter: u8, limit: usize) -> Splitter {
    let limit = Limit { size: limit, oversize: Oversize::Split };
    Splitter::new(Framing::Delimited(delimiter), limit)
}
