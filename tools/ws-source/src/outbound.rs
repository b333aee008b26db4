// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records of standard input as messages to the server.

use bytes::Bytes;
use heka_core::net::ws::{Kind, Message};
use heka_core::os::Input;
use heka_core::report::{self, Stop, stats};
use memchr::memchr;

use crate::cli::{Framing, Plan, Sent};

/// Reads records.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(crate) input: Input,
    framing: Framing,
    kind: Kind,
    max: usize,
    /// What is still to come of a record that is too long.
    rest: Rest,
    /// Something could not be sent.
    pub(crate) lost: bool,
}

/// What is to be thrown away.
#[derive(Clone, Copy, Debug)]
enum Rest {
    Nothing,
    Bytes(usize),
    /// Everything up to this byte, and that too.
    UntilByte(u8),
}

/// What comes next in the input.
enum Found {
    /// A record of `len` bytes, between `head` and `tail` bytes that are not part of it.
    Record { head: usize, len: usize, tail: usize },
    /// One that is too long: `rest` of it, behind `head` bytes.
    TooLong { head: usize, rest: Rest },
    /// The beginning of one, and the end of the input.
    Cut,
    /// Nothing that is complete.
    Nothing,
}

impl Outbound {
    pub(crate) fn new(plan: &Plan) -> Result<Self, Stop> {
        Ok(Self {
            input: Input::stdin()?,
            framing: plan.framing,
            kind: match plan.send {
                Sent::Text => Kind::Text,
                Sent::Binary => Kind::Binary,
            },
            max: plan.options.max_message,
            rest: Rest::Nothing,
            lost: false,
        })
    }

    /// Reads once and hands over the messages that are complete; `false` at the end of the input,
    /// whose last record needs no end.
    pub(crate) fn read(&mut self, mut send: impl FnMut(Message)) -> Result<bool, Stop> {
        let more = self.input.read()?;
        loop {
            self.pass_over();
            match self.next(more) {
                Found::Record { head, len, tail } => {
                    let data = self.input.data();
                    let record = Bytes::copy_from_slice(data.get(head..head + len).unwrap_or(data));
                    self.input.consume(head + len + tail);
                    if self.kind == Kind::Binary || std::str::from_utf8(&record).is_ok() {
                        send(Message { kind: self.kind, data: record });
                    } else {
                        self.lose("a record that is not UTF-8 is not sent (--send binary would)");
                    }
                }
                Found::TooLong { head, rest } => {
                    self.input.consume(head);
                    self.rest = rest;
                    let max = self.max;
                    self.lose(format_args!("a record of more than {max} bytes is not sent"));
                }
                Found::Cut => {
                    self.input.consume(usize::MAX);
                    self.lose("the last record is cut and not sent");
                }
                Found::Nothing => return Ok(more),
            }
        }
    }

    /// Throws away what there is of a record that is too long.
    fn pass_over(&mut self) {
        let data = self.input.data();
        let (len, rest) = match self.rest {
            Rest::Nothing => return,
            Rest::Bytes(left) if left > data.len() => (data.len(), Rest::Bytes(left - data.len())),
            Rest::Bytes(left) => (left, Rest::Nothing),
            Rest::UntilByte(end) => match memchr(end, data) {
                Some(len) => (len + 1, Rest::Nothing),
                None => (data.len(), Rest::UntilByte(end)),
            },
        };
        self.input.consume(len);
        self.rest = rest;
    }

    /// Looks for the next record.
    fn next(&self, more: bool) -> Found {
        let data = self.input.data();
        let end = match self.framing {
            Framing::Lines => b'\n',
            Framing::Null => 0,
            Framing::Len32 => return self.next_counted(more),
        };
        match memchr(end, data) {
            Some(len) if len > self.max => Found::TooLong { head: 0, rest: Rest::Bytes(len + 1) },
            Some(len) => Found::Record { head: 0, len, tail: 1 },
            None if data.len() > self.max => Found::TooLong { head: 0, rest: Rest::UntilByte(end) },
            None if more || data.is_empty() => Found::Nothing,
            None => Found::Record { head: 0, len: data.len(), tail: 0 },
        }
    }

    fn next_counted(&self, more: bool) -> Found {
        let data = self.input.data();
        let Some((head, data)) = data.split_first_chunk::<4>() else {
            return if more || data.is_empty() { Found::Nothing } else { Found::Cut };
        };
        let len = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
        if len > self.max {
            Found::TooLong { head: 4, rest: Rest::Bytes(len) }
        } else if len <= data.len() {
            Found::Record { head: 4, len, tail: 0 }
        } else if more {
            Found::Nothing
        } else {
            Found::Cut
        }
    }

    fn lose(&mut self, words: impl std::fmt::Display) {
        stats::SKIPPED.add(1);
        self.lost = true;
        report::repeated("(standard input)", format_args!("(standard input): {words}"));
    }
}
