// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records in, messages out.

use std::ops::ControlFlow;

use heka_core::codec::Form;
use heka_core::codec::json::Line;
use heka_core::os::{FrameReader, Input, Output, Receive, clock};
use heka_core::record::{Found, Framing, Limit, More, Oversize, Part, Progress, Record, Splitter};
use heka_core::report::{self, Status, Stop};
use heka_core::wire::{DEFAULT_READ_LIMIT, Frame, Header};

use crate::cli::{InputForm, Plan};
use crate::emit::Emitter;
use crate::structure::upon;

/// How much longer than a message its text may be: escapes take six bytes for one, and base64 may
/// stand beside them.
const TEXT_PER_MESSAGE: usize = 10;

/// Encodes all files in turn.
pub(crate) fn run(plan: &Plan) -> Result<Status, Stop> {
    let out = Output::stdout()?.unlike(&plan.files)?.unbuffered(plan.writing.unbuffered);
    let (encoder, mut out) = plan.showing.open(Form::Heka, plan.color, out)?;
    let mut job = Job {
        plan,
        emitter: Emitter::new(plan, encoder, &out),
        left: plan.max_count,
        misfits: 0,
        status: Status::Done,
    };
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
    let lost = job.emitter.has_lost() || plan.strict && job.misfits > 0;
    let status = job.status.and(Status::failed_if(lost));
    Ok(status.and(plan.writing.status(job.emitter.written())))
}

/// The work on all files.
struct Job<'a> {
    plan: &'a Plan,
    emitter: Emitter<'a>,
    /// How many more records are wanted.
    left: u64,
    /// Records that had not the structure asked for.
    misfits: u64,
    status: Status,
}

type Flow = Result<ControlFlow<()>, Stop>;

impl Job<'_> {
    fn encode(&mut self, file: &str, out: &mut Output) -> Flow {
        if self.left == 0 {
            return Ok(ControlFlow::Break(()));
        }
        let input = Input::open(file)?;
        match self.plan.input {
            InputForm::Heka => self.encode_frames(input, out),
            InputForm::Whole => self.encode_whole(input, out),
            InputForm::Lines | InputForm::Json | InputForm::Logfmt => {
                self.encode_records(input, out)
            }
        }
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
        loop {
            let more = if input.fill(out)? { More::Coming } else { More::Ended };
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
                return Ok(ControlFlow::Continue(()));
            }
        }
    }

    fn splitter(&self) -> Splitter {
        let plan = self.plan;
        let room = match plan.structure {
            Some(_) => plan.max_record.saturating_mul(TEXT_PER_MESSAGE),
            None => self.emitter.room(),
        };
        // A delimiter that is kept is part of the message.
        let size = room.saturating_sub(usize::from(!plan.chomp)).max(1);
        let framing = match plan.input {
            InputForm::Whole => Framing::Whole,
            _ => Framing::Delimited(plan.delimiter),
        };
        Splitter::new(framing, Limit { size, oversize: plan.oversize })
    }

    /// Writes what a record, or a piece of one, becomes.
    #[inline]
    fn put(&mut self, record: &Record<'_>, now: i64, out: &mut Output) -> Result<(), Stop> {
        if self.plan.skip_empty && record.text.is_empty() {
            return Ok(());
        }
        let text = if self.plan.chomp { record.text } else { record.whole };
        self.put_text(text, now, out)?;
        // A piece is no record: its last one is.
        self.left -= u64::from(record.part != Part::Piece);
        Ok(())
    }

    #[inline]
    fn put_text(&mut self, text: &[u8], now: i64, out: &mut Output) -> Result<(), Stop> {
        match &self.plan.structure {
            None => self.emitter.put_payload(text, now, out),
            Some(_) => self.put_structured(text, now, out),
        }
    }

    fn put_structured(&mut self, record: &[u8], now: i64, out: &mut Output) -> Result<(), Stop> {
        let identity = self.emitter.identity(now);
        let Some(structure) = &self.plan.structure else { return Ok(()) };
        match structure.apply(record, &self.plan.base, identity) {
            Ok(Line { message: Some(message), checkpoint }) => {
                self.emitter.put_message(message, checkpoint.as_deref(), out)
            }
            Ok(Line { checkpoint, .. }) => {
                checkpoint.map_or(Ok(()), |checkpoint| self.emitter.put_mark(&checkpoint, out))
            }
            Err(why) => {
                self.misfits += 1;
                let number = self.plan.max_count - self.left + 1;
                let text = format_args!("record {number}: {why}, forwarded unparsed");
                report::repeated("unparsed records", text);
                if record.len() <= self.emitter.room() {
                    return self.emitter.put_payload(record, now, out);
                }
                self.emitter.put_message(upon(&self.plan.base, record, identity), None, out)
            }
        }
    }

    /// Frames messages anew: with another signature, or none.
    fn encode_frames(&mut self, input: Input, out: &mut Output) -> Flow {
        let limit = DEFAULT_READ_LIMIT.max(self.plan.max_record);
        let mut reader = FrameReader::new(input, limit, 0);
        let flow = reader.read_all(out, self)?;
        self.status = self.status.and(Status::failed_if(reader.damages() > 0));
        Ok(flow)
    }

    fn put_frame(&mut self, frame: &Frame<'_>, out: &mut Output) -> Flow {
        if frame.message.len() > self.plan.max_record {
            let place = format!("offset {}: ", frame.offset);
            self.emitter.tell_too_long(&place, Oversize::Drop);
            if let Some(checkpoint) = frame.header.checkpoint {
                self.emitter.put_mark(checkpoint, out)?;
            }
            return Ok(ControlFlow::Continue(()));
        }
        self.left -= 1;
        // The signature goes, what stages of a pipeline tell each other stays.
        let header = Header {
            hmac_hash: None,
            hmac_signer: None,
            hmac_key_version: None,
            hmac: None,
            ..frame.header
        };
        self.emitter.put_framed(header, frame.message, out)?;
        Ok(if self.left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}

impl Receive for Job<'_> {
    fn message(&mut self, frame: &Frame<'_>, out: &mut Output) -> Flow {
        self.put_frame(frame, out)
    }

    fn mark(&mut self, checkpoint: &[u8], out: &mut Output) -> Result<(), Stop> {
        self.emitter.put_mark(checkpoint, out)
    }
}
