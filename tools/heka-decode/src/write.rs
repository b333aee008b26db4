// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages in the form asked for: each as it comes, only the last ones, or only their number.

use std::collections::VecDeque;

use heka_core::codec::time::Zone;
use heka_core::codec::{json, rst, sandbox_text, text};
use heka_core::os::{Output, clock};
use heka_core::report::{Stop, stats};
use heka_core::wire::Frame;

use crate::cli::{Form, Plan};

/// Writes what was selected.
pub(crate) struct Writer<'a> {
    form: &'a Form,
    zone: Zone,
    count: bool,
    /// How many of the last are kept, if only these are wanted.
    last: Option<usize>,
    kept: VecDeque<Vec<u8>>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(plan: &'a Plan) -> Self {
        Self {
            form: &plan.form,
            zone: clock::zone(),
            count: plan.count,
            last: plan.last,
            kept: VecDeque::new(),
        }
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
        self.encode(out.buffer(), frame);
        out.end_record()
    }

    fn keep(&mut self, frame: &Frame<'_>, last: usize) {
        let mut buffer = Vec::new();
        if self.kept.len() >= last {
            // The oldest one's memory serves the newest.
            buffer = self.kept.pop_front().unwrap_or_default();
            buffer.clear();
        }
        if last > 0 {
            self.encode(&mut buffer, frame);
            self.kept.push_back(buffer);
        }
    }

    #[inline]
    fn encode(&self, out: &mut Vec<u8>, frame: &Frame<'_>) {
        match self.form {
            Form::Payload(payload) => payload.put(out, &frame.view),
            Form::Json => json::put(out, &frame.view),
            Form::Text => text::put(out, &frame.view, &self.zone),
            Form::Rst => rst::put(out, &frame.view),
            Form::SandboxText => sandbox_text::put(out, &frame.view),
            Form::Heka => out.extend_from_slice(frame.bytes),
            Form::Template(template) => template.put(out, &frame.view),
        }
    }

    /// Writes what was kept for the end; a number only if it is that of all messages.
    pub(crate) fn finish(&mut self, is_complete: bool, out: &mut Output) -> Result<(), Stop> {
        for record in self.kept.drain(..) {
            out.put(&record);
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
