// SPDX-License-Identifier: MIT OR Apache-2.0
//! Decides which records are accepted, and in which form they are written.

use std::ops::Range;

use heka_core::cli::signing::Verifier;
use heka_core::codec::{Encoder, Form};
use heka_core::delivery::{FileCommit, Refusal};
use heka_core::os::{Deadline, Output, clock};
use heka_core::record::{Damage, Found, More, Recent, Record, Records, Turn};
use heka_core::report::{self, Stop, stats};
use heka_core::wire::{Frame, Header, Reason, Template};

use crate::cli::{InputForm, Plan};
use crate::gelf;
use crate::numbers::Tally;
use crate::place::Place;
use crate::positions::Positions;
use crate::relay::Relay;
use crate::source::{Source, Sources, Taken};
use crate::streams::Streams;

/// Accepts records and writes them to the one output.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) out: Output,
    encoder: Encoder,
    /// Whether frames are written unchanged, so that runs of them are written at once.
    is_verbatim: bool,
    verifier: Verifier,
    seen: Option<Recent>,
    streams: Option<Streams>,
    positions: Positions,
    /// The ends of the frames in a run.
    ends: Vec<usize>,
    pub(crate) tally: Tally,
    /// Number of messages that may still be accepted.
    left: u64,
    /// Limits the work per turn.
    pub(crate) turn: Turn,
    pub(crate) sources: Sources,
    /// Absent if no input is GELF.
    gelf_reader: Option<gelf::Reader>,
    pub(crate) failed: bool,
}

/// Accepted frames that have not been written yet, consecutive in the input.
#[derive(Debug)]
struct Run<'a> {
    data: &'a [u8],
    frames: Range<usize>,
}

impl Intake {
    /// Creates an intake that writes to `out`.
    pub(crate) fn new(
        plan: &Plan,
        out: Output,
        encoder: Encoder,
        commit: Option<FileCommit>,
        relay: Option<Relay>,
    ) -> Self {
        let is_framed = encoder.form() == Form::Heka;
        let room = if is_framed { plan.text_room } else { usize::MAX };
        let message_limit = if is_framed { plan.message_limit } else { usize::MAX };
        let copies = matches!(encoder.form(), Form::Heka | Form::Raw);
        let positions = Positions::new(commit, relay.is_some());
        Self {
            encoder,
            // A file rotated by size needs to see every record.
            is_verbatim: copies
                && plan.write.rotate.is_none()
                && !plan.writing.unbuffered
                && !positions.are_relayed(),
            verifier: plan.verifier.clone(),
            seen: plan.dedup.map(Recent::new),
            streams: plan.ack.map(|_| Streams::new(relay)),
            positions,
            ends: Vec::new(),
            tally: Tally::default(),
            left: plan.max_count.unwrap_or(u64::MAX),
            turn: Turn::default(),
            sources: Sources::new(plan, room),
            gelf_reader: (plan.input == InputForm::Gelf).then(|| gelf::Reader::new(message_limit)),
            out,
            failed: false,
        }
    }

    /// Whether the requested number of messages has been accepted.
    pub(crate) fn is_full(&self) -> bool {
        self.left == 0
    }

    /// Returns the number of accepted messages.
    pub(crate) fn taken(&self) -> u64 {
        self.tally.messages
    }

    fn take(&mut self, count: u64) {
        self.tally.messages += count;
        self.left -= count;
        stats::MESSAGES.add(count);
    }

    /// Whether senders get acknowledgements.
    pub(crate) fn acknowledges(&self) -> bool {
        self.streams.is_some()
    }

    /// Whether somebody waits for the output to be written: senders, or positions.
    pub(crate) fn settles(&self) -> bool {
        self.acknowledges() || self.positions.are_kept()
    }

    /// Writes buffered output, and handles the positions in it.
    pub(crate) fn settle(&mut self) -> Result<(), Stop> {
        self.turn.wrote();
        self.positions.settle(&self.encoder, &mut self.out)
    }

    /// Returns when to do so even without events.
    pub(crate) fn due(&self) -> Deadline {
        self.positions.due()
    }

    /// Does so at the end.
    pub(crate) fn finish(&mut self) -> Result<(), Stop> {
        self.positions.finish(&mut self.out)
    }

    /// Returns the state of delivery by later stages, if that counts.
    pub(crate) fn relay(&self) -> Option<&Relay> {
        self.streams.as_ref().and_then(Streams::relay)
    }

    /// Checks whether later stages have delivered more.
    pub(crate) fn look(&mut self) -> bool {
        let Some(relay) = self.streams.as_mut().and_then(Streams::relay_mut) else { return false };
        let has_changed = relay.look();
        if has_changed {
            self.positions.forget_surplus(relay);
        }
        has_changed
    }

    /// Accepts the records at the front of `data`, as many as a turn allows.
    pub(crate) fn receive(
        &mut self,
        source: &mut Source,
        place: &mut Place,
        peer: &str,
        data: &[u8],
        more: More,
    ) -> Result<Taken, Stop> {
        let mut records = source.splitter.records(data, &mut source.progress, more);
        let mut run = Run { data, frames: 0..0 };
        let mut is_cut = true;
        while self.left > 0 && !self.turn.is_over() && !place.is_over() {
            // Nothing inside a message may be taken for a numbered message.
            records.trust_lengths(place.counts());
            if self.take_run(&mut records, &mut run, place)? {
                continue;
            }
            match records.next_within(&mut self.turn) {
                // Large enough to be processed in place.
                Some(Found::Frame(ref frame)) => {
                    let is_taken = self.accepts(frame, place, peer);
                    self.positions.receive(frame, is_taken, source.is_local);
                    if is_taken {
                        self.put_frame(&mut run, frame, records.done(), place)?;
                    }
                }
                Some(Found::Record(record)) => {
                    let template = source.template.as_deref();
                    self.put_record(template, source.is_gelf, peer, &record)?;
                }
                Some(Found::Damage(damage)) => self.damaged(&damage, place, peer, more),
                None => {
                    is_cut = self.turn.is_over();
                    break;
                }
            }
        }
        self.put_run(&mut run)?;
        Ok(Taken { done: records.done(), need: records.need(), is_cut })
    }

    /// Reports a stretch without frames or a long line, also to the sender if it should know.
    fn damaged(&mut self, damage: &Damage<'_>, place: &mut Place, peer: &str, more: More) {
        let is_too_long =
            matches!(damage, Damage::NoFrame(damage) if damage.reason == Reason::TooLong);
        let will_come_again = match place.counts() {
            false => false,
            // The connection ended inside a record.
            true if more == More::Ended => {
                place.end();
                false
            }
            true if is_too_long => {
                place.refuse_next(Refusal::TooLong);
                false
            }
            true => !place.lose(),
        };
        if will_come_again {
            return report::damage_to_be_mended(peer, damage);
        }
        let is_loss = report::damage_of_peer(peer, damage);
        self.tally.damaged += u64::from(is_loss);
        self.failed |= is_loss;
    }

    /// Adds the next frames, except repeated ones, to the run without parsing them; returns whether
    /// there are any.
    fn take_run(
        &mut self,
        records: &mut Records<'_, '_>,
        run: &mut Run<'_>,
        place: &mut Place,
    ) -> Result<bool, Stop> {
        if !self.is_verbatim || self.verifier.is_active() || self.seen.is_some() {
            return Ok(false);
        }
        self.ends.clear();
        let start = records.done();
        let len = records.run_within(self.left, &mut self.ends, &mut self.turn).len();
        if len == 0 {
            return Ok(false);
        }
        let count = self.ends.len() as u64;
        let repeated = place.count(count).map_or(0, |last| place.take(last, count));
        self.take(count - repeated);
        self.positions.pass(count - repeated);
        self.tally.repeated += repeated;
        let before = usize::try_from(repeated).ok().and_then(|repeated| repeated.checked_sub(1));
        let skipped = before.and_then(|last| self.ends.get(last)).copied().unwrap_or(0);
        self.join(run, start + skipped..start + len)?;
        Ok(true)
    }

    /// Adds frames to the run if they directly follow it; otherwise begins a new run.
    fn join(&mut self, run: &mut Run<'_>, frames: Range<usize>) -> Result<(), Stop> {
        if run.frames.end != frames.start {
            self.put_run(run)?;
            run.frames.start = frames.start;
        }
        run.frames.end = frames.end;
        Ok(())
    }

    fn put_run(&mut self, run: &mut Run<'_>) -> Result<(), Stop> {
        match run.data.get(std::mem::take(&mut run.frames)) {
            Some(bytes) if !bytes.is_empty() => self.out.put_records(bytes),
            _ => Ok(()),
        }
    }

    /// Accepts a frame that ends at `end`.
    fn put_frame(
        &mut self,
        run: &mut Run<'_>,
        frame: &Frame<'_>,
        end: usize,
        place: &Place,
    ) -> Result<(), Stop> {
        self.take(1);
        if self.is_verbatim && !frame.header.is_extended() {
            return self.join(run, end - frame.bytes.len()..end);
        }
        self.put_run(run)?;
        self.put(frame, place)
    }

    /// Writes a frame without its delivery state: positions and numbers of a sender on another
    /// machine mean nothing to later stages, and a stranger's could mislead them.
    fn put(&mut self, frame: &Frame<'_>, place: &Place) -> Result<(), Stop> {
        let checkpoint = self.positions.of_record(place);
        self.encoder.pass_on(self.out.buffer(), frame, checkpoint).map_err(Stop::failed)?;
        self.out.end_record()
    }

    /// Whether a frame is accepted: neither repeated nor with a wrong signature.
    fn accepts(&mut self, frame: &Frame<'_>, place: &mut Place, peer: &str) -> bool {
        let streams = self.streams.as_mut();
        let number = streams.and_then(|streams| streams.number(place, frame, peer));
        if frame.is_signal() {
            return false;
        }
        if let Err(rejected) = self.verifier.verify(frame) {
            self.reject(rejected.reason(), format_args!("{peer}: {rejected}"));
            if let Some(number) = number {
                place.refuse(number, Refusal::Signature);
            }
            return false;
        }
        let is_next = number.is_none_or(|number| place.take(number, 1) == 0);
        let signer = self.verifier.signer_of(frame);
        let is_unseen = |seen: &mut Recent| seen.is_new(signer, frame.view.uuid);
        let is_new = is_next && self.seen.as_mut().is_none_or(is_unseen);
        if !is_new {
            self.tally.repeated += 1;
        }
        if is_next && !is_new {
            self.positions.drop(place);
        }
        is_new
    }

    /// Reports a message whose sender is not known, or not the required one.
    fn reject(&mut self, reason: &'static str, text: std::fmt::Arguments<'_>) {
        self.failed = true;
        self.tally.unverified += 1;
        stats::skip(stats::Skip::Unverified, 1);
        report::repeated(reason, text);
    }

    /// Writes a record of a sender that does not send frames.
    fn put_record(
        &mut self,
        template: Option<&Template>,
        is_gelf: bool,
        peer: &str,
        record: &Record<'_>,
    ) -> Result<(), Stop> {
        if let Err(reason) = self.verifier.verify_unsigned() {
            self.reject(reason, format_args!("{peer}: {reason}, record dropped"));
            return Ok(());
        }
        match template {
            Some(template) if is_gelf => self.put_gelf(template, peer, record.text),
            template => self.put_text(template, peer, record.whole),
        }
    }

    /// Writes text, or arbitrary bytes, as one message.
    fn put_text(
        &mut self,
        template: Option<&Template>,
        peer: &str,
        text: &[u8],
    ) -> Result<(), Stop> {
        self.take(1);
        self.positions.pass(1);
        if !self.encoder.put_payload(self.out.buffer(), text)
            && let Some(template) = template
        {
            let mut message = Vec::with_capacity(text.len() + 128);
            template.put_message(&mut message, clock::random_uuid(), clock::now_ns(), text);
            self.put_message(&message, peer);
        }
        self.out.end_record()
    }

    /// Writes a GELF record as messages.
    fn put_gelf(&mut self, template: &Template, peer: &str, record: &[u8]) -> Result<(), Stop> {
        if record.is_empty() {
            return Ok(());
        }
        if self.encoder.form() == Form::Raw {
            return self.put_text(None, peer, record);
        }
        let Some(mut reader) = self.gelf_reader.take() else { return Ok(()) };
        let outcome = reader.read(record, template, peer, |message| {
            if self.is_full() {
                return Ok(());
            }
            self.take(1);
            self.positions.pass(1);
            self.put_message(message, peer);
            self.out.end_record()
        });
        self.gelf_reader = Some(reader);
        outcome
    }

    fn put_message(&mut self, message: &[u8], peer: &str) {
        let put = self.encoder.put_message(self.out.buffer(), Header::default(), message);
        if let Err(unfit) = put {
            self.failed = true;
            stats::skip(stats::Skip::TooLong, 1);
            let text = format_args!("{peer}: message dropped: {unfit}");
            report::repeated("dropped messages", text);
        }
    }

    /// Reports a lost record.
    pub(crate) fn lose(&mut self, peer: &str, cause: &str) {
        self.failed = true;
        self.tally.damaged += 1;
        stats::skip(stats::Skip::Damaged, 1);
        report::repeated("lost records", format_args!("{peer}: {cause}"));
    }
}
