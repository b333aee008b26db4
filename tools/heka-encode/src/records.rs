// SPDX-License-Identifier: MIT OR Apache-2.0
//! Text input: splits it into records, each of which becomes a message.

use std::fmt::Display;
use std::ops::ControlFlow;

use heka_core::codec::json::{self, Line, Verbatim};
use heka_core::decode::Part as Parsed;
use heka_core::os::{Flow, Input, Output, clock};
use heka_core::record::{Found, Framing, Group, Limit, More, Part, Progress, Record, Splitter};
use heka_core::report::{self, Stop};
use heka_core::wire::{Header, MessageView};

use crate::cli::InputForm;
use crate::flaws::tell_flaws;
use crate::input::read_more;
use crate::plan::{Plan, Shape, change};
use crate::stage::{Stage, TEXT_PER_MESSAGE};

/// The processing of one input.
pub(crate) struct Records<'s, 'a> {
    stage: &'s mut Stage<'a>,
    plan: &'a Plan,
    /// The common parts of all messages.
    base: MessageView<'a>,
    /// Reads JSON in the form that heka-decode writes.
    verbatim: Verbatim,
    /// Whether more of the current record follows.
    is_piece: bool,
    /// Whether white space between records is ignored.
    is_loose: bool,
}

impl<'s, 'a> Records<'s, 'a> {
    pub(crate) fn new(stage: &'s mut Stage<'a>) -> Self {
        let plan = stage.plan;
        Self {
            stage,
            plan,
            base: MessageView::parse(&plan.base_bytes).unwrap_or_default(),
            verbatim: Verbatim::default(),
            is_piece: false,
            is_loose: plan.delimiter.is_none()
                && matches!(plan.shape, Shape::Json | Shape::Journal),
        }
    }

    /// Converts a whole input, even an empty one, to one message.
    pub(crate) fn encode_whole(&mut self, mut input: Input, out: &mut Output) -> Flow {
        if input.fill(out)? {
            return self.encode(input, out);
        }
        if !self.plan.skip_empty {
            self.put_text(&[], clock::now_ns(), out)?;
            self.stage.left -= 1;
        }
        Ok(if self.stage.left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    pub(crate) fn encode(&mut self, mut input: Input, out: &mut Output) -> Flow {
        let splitter = self.splitter();
        let mut progress = Progress::default();
        let mut more = More::Coming;
        loop {
            let now = clock::now_ns();
            let mut records = splitter.records(input.data(), &mut progress, more);
            for found in records.by_ref() {
                match found {
                    Found::Record(record) => self.put(&record, now, out)?,
                    Found::Damage(damage) => self.stage.emitter.tell(input.name(), &damage),
                    Found::Frame(_) => {}
                }
                if self.stage.left == 0 {
                    return Ok(ControlFlow::Break(()));
                }
            }
            let done = records.done();
            input.consume(done);
            if more == More::Ended || splitter.has_all(&progress) {
                self.stage.put_all_held(out)?;
                return Ok(ControlFlow::Continue(()));
            }
            more = read_more(&mut input, &splitter, out)?;
        }
    }

    fn splitter(&self) -> Splitter {
        let plan = self.plan;
        let is_parsed = plan.decoder.is_some() || plan.input == InputForm::Json;
        let room = if is_parsed {
            plan.max_record.saturating_mul(TEXT_PER_MESSAGE)
        } else {
            self.stage.emitter.room()
        };
        // A delimiter that is kept is part of the message.
        let size = room.saturating_sub(usize::from(!plan.chomp)).max(1);
        let limit = Limit { size, oversize: plan.oversize };
        if let (Some(start), false) = (&plan.start, plan.input == InputForm::Whole) {
            let lines = Splitter::new(Framing::Delimited(plan.delimiter.unwrap_or(b'\n')), limit);
            return lines.grouped(Group { start: Some(start.clone()), continuation: None });
        }
        match (plan.input, plan.delimiter) {
            (InputForm::Whole, _) => Splitter::new(Framing::Whole, limit),
            (_, None) if plan.shape == Shape::Json => Splitter::json(limit),
            (_, None) if plan.shape == Shape::Journal => Splitter::journal(limit),
            (_, byte) => Splitter::new(Framing::Delimited(byte.unwrap_or(b'\n')), limit),
        }
    }

    /// Writes the message for a record, or for a piece of one.
    #[inline]
    fn put(&mut self, record: &Record<'_>, now: i64, out: &mut Output) -> Result<(), Stop> {
        let is_blank = self.is_loose && record.text.trim_ascii().is_empty();
        if self.plan.skip_empty && record.text.is_empty() || is_blank {
            return Ok(());
        }
        let text = if self.plan.chomp { record.text } else { record.whole };
        let text = if self.is_loose { text.trim_ascii_start() } else { text };
        self.is_piece = record.part == Part::Piece;
        self.put_text(text, now, out)?;
        // Only the last piece counts as a record.
        self.stage.left -= u64::from(!self.is_piece);
        Ok(())
    }

    #[inline]
    fn put_text(&mut self, text: &[u8], now: i64, out: &mut Output) -> Result<(), Stop> {
        if self.stage.decoder.is_some() {
            self.put_parsed(text, now, out)
        } else if self.plan.input == InputForm::Json {
            self.put_json(text, now, out)
        } else {
            self.stage.emitter.put_payload(text, now, out)
        }
    }

    fn put_parsed(&mut self, record: &[u8], now: i64, out: &mut Output) -> Result<(), Stop> {
        let json::Identity { uuid, timestamp } = self.stage.emitter.identity(now);
        let base = with(self.base, &uuid, timestamp, record);
        let added = MessageView::default();
        let Some(decoder) = &mut self.stage.decoder else { return Ok(()) };
        let cause = match decoder.read(record, timestamp, self.stage.emitter.name.as_bytes()) {
            Ok(Parsed::Piece) => {
                let source = self.stage.emitter.name.as_bytes();
                let full = self.stage.joiner.hold(source, decoder.draft(), &base, &added, None);
                return full.map_or(Ok(()), |held| self.stage.put_held(held, out));
            }
            Ok(Parsed::Whole) => {
                let source = self.stage.emitter.name.as_bytes();
                let held = match self.stage.joiner.is_empty() {
                    true => None,
                    false => self.stage.joiner.complete(source, decoder.draft_mut()),
                };
                let both = (&base, &added);
                if self.stage.emitter.put_draft(decoder.draft(), both, Header::default(), out)? {
                    if !decoder.flaws().is_empty() {
                        let number = self.plan.max_count - self.stage.left + 1;
                        let name = &self.stage.emitter.name;
                        tell_flaws(name, format_args!("record {number}"), decoder.flaws());
                    }
                    return Ok(());
                }
                held.map_or(Ok(()), |held| self.stage.put_held(held, out))?;
                None
            }
            Err(cause) => Some(cause),
        };
        match cause {
            Some(cause) => self.put_unparsed(record, &base, cause, out),
            None => self.put_unparsed(record, &base, "fields over the limit", out),
        }
    }

    fn put_json(&mut self, record: &[u8], now: i64, out: &mut Output) -> Result<(), Stop> {
        if self.plan.change_bytes.is_empty() && self.verbatim.read(record) {
            let checkpoint = self.verbatim.checkpoint();
            let header = Header { checkpoint, ..Header::default() };
            let none = MessageView::default();
            let (draft, emitter) = (self.verbatim.draft(), &mut self.stage.emitter);
            if emitter.put_draft(draft, (&none, &none), header, out)? {
                return Ok(());
            }
        }
        let identity = self.stage.emitter.identity(now);
        match json::parse(record, identity) {
            Ok(Line { message: Some(message), checkpoint }) => {
                let message = change(message, &self.plan.changes);
                self.stage.emitter.put_message(message, checkpoint.as_deref(), out)
            }
            Ok(Line { checkpoint, .. }) => checkpoint
                .map_or(Ok(()), |checkpoint| self.stage.emitter.put_mark(&checkpoint, out)),
            Err(why) => {
                let base = with(self.base, &identity.uuid, identity.timestamp, record);
                let is_first = self.stage.misfits == 0 && why.starts_with("unknown member");
                self.put_unparsed(record, &base, why, out)?;
                if is_first {
                    report::hint("--json-map converts JSON of any shape");
                }
                Ok(())
            }
        }
    }

    /// Handles a record that cannot be parsed.
    fn put_unparsed(
        &mut self,
        record: &[u8],
        base: &MessageView<'_>,
        cause: impl Display,
        out: &mut Output,
    ) -> Result<(), Stop> {
        let number = self.plan.max_count - self.stage.left + 1;
        if !self.stage.tell_unparsed(format_args!("record {number}"), cause) {
            let has_end = self.plan.chomp && !self.is_piece;
            let end = [self.plan.delimiter.unwrap_or(b'\n')];
            return self.stage.spill(&[record, &end[..usize::from(has_end)]]);
        }
        self.stage.put_noted(base, &MessageView::default(), Header::default(), out)
    }
}

/// Combines the common parts of messages with individual ones.
fn with<'a>(
    mut base: MessageView<'a>,
    uuid: &'a [u8],
    timestamp: i64,
    payload: &'a [u8],
) -> MessageView<'a> {
    base.uuid = Some(uuid);
    base.timestamp = Some(timestamp);
    base.payload = Some(payload);
    base
}
