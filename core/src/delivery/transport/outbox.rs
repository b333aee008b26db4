// SPDX-License-Identifier: MIT OR Apache-2.0
//! What heka-send learns: that we are ready, what is stored, what never will be.

use crate::delivery::Refusal;
use crate::os::{Output, clock};
use crate::report::words::Count;
use crate::report::{self, Stop, stats};
use crate::wire::{Header, put_frame};

use super::numbers;

/// What came of the records at the front.
#[derive(Debug, PartialEq, Eq)]
pub enum Settled {
    /// All up to that number are stored, and how many more that is than before.
    Stored {
        /// Number of the last one.
        last: u64,
        /// How many.
        count: u64,
    },
    /// The one with that number will never be stored.
    Refused {
        /// Its number.
        last: u64,
        /// For the program that wrote it to us.
        reason: Refusal,
        /// For people.
        cause: String,
    },
}

/// The way back to the program that writes messages to us, if it reads answers.
#[derive(Debug)]
pub struct Outbox {
    out: Option<Output>,
    /// Names this process.
    run: [u8; 16],
    is_ready: bool,
    /// Messages were refused, and nobody was told who sees to that.
    pub has_refused: bool,
}

impl Outbox {
    /// Acknowledges on standard output if that is `asked` for.
    ///
    /// # Errors
    /// It cannot be written to.
    pub fn new(asked: bool) -> Result<Self, Stop> {
        let out = asked.then(Output::stdout).transpose()?;
        Ok(Self { out, run: clock::random_uuid(), is_ready: false, has_refused: false })
    }

    /// The broker is there: a program that waits for that may begin.
    ///
    /// # Errors
    /// It cannot be told.
    pub fn ready(&mut self) -> Result<(), Stop> {
        if std::mem::replace(&mut self.is_ready, true) {
            return Ok(());
        }
        self.put(Header::default());
        self.flush()
    }

    /// Tells what has come of the records at the front, as far as `next` knows it; `true` if some are
    /// stored.
    ///
    /// # Errors
    /// It cannot be told.
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

    /// Counts a refused message, and reports it if nobody is told who sees to that.
    fn refuse(&mut self, number: u64, reason: Refusal, cause: &str) {
        numbers::REFUSED.add(1);
        if self.out.is_none() {
            self.has_refused = true;
            stats::skip(skipped(reason), 1);
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

/// How a refused message is counted here.
fn skipped(reason: Refusal) -> stats::Skip {
    match reason {
        Refusal::TooLong => stats::Skip::TooLong,
        Refusal::Signature => stats::Skip::Unverified,
        Refusal::Damaged | Refusal::Rejected | Refusal::Other(_) => stats::Skip::Invalid,
    }
}
