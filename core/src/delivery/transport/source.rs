// SPDX-License-Identifier: MIT OR Apache-2.0
//! The input for the broker: frames, or lines that become messages, from standard input.

use std::os::fd::BorrowedFd;

use crate::os::{Input, Kind, clock, detect};
use crate::record::{Damage, Found, Framing, Limit, More, Oversize, Progress, Splitter};
use crate::report::words::Count;
use crate::report::{self, Stop, stats};
use crate::wire::{
    self, DEFAULT_READ_LIMIT, DEFAULT_SEVERITY, Frame, Header, Message, Reason, Template,
};

/// Standard input.
#[derive(Debug)]
pub struct Source {
    input: Input,
    /// `None` until the kind of input is known.
    splitter: Option<Splitter>,
    progress: Progress,
    lines: Lines,
    /// Number of the last record.
    number: u64,
    /// Whether the input contains record numbers.
    is_numbered: bool,
    /// Whether the first number is known.
    is_placed: bool,
    /// Whether any input could not be read.
    pub has_lost: bool,
    is_ended: bool,
}

/// Converts lines to messages.
#[derive(Debug)]
struct Lines {
    template: Template,
    made: Vec<u8>,
}

impl Lines {
    /// Creates the frame for a line.
    fn make(&mut self, line: &[u8]) -> Result<&[u8], Stop> {
        self.made.clear();
        let (uuid, now) = (clock::random_uuid(), clock::now_ns());
        let put = self.template.put_frame(&mut self.made, Header::default(), uuid, now, line);
        put.map_err(Stop::failed)?;
        Ok(&self.made)
    }
}

impl Source {
    /// Reads standard input. Messages from lines get this `logger`; `is_numbered` says that the
    /// input contains record numbers.
    ///
    /// # Errors
    /// If standard input is closed.
    pub fn new(logger: &'static str, is_numbered: bool) -> Result<Self, Stop> {
        let message = Message {
            logger: Some(logger.into()),
            severity: Some(DEFAULT_SEVERITY),
            hostname: Some(clock::hostname().into()),
            ..Message::default()
        };
        Ok(Self {
            input: Input::stdin()?,
            splitter: None,
            progress: Progress::default(),
            lines: Lines { template: Template::new(&message, None), made: Vec::new() },
            number: 0,
            is_numbered,
            is_placed: false,
            has_lost: false,
            is_ended: false,
        })
    }

    /// Returns the descriptor to wait for.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.input.fd()
    }

    /// Whether the input has ended.
    pub fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Reads once, and passes on the complete messages with their numbers, or the reason why the
    /// message with a number is missing.
    ///
    /// # Errors
    /// If reading fails, or the numbering is lost.
    pub fn read(
        &mut self,
        receive: &mut impl FnMut(Result<&Frame<'_>, String>, u64),
    ) -> Result<(), Stop> {
        let more = if !self.input.read()? {
            More::Ended
        } else if self.input.is_ready()? {
            More::Coming
        } else {
            More::Idle
        };
        self.is_ended = more == More::Ended;
        if self.splitter.is_none() {
            let limit = Limit { size: DEFAULT_READ_LIMIT, oversize: Oversize::Split };
            self.splitter = match detect(self.input.data(), more) {
                Some(Kind::Frames) => Some(Splitter::frames(DEFAULT_READ_LIMIT)),
                Some(Kind::Text) => Some(Splitter::new(Framing::Delimited(b'\n'), limit)),
                None => None,
            };
        }
        let done = self.split(more, receive)?;
        self.input.consume(done);
        Ok(())
    }

    fn split(
        &mut self,
        more: More,
        receive: &mut impl FnMut(Result<&Frame<'_>, String>, u64),
    ) -> Result<usize, Stop> {
        let Some(splitter) = &self.splitter else { return Ok(0) };
        let mut records = splitter.records(self.input.data(), &mut self.progress, more);
        // Nothing inside a message may be taken for a numbered message.
        records.trust_lengths(self.is_numbered);
        for found in records.by_ref() {
            match found {
                Found::Frame(frame) if frame.is_signal() => {
                    if let Some(number) = frame.header.sequence.filter(|_| self.is_numbered) {
                        if self.is_placed && number != self.number {
                            return Err(miscounted(self.input.name(), self.number, number));
                        }
                        (self.number, self.is_placed) = (number, true);
                    }
                }
                Found::Frame(ref frame) => {
                    self.number += 1;
                    stats::MESSAGES.add(1);
                    receive(Ok(frame), self.number);
                }
                Found::Record(record) => {
                    self.number += 1;
                    stats::MESSAGES.add(1);
                    let made = self.lines.make(record.text)?;
                    each_frame(made, |frame| receive(Ok(frame), self.number));
                }
                Found::Damage(Damage::NoFrame(damage))
                    if self.is_numbered && damage.reason != Reason::CutOff =>
                {
                    let cause = long_or_end(self.input.name(), damage)?;
                    self.number += 1;
                    receive(Err(cause), self.number);
                }
                Found::Damage(damage) => {
                    self.has_lost |= report::damage(self.input.name(), &damage);
                }
            }
        }
        Ok(records.done())
    }
}

/// Returns the reason for refusing a message that is too long. After any other damage the numbers
/// are unknown, so the sending program has to start over.
fn long_or_end(name: &str, damage: wire::Damage) -> Result<String, Stop> {
    match damage.reason {
        Reason::TooLong => Ok(format!("longer than {DEFAULT_READ_LIMIT} bytes")),
        _ => Err(Stop::failed(format_args!("{name}: {damage}"))),
    }
}

fn miscounted(name: &str, came: u64, said: u64) -> Stop {
    Stop::failed(format_args!("{name}: {} came, but {said} were sent", Count(came, "message")))
}

/// Calls `receive` for every frame.
pub fn each_frame(frames: &[u8], mut receive: impl FnMut(&Frame<'_>)) {
    let splitter = Splitter::frames(frames.len());
    for found in splitter.records(frames, &mut Progress::default(), More::Ended) {
        if let Found::Frame(ref frame) = found {
            receive(frame);
        }
    }
}
