// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is taken of what arrives, and the form in which it is written.

use std::ops::Range;

use heka_core::cli::signing::Verifier;
use heka_core::codec::{Encoder, Form};
use heka_core::delivery::Refusal;
use heka_core::os::{Output, clock};
use heka_core::record::{Recent, Turn};
use heka_core::report::{self, Stop, stats};
use heka_core::wire::{Damage, Deframer, Frame, Header, Message, More, Reason, Step, Template};
use memchr::memchr;

use crate::cli::Plan;
use crate::place::Place;
use crate::streams::Streams;

/// How far a look at the bytes of a sender came.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// Bytes that are done with.
    pub(crate) done: usize,
    /// Another look at the others is worth it when there are so many.
    pub(crate) need: usize,
    /// So many of the others, the first ones, hold no end of a line.
    pub(crate) searched: usize,
    /// The turn is over: there may be more records in what is there.
    pub(crate) is_cut: bool,
}

/// Takes records and writes them to the one output.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) out: Output,
    encoder: Encoder,
    /// Frames lie in the output as they came, so runs of them are written at once.
    is_verbatim: bool,
    verifier: Verifier,
    seen: Option<Recent>,
    streams: Option<Streams>,
    /// Where the frames of a run end.
    ends: Vec<usize>,
    /// Messages that were taken, and that may still be.
    taken: u64,
    left: u64,
    /// Records are taken in turns.
    pub(crate) turn: Turn,
    limit: usize,
    delimiter: u8,
    type_: String,
    pub(crate) failed: bool,
}

impl Intake {
    /// Writes what is taken to `out`.
    pub(crate) fn new(plan: &Plan, out: Output, encoder: Encoder) -> Self {
        let copies = matches!(encoder.form(), Form::Heka | Form::Raw);
        Self {
            encoder,
            // A file that is cut by size has to see every record.
            is_verbatim: copies && plan.write.rotate.is_none() && !plan.writing.unbuffered,
            verifier: plan.verifier.clone(),
            seen: plan.dedup.map(Recent::new),
            streams: plan.ack.then(Streams::default),
            ends: Vec::new(),
            taken: 0,
            left: plan.max_count.unwrap_or(u64::MAX),
            turn: Turn::default(),
            limit: plan.max_message_size,
            delimiter: if plan.null { 0 } else { b'\n' },
            type_: plan.type_.clone(),
            out,
            failed: false,
        }
    }

    /// Whether as many messages were taken as were asked for.
    pub(crate) fn is_full(&self) -> bool {
        self.left == 0
    }

    /// How many messages were taken.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    fn take(&mut self, count: u64) {
        self.taken += count;
        self.left -= count;
        stats::MESSAGES.add(count);
    }

    /// Whether senders get confirmations.
    pub(crate) fn confirms(&self) -> bool {
        self.streams.is_some()
    }

    /// Finds the frames of one sender.
    pub(crate) fn deframer(&self) -> Deframer {
        Deframer::new(self.limit)
    }

    /// Takes the frames at the front of `data`.
    pub(crate) fn frames(
        &mut self,
        deframer: &mut Deframer,
        place: &mut Place,
        peer: &str,
        data: &[u8],
        more: More,
    ) -> Result<Progress, Stop> {
        let mut at = 0;
        // Frames that were taken and not written yet lie side by side here.
        let mut run = 0..0;
        let mut need = 0;
        while self.left > 0 && !self.turn.is_over() && !place.is_over() {
            // Nothing inside a message is to be taken for a message with a number.
            deframer.trust_lengths(place.counts());
            let rest = data.get(at..).unwrap_or_default();
            let work = deframer.work();
            deframer.allow(self.turn.left());
            let taken = self.take_run(deframer, place, rest);
            if taken.end > 0 {
                self.turn.spend(deframer.work() - work);
                self.join(data, &mut run, at + taken.start..at + taken.end)?;
                at += taken.end;
                continue;
            }
            let step = deframer.next(rest, more);
            self.turn.spend(deframer.work() - work);
            match step {
                // Large enough to be looked at where it lies.
                Step::Frame(done, ref frame) => {
                    at += done;
                    self.turn.spend_record(done);
                    if self.accepts(frame, place, peer) {
                        self.take(1);
                        if self.is_verbatim {
                            self.join(data, &mut run, at - frame.bytes.len()..at)?;
                        } else {
                            self.put(frame)?;
                        }
                    }
                }
                Step::Damage(done, damage) => {
                    at += done;
                    self.turn.spend_record(0);
                    self.damaged(&damage, place, peer, more);
                }
                Step::Need(done, bytes) => {
                    at += done;
                    need = bytes;
                    break;
                }
            }
        }
        self.put_run(data, run)?;
        Ok(Progress { done: at, need, searched: 0, is_cut: need == 0 })
    }

    /// Tells of a stretch without frames, and the sender if it is to be told.
    fn damaged(&mut self, damage: &Damage, place: &mut Place, peer: &str, more: More) {
        let will_come_again = match place.counts() {
            false => false,
            // The connection ended within a record.
            true if more == More::Ended => {
                place.end();
                false
            }
            true if damage.reason == Reason::TooLong => {
                place.refuse_next(Refusal::TooLong);
                false
            }
            true => !place.lose(),
        };
        if will_come_again {
            let text = format_args!("{peer}: {damage}, to be sent again");
            return report::repeated("damage", text);
        }
        self.failed = true;
        stats::SKIPPED.add(1);
        report::repeated("damage", format_args!("{peer}: {damage}"));
    }

    /// Takes the frames at the front of `data` of which nothing need be known but where they end.
    /// Those that came before are passed over.
    fn take_run(
        &mut self,
        deframer: &mut Deframer,
        place: &mut Place,
        data: &[u8],
    ) -> Range<usize> {
        if !self.is_verbatim || self.verifier.is_active() || self.seen.is_some() {
            return 0..0;
        }
        self.ends.clear();
        let end = deframer.next_run(data, self.left, &mut self.ends);
        let count = self.ends.len() as u64;
        let repeated = place.count(count).map_or(0, |last| place.take(last, count));
        self.take(count - repeated);
        if repeated > 0 {
            stats::counter("repeated").add(repeated);
        }
        let before = usize::try_from(repeated).ok().and_then(|repeated| repeated.checked_sub(1));
        let start = before.and_then(|last| self.ends.get(last)).copied().unwrap_or(0);
        start..end
    }

    /// Adds frames to the run if they stand right behind it; otherwise they begin a new one.
    fn join(
        &mut self,
        data: &[u8],
        run: &mut Range<usize>,
        frames: Range<usize>,
    ) -> Result<(), Stop> {
        if run.end != frames.start {
            self.put_run(data, run.clone())?;
            run.start = frames.start;
        }
        run.end = frames.end;
        Ok(())
    }

    fn put_run(&mut self, data: &[u8], run: Range<usize>) -> Result<(), Stop> {
        match data.get(run) {
            Some(bytes) if !bytes.is_empty() => self.out.put_records(bytes),
            _ => Ok(()),
        }
    }

    fn put(&mut self, frame: &Frame<'_>) -> Result<(), Stop> {
        self.encoder.put(self.out.buffer(), frame);
        self.out.end_record()
    }

    /// Whether a frame is taken: not one that has come before, nor one with a wrong signature.
    fn accepts(&mut self, frame: &Frame<'_>, place: &mut Place, peer: &str) -> bool {
        let streams = self.streams.as_mut();
        let number = streams.and_then(|streams| streams.number(place, frame, peer));
        if frame.is_signal() {
            return false;
        }
        if let Err(rejected) = self.verifier.verify(frame) {
            self.failed = true;
            stats::SKIPPED.add(1);
            report::repeated(rejected.reason(), format_args!("{peer}: {rejected}"));
            if let Some(number) = number {
                place.refuse(number, Refusal::Signature);
            }
            return false;
        }
        let mut is_new = number.is_none_or(|number| place.take(number, 1) == 0);
        is_new = is_new && self.seen.as_mut().is_none_or(|seen| seen.is_new(frame.view.uuid));
        if !is_new {
            stats::counter("repeated").add(1);
        }
        is_new
    }

    /// What messages made of a sender's text have in common.
    pub(crate) fn template(&self, peer: &str) -> Template {
        let message = Message {
            r#type: Some(self.type_.clone().into()),
            logger: Some(self.type_.clone().into()),
            severity: Some(heka_core::wire::DEFAULT_SEVERITY),
            hostname: Some(peer.to_owned().into()),
            ..Message::default()
        };
        Template::new(&message, None)
    }

    /// Takes the lines at the front of `data`, their ends included, as Heka's `TokenSplitter` does.
    /// No line ends within the first `searched` bytes.
    pub(crate) fn lines(
        &mut self,
        template: &Template,
        peer: &str,
        data: &[u8],
        mut searched: usize,
        more: More,
    ) -> Result<Progress, Stop> {
        let mut at = 0;
        while self.left > 0 && !self.turn.is_over() {
            let rest = data.get(at..).unwrap_or_default();
            let within = rest.get(..=self.limit).unwrap_or(rest);
            let len = match memchr(self.delimiter, within.get(searched..).unwrap_or_default()) {
                Some(end) => searched + end + 1,
                None if within.len() > self.limit => {
                    let limit = self.limit;
                    let text = format_args!("{peer}: line longer than {limit} bytes, split");
                    report::repeated("long lines", text);
                    self.limit
                }
                None if more == More::Ended && !rest.is_empty() => rest.len(),
                None => {
                    let searched = rest.len();
                    return Ok(Progress { done: at, searched, ..Progress::default() });
                }
            };
            self.text(template, peer, rest.get(..len).unwrap_or(rest))?;
            at += len;
            searched = 0;
        }
        Ok(Progress { done: at, is_cut: true, ..Progress::default() })
    }

    /// Takes text, or any bytes, as one message.
    pub(crate) fn text(
        &mut self,
        template: &Template,
        peer: &str,
        text: &[u8],
    ) -> Result<(), Stop> {
        if self.left == 0 {
            return Ok(());
        }
        self.take(1);
        self.turn.spend_record(text.len());
        if !self.encoder.put_payload(self.out.buffer(), text) {
            let mut message = Vec::with_capacity(text.len() + 128);
            template.put_message(&mut message, clock::random_uuid(), clock::now_ns(), text);
            let put = self.encoder.put_message(self.out.buffer(), Header::default(), &message);
            if let Err(unfit) = put {
                self.failed = true;
                stats::SKIPPED.add(1);
                let text = format_args!("{peer}: message dropped: {unfit}");
                report::repeated("dropped messages", text);
            }
        }
        self.out.end_record()
    }
}
