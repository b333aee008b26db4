// SPDX-License-Identifier: MIT OR Apache-2.0
//! Standard input: records for peers.

use heka_core::os::Input;
use heka_core::report::{self, Stop};

use crate::address::open;
use crate::batch::{Batch, Delivery};
use crate::sink::Sink;
use heka_core::record::{Found, More, Progress};

/// Standard input, and the progress in it.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) input: Input,
    pub(crate) progress: Progress,
    /// Whether a read would not block.
    pub(crate) is_ready: bool,
    /// Whether it has ended.
    pub(crate) has_ended: bool,
    /// Whether it yielded at least one byte.
    pub(crate) has_given: bool,
    /// Whether the data read has not been settled.
    is_unsettled: bool,
    /// Whether records may be sent without being read.
    pub(crate) is_bulky: bool,
    /// Number of bytes of a file that may be sent in that way, as far as known.
    pub(crate) bulk: u64,
}

impl Source {
    /// Opens standard input.
    pub(crate) fn open(sink: &Sink<'_>) -> Result<Self, Stop> {
        let input = Input::stdin()?;
        Ok(Self {
            is_ready: input.is_regular(),
            bulk: 0,
            is_bulky: input.is_regular() && sink.plan.sends_bulk,
            input,
            progress: Progress::default(),
            has_ended: false,
            has_given: false,
            is_unsettled: false,
        })
    }

    /// Reads once.
    pub(crate) fn fill(&mut self) -> Result<(), Stop> {
        let more = self.input.read()?;
        self.is_ready = self.input.is_regular();
        self.has_ended = !more;
        self.has_given |= more;
        self.is_unsettled = more;
        Ok(())
    }

    /// Returns the size of the whole records that have been read, at the front of [`Input::data`],
    /// if they are sent unchanged. They must be consumed.
    pub(crate) fn whole(&mut self, sink: &Sink<'_>) -> Option<usize> {
        if self.has_ended || !sink.plan.copies_through {
            return None;
        }
        let splitter = &sink.plan.stdio_splitter;
        let data = self.input.data();
        let mut records = splitter.records(data, &mut self.progress, More::Coming);
        records.whole().map(<[u8]>::len)
    }

    /// Returns the deliveries in the data that has been read.
    pub(crate) fn take(&mut self, sink: &mut Sink<'_>) -> Result<Vec<Delivery>, Stop> {
        let mut batch = Batch::default();
        if let Some(done) = self.whole(sink) {
            let records = self.input.data().get(..done).unwrap_or_default();
            batch.add_all(records, sink.plan);
            self.input.consume(done);
        } else {
            let more = if self.has_ended { More::Ended } else { More::Coming };
            self.split(more, sink, &mut batch)?;
        }
        Ok(batch.take())
    }

    /// Whether there is something to [`Source::settle`].
    pub(crate) fn may_settle(&self) -> bool {
        self.is_unsettled && !self.input.data().is_empty()
    }

    /// Handles idle input: takes what is complete without more data.
    pub(crate) fn settle(&mut self, sink: &mut Sink<'_>) -> Result<Vec<Delivery>, Stop> {
        let mut batch = Batch::default();
        self.is_unsettled = false;
        self.split(More::Idle, sink, &mut batch)?;
        Ok(batch.take())
    }

    /// Returns how much of a file has not been sent, while it is sent without being read.
    pub(crate) fn bulk_left(&mut self) -> Option<u64> {
        (self.is_bulky && self.has_given).then(|| self.input.left())
    }

    fn split(&mut self, more: More, sink: &mut Sink<'_>, batch: &mut Batch) -> Result<(), Stop> {
        let splitter = &sink.plan.stdio_splitter;
        let mut records = splitter.records(self.input.data(), &mut self.progress, more);
        for found in records.by_ref() {
            match found {
                Found::Record(record) => deliver(record.text, sink, batch),
                Found::Frame(frame) => deliver(frame.bytes, sink, batch),
                Found::Damage(damage) if damage.is_final() => {
                    return Err(Stop::failed(format_args!("{}: {damage}", self.input.name())));
                }
                Found::Damage(damage) => {
                    sink.has_lost |= report::damage(self.input.name(), &damage);
                }
            }
        }
        let done = records.done();
        self.input.consume(done);
        Ok(())
    }
}

fn deliver(record: &[u8], sink: &mut Sink<'_>, batch: &mut Batch) {
    let plan = sink.plan;
    match open(plan.formats.form, plan.formats.wire, record) {
        Ok(addressed) if addressed.data.is_empty() && plan.skip_empty => {}
        Ok(addressed) => {
            batch.add(addressed.to, plan, |out| sink.encode(out, &addressed.data));
        }
        Err(cause) => sink.lose("(standard input)", format_args!("record skipped: {cause}")),
    }
}
