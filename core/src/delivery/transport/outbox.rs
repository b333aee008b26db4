// SPDX-License-Identifier: MIT OR Apache-2.0
//! What heka-send learns: that we are ready, what is stored, what never will be.

use crate::delivery::Refusal;
use crate::os::{Output, clock};
use crate::report::words::Count;
use crate::report::{self, Stop, stats};
use crate::wire::{Header, put_frame};

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
        self.tell(Header::default())?;
        self.flush()
    }

    /// Everything up to number `last` is stored.
    ///
    /// # Errors
    /// It cannot be told.
    pub fn stored(&mut self, last: u64) -> Result<(), Stop> {
        let run = self.run;
        let (stream_id, acknowledged) = (Some(run.as_slice()), Some(last));
        self.tell(Header { stream_id, acknowledged, ..Header::default() })
    }

    /// The message with that number will never be stored, for that `reason`; `cause` is for people.
    ///
    /// # Errors
    /// It cannot be told.
    pub fn refused(&mut self, last: u64, reason: Refusal, cause: &str) -> Result<(), Stop> {
        if self.out.is_none() {
            self.has_refused = true;
            stats::skip(skipped(reason), 1);
            let text = format_args!("message {last} dropped: {cause}");
            report::repeated("messages that are refused", text);
        }
        let run = self.run;
        let refused = Some(reason.number());
        let (stream_id, acknowledged) = (Some(run.as_slice()), Some(last));
        self.tell(Header { stream_id, acknowledged, refused, ..Header::default() })
    }

    /// Reports that `count` messages were not acknowledged, and never will be.
    pub fn report_lost(&self, count: u64) {
        if count > 0 && self.out.is_none() {
            report::error(format_args!("{} not acknowledged", Count(count, "message")));
        }
    }

    fn tell(&mut self, header: Header<'_>) -> Result<(), Stop> {
        let Some(out) = &mut self.out else { return Ok(()) };
        // A header of a few bytes always fits.
        let _fits = put_frame(out.buffer(), header, &[]);
        Ok(())
    }

    /// Writes the pending answers.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn flush(&mut self) -> Result<(), Stop> {
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
