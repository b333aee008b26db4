// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records of standard input as messages to the server.

use bytes::Bytes;
use heka_core::exit::Stop;
use heka_core::io::Input;
use heka_core::net::ws::{Kind, Message};
use heka_core::{diag, stats};
use memchr::memchr;

use crate::cli::{Framing, Plan, Sent};

/// Reads records.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(crate) input: Input,
    framing: Framing,
    kind: Kind,
    max: usize,
    /// The rest of a record that is too long is still to come.
    skipping: bool,
    /// Something could not be sent.
    pub(crate) lost: bool,
    limiter: diag::Limiter,
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
            skipping: false,
            lost: false,
            limiter: diag::Limiter::default(),
        })
    }

    /// Reads once and hands over the messages that are complete; `false` at the end of the input,
    /// whose last record needs no end.
    pub(crate) fn read(&mut self, mut send: impl FnMut(Message)) -> Result<bool, Stop> {
        let (more, max) = (self.input.read()?, self.max);
        while let Some((skip, len, done)) = self.next(more) {
            let record = self.input.data().get(skip..skip + len).unwrap_or_default();
            let is_text = self.kind == Kind::Binary || std::str::from_utf8(record).is_ok();
            if std::mem::take(&mut self.skipping) || record.len() > max {
                self.lose(format_args!("a record of more than {max} bytes is not sent"));
            } else if is_text {
                send(Message { kind: self.kind, data: Bytes::copy_from_slice(record) });
            } else {
                self.lose("a record that is not UTF-8 is not sent (--send binary would)");
            }
            self.input.consume(done);
        }
        if self.framing != Framing::Len32 && self.input.data().len() > self.max {
            self.skipping = true;
            self.input.consume(usize::MAX);
        }
        Ok(more)
    }

    /// Where the next record begins, how long it is, and what to consume with it.
    fn next(&mut self, more: bool) -> Option<(usize, usize, usize)> {
        let data = self.input.data();
        let end = match self.framing {
            Framing::Lines => b'\n',
            Framing::Null => 0,
            Framing::Len32 => return self.next_counted(more),
        };
        match memchr(end, data) {
            Some(len) => Some((0, len, len + 1)),
            None if more || data.is_empty() => None,
            None => Some((0, data.len(), data.len())),
        }
    }

    fn next_counted(&mut self, more: bool) -> Option<(usize, usize, usize)> {
        let data = self.input.data();
        let len = match data.first_chunk::<4>() {
            Some(head) => usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX),
            None => 0,
        };
        if data.len() >= 4 && len <= self.max && data.len() - 4 >= len {
            return Some((4, len, 4 + len));
        }
        if data.len() >= 4 && len > self.max {
            // Where the next one begins is not worth guessing.
            self.lose(format_args!("a record of {len} bytes, and what follows, is not sent"));
            self.input.consume(usize::MAX);
        } else if !more && !data.is_empty() {
            self.lose("the last record is cut and not sent");
            self.input.consume(usize::MAX);
        }
        None
    }

    fn lose(&mut self, words: impl std::fmt::Display) {
        stats::SKIPPED.add(1);
        self.lost = true;
        self.limiter.warning(format_args!("(standard input): {words}"));
    }
}
