// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages in the form asked for: each as it comes, only the last ones, or only their number.

use std::collections::VecDeque;

use heka_core::codec::Encoder;
use heka_core::os::Output;
use heka_core::report::{Stop, stats};
use heka_core::wire::{Frame, Header, MessageView};

use crate::cli::Plan;

/// Writes what was selected.
pub(crate) struct Writer {
    encoder: Encoder,
    count: bool,
    /// How many of the last are kept, if only these are wanted.
    last: Option<usize>,
    kept: VecDeque<Kept>,
}

/// A frame that may be one of the last.
#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    /// Where the message begins.
    message: usize,
}

impl Writer {
    pub(crate) fn new(plan: &Plan, encoder: Encoder) -> Self {
        Self { encoder, count: plan.count, last: plan.last, kept: VecDeque::new() }
    }

    /// Takes one message.
    #[inline]
    pub(crate) fn put(&mut self, frame: &Frame<'_>, out: &mut Output) -> Result<(), Stop> {
        if self.count {
            return Ok(());
        }
        if let Some(last) = self.last {
            self.keep(frame, last);
            return Ok(());
        }
        self.encoder.put(out.buffer(), frame);
        out.end_record()
    }

    fn keep(&mut self, frame: &Frame<'_>, last: usize) {
        let mut kept = Kept::default();
        if self.kept.len() >= last {
            // The oldest one's memory serves the newest.
            kept = self.kept.pop_front().unwrap_or_default();
            kept.bytes.clear();
        }
        if last > 0 {
            kept.bytes.extend_from_slice(frame.bytes);
            kept.message = frame.bytes.len() - frame.message.len();
            self.kept.push_back(kept);
        }
    }

    /// Writes what was kept for the end; a number only if it is that of all messages.
    pub(crate) fn finish(&mut self, is_complete: bool, out: &mut Output) -> Result<(), Stop> {
        for Kept { bytes, message } in self.kept.drain(..) {
            let message = bytes.get(message..).unwrap_or_default();
            // It was a message when it was kept.
            let view = MessageView::parse(message).unwrap_or_default();
            let frame =
                Frame { bytes: &bytes, header: Header::default(), message, view, offset: 0 };
            self.encoder.put(out.buffer(), &frame);
            out.end_record()?;
        }
        if self.count && is_complete {
            let count = stats::MESSAGES.value();
            let count = self.last.map_or(count, |last| count.min(last as u64));
            out.put(format!("{count}\n").as_bytes());
        }
        Ok(())
    }
}
