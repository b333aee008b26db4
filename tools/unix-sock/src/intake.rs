// SPDX-License-Identifier: MIT OR Apache-2.0
//! The data from one peer, and the records in it.

use heka_core::record::{Found, Framing, More, Progress, Unread};
use heka_core::report::{self, Stop};

use crate::address::Recipients;
use crate::batch::Batch;
use crate::envelope::Envelope;
use crate::facts::Facts;
use crate::framing::is_empty_record;
use crate::plan::Plan;
use crate::sink::Sink;

/// The bytes of one peer, and the progress in them.
#[derive(Debug)]
pub(crate) struct Intake {
    envelope: Envelope,
    pub(crate) progress: Progress,
    /// The received part of an unfinished record, or records that wait for another turn.
    pub(crate) partial: Unread,
    /// Records to echo.
    pub(crate) echo: Batch,
}

/// The result of forwarding records.
#[derive(Debug)]
pub(crate) struct Split {
    /// Number of bytes consumed.
    pub(crate) done: usize,
    pub(crate) rest: Rest,
}

/// The treatment of the remaining bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Pass them again, with the bytes that follow.
    Kept,
    /// Pass them again in another turn.
    Unfinished,
    /// Drop them: no further record can be found.
    Lost,
}

impl Intake {
    /// Creates an empty state.
    pub(crate) fn new(facts: &Facts, plan: &Plan) -> Self {
        Self {
            envelope: Envelope::new(plan.formats.form, facts),
            progress: Progress::default(),
            partial: Unread::default(),
            echo: Batch::default(),
        }
    }

    /// Forwards what is possible of the unfinished record, given what follows it.
    pub(crate) fn split_partial(
        &mut self,
        from: &Facts,
        more: More,
        sink: &mut Sink<'_>,
    ) -> Result<Rest, Stop> {
        if self.partial.is_empty() {
            return Ok(Rest::Kept);
        }
        let partial = std::mem::take(&mut self.partial);
        let split = self.split(from, partial.data(), more, sink)?;
        self.partial = partial;
        self.partial.consume(split.done);
        Ok(split.rest)
    }

    /// Forwards the records of a packet, which is not kept for another turn.
    pub(crate) fn split_packet(
        &mut self,
        from: &Facts,
        packet: &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<Rest, Stop> {
        let plan = sink.plan;
        sink.turn.spend_record(packet.len());
        if plan.has_gelf {
            if let Some(record) = sink.join(from, packet) {
                self.take(from, &record, sink)?;
            }
            return Ok(Rest::Kept);
        }
        if plan.formats.is_whole && packet.len() <= plan.max_record {
            if !packet.is_empty() {
                self.take(from, packet, sink)?;
            }
            return Ok(Rest::Kept);
        }
        if plan.has_datagrams() {
            self.progress = Progress::default();
        }
        if is_empty_record(plan.formats.wire, packet) {
            self.take(from, &[], sink)?;
        }
        let mut left = packet;
        loop {
            let Split { done, rest } = self.split_each(from, left, More::Ended, sink)?;
            left = left.get(done..).unwrap_or_default();
            if rest != Rest::Unfinished {
                return Ok(rest);
            }
            sink.turn.begin();
        }
    }

    /// Forwards the complete records of `data`.
    pub(crate) fn split(
        &mut self,
        from: &Facts,
        data: &[u8],
        more: More,
        sink: &mut Sink<'_>,
    ) -> Result<Split, Stop> {
        let splitter = &sink.plan.wire_splitter;
        if sink.plan.copies_through
            && let Some(records) = splitter.records(data, &mut self.progress, more).whole()
        {
            let done = records.len();
            sink.turn.spend_record(done);
            sink.receive_all(from, records)?;
            if sink.plan.echo {
                self.echo.add_all(records, sink.plan);
            }
            if more != More::Ended {
                return Ok(Split { done, rest: Rest::Kept });
            }
            let last = data.get(done..).unwrap_or_default();
            let mut split = self.split_each(from, last, more, sink)?;
            split.done += done;
            return Ok(split);
        }
        self.split_each(from, data, more, sink)
    }

    fn split_each(
        &mut self,
        from: &Facts,
        data: &[u8],
        more: More,
        sink: &mut Sink<'_>,
    ) -> Result<Split, Stop> {
        let mut progress = std::mem::take(&mut self.progress);
        let mut records = sink.plan.wire_splitter.records(data, &mut progress, more);
        let mut is_lost = false;
        while let Some(found) = records.next_within(&mut sink.turn) {
            match found {
                Found::Record(record) => self.take(from, record.text, sink)?,
                Found::Frame(frame) => self.take(from, frame.bytes, sink)?,
                Found::Damage(damage) if damage.is_final() && !sink.plan.has_datagrams() => {
                    sink.has_lost |= report::last_damage_of_peer(from, &damage);
                    is_lost = true;
                }
                Found::Damage(damage) => {
                    sink.has_lost |= report::damage_of_peer(from, &damage);
                }
            }
        }
        let done = records.done();
        self.progress = progress;
        Ok(match is_lost {
            true => Split { done: data.len(), rest: Rest::Lost },
            false if sink.turn.is_over() => Split { done, rest: Rest::Unfinished },
            false => Split { done, rest: Rest::Kept },
        })
    }

    /// Forwards a record, and collects it if it is echoed.
    fn take(&mut self, from: &Facts, record: &[u8], sink: &mut Sink<'_>) -> Result<(), Stop> {
        let ends_with_newline =
            sink.plan.formats.is_whole || sink.plan.formats.wire == Framing::Docker;
        let record = if ends_with_newline { without_end(record) } else { record };
        if let Some(record) = sink.receive(from, &mut self.envelope, record)?
            && sink.plan.echo
        {
            let plan = sink.plan;
            self.echo.add(Recipients::Unnamed, plan, |out| sink.encode(out, &record));
        }
        Ok(())
    }
}

/// Removes what many senders add at the end of a record: a newline, a NUL, or both.
fn without_end(packet: &[u8]) -> &[u8] {
    let text = packet.strip_suffix(b"\0").unwrap_or(packet);
    text.strip_suffix(b"\n").unwrap_or(text)
}
