// SPDX-License-Identifier: MIT OR Apache-2.0
//! The common parts of text and framed input: the decoder, the treatment of unparsed records, and
//! the positions of dropped messages.

use std::fmt::Display;

use heka_core::cli::{UNPARSED, Unparsed};
use heka_core::decode::Decoder;
use heka_core::delivery::Marks;
use heka_core::os::Output;
use heka_core::record::Oversize;
use heka_core::report::{self, Status, Stop};
use heka_core::wire::{Draft, Header, MessageView, Value};

use crate::emit::Emitter;
use crate::join::{Held, Joiner};
use crate::numbers;
use crate::plan::Plan;

/// How much longer than a message its text may be: an escape takes six bytes for one, in addition
/// to base64.
pub(crate) const TEXT_PER_MESSAGE: usize = 10;

/// The processing of all files.
pub(crate) struct Stage<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) emitter: Emitter<'a>,
    /// Number of records still wanted.
    pub(crate) left: u64,
    /// Number of records that could not be parsed.
    pub(crate) misfits: u64,
    pub(crate) status: Status,
    pub(crate) decoder: Option<Decoder>,
    /// The note about a record that could not be parsed.
    pub(crate) note: Draft,
    words: String,
    /// File for such records, if any.
    spill: Option<Output>,
    /// Parts of incomplete records.
    pub(crate) joiner: Joiner,
    /// Positions of dropped messages.
    pub(crate) marks: Marks,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(plan: &'a Plan, emitter: Emitter<'a>) -> Result<Self, Stop> {
        Ok(Self {
            plan,
            emitter,
            left: plan.max_count,
            misfits: 0,
            status: Status::Done,
            decoder: plan.decoder.clone(),
            note: Draft::new(plan.max_record),
            words: String::new(),
            spill: plan.unparsed.open()?,
            joiner: Joiner::new(plan.max_record.saturating_mul(TEXT_PER_MESSAGE)),
            marks: Marks::default(),
        })
    }

    /// Writes a record whose end has not arrived.
    pub(crate) fn put_held(&mut self, held: Held, out: &mut Output) -> Result<(), Stop> {
        let (message, checkpoint) = held.into_message();
        self.emitter.put_message(message, checkpoint.as_deref(), out)
    }

    /// Writes all records whose end has not arrived.
    pub(crate) fn put_all_held(&mut self, out: &mut Output) -> Result<(), Stop> {
        while let Some(held) = self.joiner.take_first() {
            self.put_held(held, out)?;
        }
        Ok(())
    }

    /// Reports a record that cannot be parsed; returns whether it is forwarded, with a note in it.
    pub(crate) fn tell_unparsed(&mut self, place: impl Display, cause: impl Display) -> bool {
        use std::fmt::Write as _;
        self.misfits += 1;
        numbers::UNPARSED.add(1);
        let done = self.plan.unparsed.done();
        let text = format_args!("{}: {place}: {cause}, {done}", self.emitter.name);
        report::repeated("unparsed records", text);
        self.words.clear();
        // Writing to a string cannot fail.
        let _ok = write!(self.words, "{cause}");
        self.plan.unparsed == Unparsed::Forward
    }

    /// Writes an unparsed message, with a note that gives the reason.
    pub(crate) fn put_noted(
        &mut self,
        base: &MessageView<'_>,
        added: &MessageView<'_>,
        header: Header<'_>,
        out: &mut Output,
    ) -> Result<(), Stop> {
        self.note.clear();
        let noted = self.note.put_field(UNPARSED, b"", Value::String(self.words.as_bytes()));
        let is_written =
            noted.is_ok() && self.emitter.put_draft(&self.note, (base, added), header, out)?;
        if is_written {
            return Ok(());
        }
        self.note.clear();
        if !self.emitter.put_draft(&self.note, (base, added), header, out)? {
            self.emitter.tell_too_long("", Oversize::Drop);
            if let Some(checkpoint) = header.checkpoint {
                self.emitter.put_mark(checkpoint, out)?;
            }
        }
        Ok(())
    }

    /// Appends bytes to the file for unparsed records, if there is one.
    pub(crate) fn spill(&mut self, pieces: &[&[u8]]) -> Result<(), Stop> {
        let Some(file) = &mut self.spill else { return Ok(()) };
        pieces.iter().for_each(|piece| file.put(piece));
        file.end_record()
    }

    /// Writes the positions of dropped messages.
    pub(crate) fn put_marks(&mut self, out: &mut Output) -> Result<(), Stop> {
        let mut written = Ok(());
        let emitter = &mut self.emitter;
        self.marks.take(|checkpoint| {
            let done = emitter.put_mark(checkpoint, out);
            if written.is_ok() {
                written = done;
            }
        });
        written
    }
}
