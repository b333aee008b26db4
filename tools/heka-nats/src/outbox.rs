// SPDX-License-Identifier: MIT OR Apache-2.0
//! What heka-send learns: that we are ready, what is stored, what never will be.

use heka_core::delivery::Refusal;
use heka_core::os::{Output, clock};
use heka_core::report::words::Count;
use heka_core::report::{self, Stop, stats};
use heka_core::wire::{Header, put_frame};

use crate::numbers;

/// The way back to the program that writes messages to us, if it reads answers.
#[derive(Debug)]
pub(crate) struct Outbox {
    out: Option<Output>,
    /// Names this process.
    run: [u8; 16],
    is_ready: bool,
    /// Messages that were refused.
    pub(crate) has_refused: bool,
}

impl Outbox {
    /// Acknowledges on standard output if that is `asked` for.
    pub(crate) fn new(asked: bool) -> Result<Self, Stop> {
        let out = asked.then(Output::stdout).transpose()?;
        Ok(Self { out, run: clock::random_uuid(), is_ready: false, has_refused: false })
    }

    /// The broker is there: a program that waits for that may begin.
    pub(crate) fn ready(&mut self) -> Result<(), Stop> {
        if std::mem::replace(&mut self.is_ready, true) {
            return Ok(());
        }
        self.tell(Header::default())?;
        self.flush()
    }

    /// Everything up to number `last` is stored, `count` messages more than before.
    pub(crate) fn stored(&mut self, last: u64, count: u64) -> Result<(), Stop> {
        numbers::ACKNOWLEDGED.add(count);
        let run = self.run;
        let (stream_id, acknowledged) = (Some(run.as_slice()), Some(last));
        self.tell(Header { stream_id, acknowledged, ..Header::default() })
    }

    /// The message with that number will never be stored.
    pub(crate) fn refused(&mut self, last: u64, cause: &str) -> Result<(), Stop> {
        numbers::REFUSED.add(1);
        self.has_refused = true;
        if self.out.is_none() {
            stats::skip(stats::Skip::TooLong, 1);
            let text = format_args!("message {last} dropped: {cause}");
            report::repeated("messages that are too long", text);
        }
        let run = self.run;
        let refused = Some(Refusal::TooLong.number());
        let (stream_id, acknowledged) = (Some(run.as_slice()), Some(last));
        self.tell(Header { stream_id, acknowledged, refused, ..Header::default() })
    }

    /// So many messages were not acknowledged, and never will be.
    pub(crate) fn report_lost(&self, count: u64) {
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
    pub(crate) fn flush(&mut self) -> Result<(), Stop> {
        self.out.as_mut().map_or(Ok(()), Output::flush)
    }
}
