// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reports to heka-send: readiness, stored messages, refused messages.

use crate::delivery::Refusal;
use crate::os::{Output, clock};
use crate::report::words::Count;
use crate::report::{self, Stop, stats};
use crate::wire::{Header, put_frame};

use super::numbers;

/// The outcome of the oldest records.
#[derive(Debug, PartialEq, Eq)]
pub enum Settled {
    /// All records up to a number are stored.
    Stored {
        /// The number of the last one.
        last: u64,
        /// How many were added.
        count: u64,
    },
    /// A record will never be stored.
    Refused {
        /// The number of the record.
        last: u64,
        /// The reason, for the program that sent it.
        reason: Refusal,
        /// The cause, for people.
        cause: String,
    },
}

/// The channel back to the program that sends messages, if it reads answers.
#[derive(Debug)]
pub struct Outbox {
    out: Option<Output>,
    /// Identifies this process.
    run: [u8; 16],
    is_ready: bool,
    /// Whether messages were refused without anybody being notified.
    pub has_refused: bool,
}

impl Outbox {
    /// Creates an outbox that acknowledges on standard output if `asked`.
    ///
    /// # Errors
    /// If standard output is closed.
    pub fn new(asked: bool) -> Result<Self, Stop> {
        let out = asked.then(Output::stdout).transpose()?;
        Ok(Self { out, run: clock::random_uuid(), is_ready: false, has_refused: false })
    }

    /// Reports that the broker is connected, for a program that waits for that.
    ///
    /// # Errors
    /// If writing fails.
    pub fn ready(&mut self) -> Result<(), Stop> {
        if std::mem::replace(&mut self.is_ready, true) {
            return Ok(());
        }
        self.put(Header::default());
        self.flush()
    }

    /// Reports the outcome of the oldest records, as far as `next` knows it; `true` if some are
    /// stored.
    ///
    /// # Errors
    /// If writing fails.
    pub fn tell(&mut self, mut next: impl FnMut() -> Option<Settled>) -> Result<bool, Stop> {
        let mut has_stored = false;
        let run = self.run;
        while let Some(settled) = next() {
            let (last, refused) = match settled {
                Settled::Stored { last, count } => {
                    has_stored = true;
                    numbers::ACKNOWLEDGED.add(count);
                    (last, None)
                }
                Settled::Refused { last, reason, cause } => {
                    self.refuse(last, reason, &cause);
                    (last, Some(reason.number()))
                }
            };
            let (stream_id, acknowledged) = (Some(run.as_slice()), Some(last));
            self.put(Header { stream_id, acknowledged, refused, ..Header::default() });
        }
        self.flush()?;
        Ok(has_stored)
    }

    /// Counts a refused message, and reports it on stderr if nobody reads answers.
    fn refuse(&mut self, number: u64, reason: Refusal, cause: &str) {
        numbers::REFUSED.add(1);
        if self.out.is_none() {
            self.has_refused = true;
            stats::skip(reason.skip(), 1);
            let text = format_args!("message {number} dropped: {cause}");
            report::repeated("messages that are refused", text);
        }
    }

    /// Reports that `count` messages were not acknowledged, and never will be.
    pub fn report_lost(&self, count: u64) {
        if count > 0 && self.out.is_none() {
            report::error(format_args!("{} not acknowledged", Count(count, "message")));
        }
    }

    fn put(&mut self, header: Header<'_>) {
        if let Some(out) = &mut self.out {
            // A header of a few bytes always fits.
            let _fits = put_frame(out.buffer(), header, &[]);
        }
    }

    /// Writes the pending answers.
    fn flush(&mut self) -> Result<(), Stop> {
        self.out.as_mut().map_or(Ok(()), Output::flush)
    }
}
