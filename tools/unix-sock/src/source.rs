// SPDX-License-Identifier: MIT OR Apache-2.0
//! Standard input: records for peers.

use heka_core::os::Input;
use heka_core::report::{self, Stop};

use crate::address::open;
use crate::batch::{Batch, Delivery};
use crate::sink::Sink;
use heka_core::record::{Found, More, Progress};

/// Standard input and how far it has been read.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) input: Input,
    pub(crate) progress: Progress,
    /// A read would not block.
    pub(crate) is_ready: bool,
    /// It has ended.
    pub(crate) has_ended: bool,
    /// It gave at least one byte.
    pub(crate) has_given: bool,
    /// What has been read has not been settled.
    is_unsettled: bool,
    /// Records may go out without being read.
    pub(crate) is_bulky: bool,
    /// How many bytes of a file may go out like that, as far as is known.
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

    /// The whole records that have been read, if they go out as they stand: how many bytes of
    /// [`Input::data`] that is. They are to be consumed.
    pub(crate) fn whole(&mut self, sink: &Sink<'_>) -> Option<usize> {
        if self.has_ended || !sink.plan.copies_through {
            return None;
        }
        let splitter = &sink.plan.stdio_splitter;
        let data = self.input.data();
        let mut records = splitter.records(data, &mut self.progress, More::Coming);
        records.whole().map(<[u8]>::len)
    }

    /// What is to be delivered of what has been read.
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

    /// Nothing is there to read right now: what can be taken without more is.
    pub(crate) fn settle(&mut self, sink: &mut Sink<'_>) -> Result<Vec<Delivery>, Stop> {
        let mut batch = Batch::default();
        self.is_unsettled = false;
        self.split(More::Idle, sink, &mut batch)?;
        Ok(batch.take())
    }

    /// How much of a file has not gone out, while it goes out without being read.
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
