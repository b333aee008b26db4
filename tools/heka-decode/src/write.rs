// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes messages in the requested form: each as it comes, only the last ones, or only their
//! number.

use std::collections::VecDeque;
use std::rc::Rc;

use heka_core::codec::{Encoder, Form};
use heka_core::os::Output;
use heka_core::report::{self, Stop, stats};
use heka_core::wire::{Frame, Header, MessageView, put_frame};

use crate::cli::Plan;
use crate::sort::Sorter;
use crate::tally::Tally;

/// Writes selected messages.
pub(crate) struct Writer {
    encoder: Encoder,
    count: bool,
    /// Whether the output may be rotated between any two messages.
    is_rotated: bool,
    /// Number of selected messages.
    taken: u64,
    tally: Option<Tally>,
    /// Prefix of each line: the name of the current file.
    name: Rc<str>,
    with_filename: bool,
    /// Number of last messages to keep, if only these are wanted.
    last: Option<usize>,
    kept: VecDeque<Kept>,
    /// Messages that wait for earlier ones.
    sorter: Option<Sorter>,
}

/// A frame that may be one of the last.
pub(crate) struct Kept {
    /// The file it comes from.
    name: Rc<str>,
    bytes: Vec<u8>,
    /// Start of the message.
    message: usize,
}

impl Kept {
    /// Copies a frame without its position, which only counts in the order of its source.
    pub(crate) fn of(name: &Rc<str>, frame: &Frame<'_>) -> Self {
        let mut bytes = Vec::new();
        let header = Header { checkpoint: None, ..frame.header };
        // A message from a frame always fits into one.
        let _ok = put_frame(&mut bytes, header, frame.message);
        let message = bytes.len() - frame.message.len().min(bytes.len());
        Self { name: Rc::clone(name), bytes, message }
    }

    /// Returns its size in bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Calls `use_it` with the frame.
    pub(crate) fn with_frame<T>(&self, use_it: impl FnOnce(&Frame<'_>) -> T) -> T {
        let message = self.bytes.get(self.message..).unwrap_or_default();
        // It was a valid message when it was kept.
        let view = MessageView::parse(message).unwrap_or_default();
        let header = Header::default();
        use_it(&Frame { bytes: &self.bytes, header, message, view, offset: 0 })
    }
}

impl Writer {
    pub(crate) fn new(plan: &Plan, encoder: Encoder) -> Self {
        let by = !plan.count_by.is_empty();
        Self {
            encoder,
            count: plan.count,
            is_rotated: plan.write.rotate.is_some(),
            taken: 0,
            tally: by.then(|| Tally::new(plan.count_by.clone(), plan.top)),
            name: Rc::from(""),
            with_filename: plan.with_filename,
            last: plan.last,
            kept: VecDeque::new(),
            // The order does not matter for counts.
            sorter: plan.sort.filter(|_| !by && !plan.count).map(Sorter::new),
        }
    }

    /// Sets the file of the following messages.
    pub(crate) fn begin(&mut self, file: &str) {
        if self.with_filename {
            let name = if file == "-" { "(standard input)" } else { file };
            self.name = Rc::from(format!("{name}:"));
        }
    }

    /// Returns the number of selected messages.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// Adds a message.
    #[inline]
    pub(crate) fn take(&mut self, frame: &Frame<'_>, out: &mut Output) -> Result<(), Stop> {
        self.taken += 1;
        stats::MESSAGES.add(1);
        self.put(frame, out)
    }

    #[inline]
    fn put(&mut self, frame: &Frame<'_>, out: &mut Output) -> Result<(), Stop> {
        if self.count {
            return Ok(());
        }
        if let Some(last) = self.last {
            self.keep(frame, last);
            return Ok(());
        }
        if let Some(tally) = &mut self.tally {
            tally.add(&frame.view);
            return Ok(());
        }
        if let Some(sorter) = &mut self.sorter {
            sorter.add(frame, Kept::of(&self.name, frame));
            return Ok(());
        }
        self.write(frame, out)
    }

    /// Whether frames are counted or written as they are.
    pub(crate) fn takes_frames(&self, out: &Output) -> bool {
        let is_plain =
            self.encoder.form() == Form::Heka && !self.is_rotated && !out.writes_every_record();
        self.last.is_none() && self.sorter.is_none() && (self.count || is_plain)
    }

    /// Takes the frames of `count` messages, if [`Writer::takes_frames`].
    pub(crate) fn take_frames(
        &mut self,
        frames: &[u8],
        count: u64,
        out: &mut Output,
    ) -> Result<(), Stop> {
        self.taken += count;
        stats::MESSAGES.add(count);
        if self.count { Ok(()) } else { out.put_records(frames) }
    }

    fn write(&mut self, frame: &Frame<'_>, out: &mut Output) -> Result<(), Stop> {
        out.put(self.name.as_bytes());
        self.encoder.put(out.buffer(), frame);
        out.end_record()
    }

    /// Returns the latest time added since the last call, if messages are sorted.
    pub(crate) fn take_latest(&mut self) -> Option<i64> {
        self.sorter.as_mut().and_then(Sorter::take_latest)
    }

    /// Writes the messages before which none can follow: the inputs have reached that time.
    pub(crate) fn write_sorted(&mut self, reached: i64, out: &mut Output) -> Result<(), Stop> {
        while let Some(kept) = self.sorter.as_mut().and_then(|sorter| sorter.next(reached)) {
            self.name = Rc::clone(&kept.name);
            kept.with_frame(|frame| self.write(frame, out))?;
        }
        Ok(())
    }

    /// Whether messages are written only at the end.
    pub(crate) fn is_delaying(&self) -> bool {
        self.last.is_some() || self.sorter.is_some()
    }

    /// Writes a position without a message.
    pub(crate) fn put_mark(&self, checkpoint: &[u8], out: &mut Output) {
        self.encoder.put_mark(out.buffer(), checkpoint);
    }

    fn keep(&mut self, frame: &Frame<'_>, last: usize) {
        let mut kept = Kept { name: Rc::clone(&self.name), bytes: Vec::new(), message: 0 };
        if self.kept.len() >= last {
            // Reuses the memory of the oldest.
            kept.bytes = self.kept.pop_front().map(|kept| kept.bytes).unwrap_or_default();
            kept.bytes.clear();
        }
        if last > 0 {
            kept.bytes.extend_from_slice(frame.bytes);
            kept.message = frame.bytes.len() - frame.message.len();
            self.kept.push_back(kept);
        }
    }

    /// Writes the kept messages. Further ones are written as they come.
    pub(crate) fn release(&mut self, out: &mut Output) -> Result<(), Stop> {
        self.last = None;
        for kept in std::mem::take(&mut self.kept) {
            self.name = Rc::clone(&kept.name);
            kept.with_frame(|frame| self.put(frame, out))?;
        }
        Ok(())
    }

    /// Writes what was kept for the end; counts only if they cover all messages.
    pub(crate) fn finish(&mut self, is_complete: bool, out: &mut Output) -> Result<(), Stop> {
        let last = self.last;
        self.release(out)?;
        self.write_sorted(i64::MAX, out)?;
        if let Some(late @ 1..) = self.sorter.as_ref().map(Sorter::late) {
            let s = if late == 1 { "" } else { "s" };
            report::warning(format_args!(
                "{late} message{s} out of order by more than --sort allows"
            ));
        }
        if let (Some(tally), true) = (&self.tally, is_complete) {
            tally.write(out)?;
        }
        if self.count && is_complete {
            let count = self.taken;
            let count = last.map_or(count, |last| count.min(last as u64));
            out.put(format!("{count}\n").as_bytes());
        }
        Ok(())
    }
}
