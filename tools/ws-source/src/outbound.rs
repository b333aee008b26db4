// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sends records of standard input as messages to the server.

use std::os::fd::BorrowedFd;

use bytes::Bytes;
use heka_core::net::ws::{Kind, Message};
use heka_core::os::Input;
use heka_core::record::{Found, Framing, Limit, More, Oversize, Progress, Splitter};
use heka_core::report::{self, Stop, stats};

use crate::cli::{Plan, Prefixes};

/// Reads records.
#[derive(Debug)]
pub(crate) struct Outbound {
    input: Input,
    splitter: Splitter,
    progress: Progress,
    kind: Kind,
    prefixes: Prefixes,
    /// Whether a record could not be sent.
    pub(crate) lost: bool,
}

impl Outbound {
    pub(crate) fn new(plan: &Plan) -> Result<Self, Stop> {
        let oversize = match plan.framing {
            Framing::None => Oversize::Split,
            _ => Oversize::Drop,
        };
        let limit = Limit { size: plan.options.max_message, oversize };
        Ok(Self {
            input: Input::stdin()?,
            splitter: Splitter::new(plan.framing, limit),
            progress: Progress::default(),
            kind: plan.send,
            prefixes: plan.prefixes.clone(),
            lost: false,
        })
    }

    /// Reads once and passes on the complete messages; `false` at the end of the input, whose last
    /// record needs no delimiter.
    pub(crate) fn read(&mut self, mut send: impl FnMut(Message)) -> Result<bool, Stop> {
        let more = if self.input.read()? { More::Coming } else { More::Ended };
        let (name, kind) = (self.input.name(), self.kind);
        let mut records = self.splitter.records(self.input.data(), &mut self.progress, more);
        for found in records.by_ref() {
            match found {
                Found::Record(record) => {
                    let (kind, text) =
                        self.prefixes.strip(record.text).unwrap_or((kind, record.text));
                    if kind == Kind::Binary || std::str::from_utf8(text).is_ok() {
                        send(Message { kind, data: Bytes::copy_from_slice(text) });
                    } else {
                        stats::skip(stats::Skip::Invalid, 1);
                        self.lost = true;
                        let text = "a record that is not UTF-8 is not sent (--send binary would)";
                        report::repeated(name, format_args!("{name}: {text}"));
                    }
                }
                Found::Damage(damage) => self.lost |= report::damage(name, &damage),
                Found::Frame(_) => {}
            }
        }
        let done = records.done();
        self.input.consume(done);
        Ok(more == More::Coming)
    }

    /// Returns the descriptor to wait for.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.input.fd()
    }

    /// Whether there is an incomplete record.
    pub(crate) fn has_part(&self) -> bool {
        !self.input.data().is_empty()
    }
}
