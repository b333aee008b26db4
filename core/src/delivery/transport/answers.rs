// SPDX-License-Identifier: MIT OR Apache-2.0
//! What heka-listen says of the messages that it gets: which are safe, and which it refuses.

use std::os::fd::BorrowedFd;

use crate::delivery::Refusal;
use crate::os::Input;
use crate::record::{Found, More, Progress, Splitter};
use crate::report::{self, Stop, stats};

/// Longest frame that is understood.
const MAX_ANSWER: usize = 1024;

/// Answers on standard input.
#[derive(Debug)]
pub(super) struct Answers {
    input: Input,
    splitter: Splitter,
    progress: Progress,
    /// Number of the last record that nothing is left to do about.
    done: u64,
    /// Some of them were refused.
    pub(super) has_refused: bool,
}

impl Answers {
    /// Reads them from standard input.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn new() -> Result<Self, Stop> {
        Ok(Self {
            input: Input::stdin()?,
            splitter: Splitter::frames(MAX_ANSWER),
            progress: Progress::default(),
            done: 0,
            has_refused: false,
        })
    }

    /// What to wait for.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.input.fd()
    }

    /// Number of the last record that nothing is left to do about.
    pub(super) fn done(&self) -> u64 {
        self.done
    }

    /// Takes what there is without waiting; `false` at the end.
    ///
    /// # Errors
    /// Nothing can be read.
    pub(super) fn take(&mut self) -> Result<bool, Stop> {
        while self.input.is_ready()? {
            if !self.input.read()? {
                return Ok(false);
            }
            let mut records =
                self.splitter.records(self.input.data(), &mut self.progress, More::Idle);
            for found in records.by_ref() {
                let Found::Frame(frame) = found else { continue };
                let Some(number) = frame.header.acknowledged else { continue };
                self.done = self.done.max(number);
                if let Some(reason) = frame.header.refused.map(Refusal::from) {
                    let count = frame.header.refused_count.unwrap_or(1);
                    self.has_refused = true;
                    stats::skip(stats::Skip::TooLong, count);
                    let text = format_args!("message {number} refused: {reason}");
                    report::repeated("refused messages", text);
                }
            }
            let done = records.done();
            self.input.consume(done);
        }
        Ok(true)
    }
}
