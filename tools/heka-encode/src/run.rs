// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records in, messages out.

use std::fmt::Display;
use std::ops::ControlFlow;

use heka_core::codec::Form;
use heka_core::codec::json::{self, Line};
use heka_core::decode::{Decoder, PRESETS, Part as Parsed};
use heka_core::delivery::Marks;
use heka_core::os::{Flow, Input, Output, clock, unpacked};
use heka_core::record::{Found, Framing, Group, Limit, More, Part, Progress, Record, Splitter};
use heka_core::report::{self, Status, Stop};
use heka_core::wire::{Draft, Header, MessageView, Value};

use crate::cli::InputForm;
use crate::emit::Emitter;
use crate::input::{is_frames, read_more};
use crate::join::{Held, Joiner};
use crate::numbers;
use crate::plan::{Plan, Shape, change};
use crate::unparsed::tell_flaws;

/// How much longer than a message its text may be: escapes take six bytes for one, and base64 may
/// stand beside them.
const TEXT_PER_MESSAGE: usize = 10;
/// The field of a record that could not be parsed: why.
const UNPARSED: &[u8] = b"_unparsed";

/// Encodes all files in turn.
pub(crate) fn run(plan: &Plan) -> Result<Status, Stop> {
    let mut out = Output::stdout()?;
    if plan.lists_presets {
        for (name, what) in PRESETS {
            out.put(format!("{name:16} {what}\n").as_bytes());
        }
        return out.flush().map(|()| Status::Done);
    }
    let out = out.unlike(&plan.files)?.unbuffered(plan.writing.unbuffered);
    let (encoder, mut out) = plan.showing.open(Form::Heka, plan.color, out)?;
    let mut job = Job::new(plan, Emitter::new(plan, encoder, &out))?;
    Input::expect(&plan.files);
    for file in &plan.files {
        let ended = job.encode(file, &mut out);
        // Also what was made before an error or a signal is written.
        if !matches!(ended, Err(Stop::BrokenPipe)) {
            out.flush()?;
        }
        match ended {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(())) => break,
            Err(Stop::Error { status, text }) => {
                report::error(text);
                job.status = job.status.and(status);
            }
            Err(stop) => return Err(stop),
        }
    }
    // Of records that -n or an error cut short.
    job.put_all_held(&mut out)?;
    job.put_marks(&mut out)?;
    out.flush()?;
    let lost = job.emitter.has_lost() || plan.strict && job.misfits > 0;
    let status = job.status.and(Status::failed_if(lost));
    Ok(status.and(plan.writing.status(job.emitter.written())))
}

/// The work on all files.
pub(crate) struct Job<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) emitter: Emitter<'a>,
    /// How many more records are wanted.
    pub(crate) left: u64,
    /// Records that could not be parsed.
    misfits: u64,
    pub(crate) status: Status,
    pub(crate) decoder: Option<Decoder>,
    /// What all messages have in common.
    base: MessageView<'a>,
    /// What was asked for and nothing else.
    pub(crate) changes: MessageView<'a>,
    /// What is said of a record that could not be parsed.
    pub(crate) note: Draft,
    words: String,
    /// Room for the text of a message that is parsed.
    pub(crate) text: Vec<u8>,
    /// Where such records go, if that is a file.
    spill: Option<Output>,
    /// Parts of records that are not whole.
    pub(crate) joiner: Joiner,
    /// Whether more of the record at hand follows.
    is_piece: bool,
    /// White space between records means nothing.
    is_loose: bool,
    /// Positions of messages that were dropped.
    pub(crate) marks: Marks,
    pub(crate) name: String,
}

impl<'a> Job<'a> {
    fn new(plan: &'a Plan, emitter: Emitter<'a>) -> Result<Self, Stop> {
        let view = |bytes: &'a [u8]| MessageView::parse(bytes).unwrap_or_default();
        Ok(Self {
            plan,
            emitter,
            left: plan.max_count,
            misfits: 0,
            status: Status::Done,
            decoder: plan.decoder.clone(),
            base: view(&plan.base_bytes),
            changes: view(&plan.change_bytes),
            note: Draft::new(plan.max_record),
            words: String::new(),
            text: Vec::new(),
            spill: plan.unparsed.open()?,
            joiner: Joiner::new(plan.max_record.saturating_mul(TEXT_PER_MESSAGE)),
            is_piece: false,
            is_loose: plan.delimiter.is_none()
                && matches!(plan.shape, Shape::Json | Shape::Journal),
            marks: Marks::default(),
            name: String::new(),
        })
    }

    fn encode(&mut self, file: &str, out: &mut Output) -> Flow {
        if self.left == 0 {
            return Ok(ControlFlow::Break(()));
        }
        let mut input = Input::open(file)?;
        self.name.clear();
        self.name.push_str(input.name());
        match self.plan.input {
            InputForm::Whole => return self.encode_whole(input, out),
            InputForm::Heka => return self.encode_frames(unpacked(input, out)?, out),
            _ => input = unpacked(input, out)?,
        }
        if self.plan.input == InputForm::Auto && is_frames(&mut input, out)? {
            return self.encode_frames(input, out);
        }
        self.encode_records(input, out)
    }

    /// Makes one message of a whole input, also of an empty one.
    fn encode_whole(&mut self, mut input: Input, out: &mut Output) -> Flow {
        if input.fill(out)? {
            return self.encode_records(input, out);
        }
        if !self.plan.skip_empty {
            self.put_text(&[], clock::now_ns(), out)?;
            self.left -= 1;
        }
        Ok(if self.left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn encode_records(&mut self, mut input: Input, out: &mut Output) -> Flow {
        let splitter = self.splitter();
        let mut progress = Progress::default();
        let mut more = More::Coming;
        loop {
            let now = clock::now_ns();
            let mut records = splitter.records(input.data(), &mut progress, more);
            for found in records.by_ref() {
                match found {
                    Found::Record(record) => self.put(&record, now, out)?,
                    Found::Damage(damage) => self.emitter.tell(input.name(), &damage),
                    Found::Frame(_) => {}
                }
                if self.left == 0 {
                    return Ok(ControlFlow::Break(()));
                }
            }
            let done = records.done();
            input.consume(done);
            if more == More::Ended || splitter.has_all(&progress) {
                self.put_all_held(out)?;
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
            self.emitter.room()
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

    /// Writes what a record, or a piece of one, becomes.
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
        // A piece is no record: its last one is.
        self.left -= u64::from(!self.is_piece);
        Ok(())
    }

    #[inline]
    fn put_text(&mut self, text: &[u8], now: i64, out: &mut Output) -> Result<(), Stop> {
        if self.decoder.is_some() {
            self.put_parsed(text, now, out)
        } else if self.plan.input == InputForm::Json {
            self.put_json(text, now, out)
        } else {
            self.emitter.put_payload(text, now, out)
        }
    }

    fn put_parsed(&mut self, record: &[u8], now: i64, out: &mut Output) -> Result<(), Stop> {
        let json::Identity { uuid, timestamp } = self.emitter.identity(now);
        let base = with(self.base, &uuid, timestamp, record);
        let added = MessageView::default();
        let Some(decoder) = &mut self.decoder else { return Ok(()) };
        let cause = match decoder.read(record, timestamp, self.name.as_bytes()) {
            Ok(Parsed::Piece) => {
                let source = self.name.as_bytes();
                let full = self.joiner.hold(source, decoder.draft(), &base, &added, None);
                return full.map_or(Ok(()), |held| self.put_held(held, out));
            }
            Ok(Parsed::Whole) => {
                let held = if self.joiner.is_empty() {
                    None
                } else {
                    self.joiner.complete(self.name.as_bytes(), decoder.draft_mut())
                };
                let both = (&base, &added);
                if self.emitter.put_draft(decoder.draft(), both, Header::default(), out)? {
                    if !decoder.flaws().is_empty() {
                        let number = self.plan.max_count - self.left + 1;
                        tell_flaws(&self.name, format_args!("record {number}"), decoder.flaws());
                    }
                    return Ok(());
                }
                held.map_or(Ok(()), |held| self.put_held(held, out))?;
                None
            }
            Err(cause) => Some(cause),
        };
        match cause {
            Some(cause) => self.put_unparsed(record, &base, cause, out),
            None => self.put_unparsed(record, &base, "fields over the limit", out),
        }
    }

    /// Writes a record whose end has not come.
    pub(crate) fn put_held(&mut self, held: Held, out: &mut Output) -> Result<(), Stop> {
        let (message, checkpoint) = held.into_message();
        self.emitter.put_message(message, checkpoint.as_deref(), out)
    }

    /// Writes what is there of records whose end does not come.
    pub(crate) fn put_all_held(&mut self, out: &mut Output) -> Result<(), Stop> {
        while let Some(held) = self.joiner.take_first() {
            self.put_held(held, out)?;
        }
        Ok(())
    }

    fn put_json(&mut self, record: &[u8], now: i64, out: &mut Output) -> Result<(), Stop> {
        let identity = self.emitter.identity(now);
        match json::parse(record, identity) {
            Ok(Line { message: Some(message), checkpoint }) => {
                let message = change(message, &self.plan.changes);
                self.emitter.put_message(message, checkpoint.as_deref(), out)
            }
            Ok(Line { checkpoint, .. }) => {
                checkpoint.map_or(Ok(()), |checkpoint| self.emitter.put_mark(&checkpoint, out))
            }
            Err(why) => {
                let base = with(self.base, &identity.uuid, identity.timestamp, record);
                let is_first = self.misfits == 0 && why.starts_with("unknown member");
                self.put_unparsed(record, &base, why, out)?;
                if is_first {
                    report::hint("--json-map makes messages of JSON of any shape");
                }
                Ok(())
            }
        }
    }

    /// Does with a record that cannot be parsed what was asked for.
    fn put_unparsed(
        &mut self,
        record: &[u8],
        base: &MessageView<'_>,
        cause: impl Display,
        out: &mut Output,
    ) -> Result<(), Stop> {
        let number = self.plan.max_count - self.left + 1;
        if !self.tell_unparsed(format_args!("record {number}"), cause) {
            let has_end = self.plan.chomp && !self.is_piece;
            let end = [self.plan.delimiter.unwrap_or(b'\n')];
            return self.spill(&[record, &end[..usize::from(has_end)]]);
        }
        self.put_noted(base, &MessageView::default(), Header::default(), out)
    }

    /// Tells of a record that cannot be parsed; whether it is forwarded, with a note in it.
    pub(crate) fn tell_unparsed(&mut self, place: impl Display, cause: impl Display) -> bool {
        use std::fmt::Write as _;
        self.misfits += 1;
        numbers::UNPARSED.add(1);
        let done = self.plan.unparsed.done();
        let text = format_args!("{}: {place}: {cause}, {done}", self.name);
        report::repeated("unparsed records", text);
        self.words.clear();
        // Writing to a string does not fail.
        let _ok = write!(self.words, "{cause}");
        self.plan.unparsed == crate::unparsed::Unparsed::Forward
    }

    /// Writes a message that was not parsed, with a note that says why.
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
            self.emitter.tell_too_long("", heka_core::record::Oversize::Drop);
            if let Some(checkpoint) = header.checkpoint {
                self.emitter.put_mark(checkpoint, out)?;
            }
        }
        Ok(())
    }

    /// Adds bytes to the file for records that cannot be parsed, if there is one.
    pub(crate) fn spill(&mut self, pieces: &[&[u8]]) -> Result<(), Stop> {
        let Some(file) = &mut self.spill else { return Ok(()) };
        pieces.iter().for_each(|piece| file.put(piece));
        file.end_record()
    }

    /// Says how far the sources of dropped messages were read.
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

/// What all messages have in common, with what only one has.
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
