// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is to be written to the broker: frames, or lines that become messages, from standard input.

use std::os::fd::BorrowedFd;

use heka_core::os::{Input, Kind, clock, detect};
use heka_core::record::{Found, Framing, Limit, More, Oversize, Progress, Splitter};
use heka_core::report::{self, Stop, stats};
use heka_core::wire::{DEFAULT_READ_LIMIT, DEFAULT_SEVERITY, Frame, Header, Message, Template};

/// Standard input.
#[derive(Debug)]
pub(crate) struct Source {
    input: Input,
    /// `None` until it is known what comes.
    splitter: Option<Splitter>,
    progress: Progress,
    template: Template,
    /// The message made of a line.
    made: Vec<u8>,
    /// Number of the last record.
    number: u64,
    /// Whoever writes to us says the numbers.
    is_numbered: bool,
    pub(crate) has_lost: bool,
    is_ended: bool,
}

impl Source {
    pub(crate) fn new(is_numbered: bool) -> Result<Self, Stop> {
        let message = Message {
            logger: Some("heka-nats".into()),
            severity: Some(DEFAULT_SEVERITY),
            hostname: Some(clock::hostname().into()),
            ..Message::default()
        };
        Ok(Self {
            input: Input::stdin()?,
            splitter: None,
            progress: Progress::default(),
            template: Template::new(&message, None),
            made: Vec::new(),
            number: 0,
            is_numbered,
            has_lost: false,
            is_ended: false,
        })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.input.fd()
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Reads once, and hands over the messages that are complete, with their numbers.
    pub(crate) fn read(&mut self, receive: &mut impl FnMut(&Frame<'_>, u64)) -> Result<(), Stop> {
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
        receive: &mut impl FnMut(&Frame<'_>, u64),
    ) -> Result<usize, Stop> {
        let Some(splitter) = &self.splitter else { return Ok(0) };
        let mut records = splitter.records(self.input.data(), &mut self.progress, more);
        for found in records.by_ref() {
            match found {
                Found::Frame(frame) if frame.is_signal() => {
                    if let Some(number) = frame.header.sequence.filter(|_| self.is_numbered) {
                        self.number = number;
                    }
                }
                Found::Frame(ref frame) => {
                    self.number += 1;
                    stats::MESSAGES.add(1);
                    receive(frame, self.number);
                }
                Found::Record(record) => {
                    self.number += 1;
                    stats::MESSAGES.add(1);
                    self.made.clear();
                    let (uuid, now) = (clock::random_uuid(), clock::now_ns());
                    let header = Header::default();
                    let put =
                        self.template.put_frame(&mut self.made, header, uuid, now, record.text);
                    put.map_err(Stop::failed)?;
                    each_frame(&self.made, |frame| receive(frame, self.number));
                }
                Found::Damage(damage) => {
                    self.has_lost |= report::damage(self.input.name(), &damage);
                }
            }
        }
        Ok(records.done())
    }
}

/// Hands over every message of whole frames.
pub(crate) fn each_frame(frames: &[u8], mut receive: impl FnMut(&Frame<'_>)) {
    let splitter = Splitter::frames(frames.len());
    for found in splitter.records(frames, &mut Progress::default(), More::Ended) {
        if let Found::Frame(ref frame) = found {
            receive(frame);
        }
    }
}
