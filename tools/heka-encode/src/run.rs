// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records in, messages out.

use std::ops::ControlFlow;

use heka_core::codec::{Encoder, Form};
use heka_core::exit::{Status, Stop};
use heka_core::io::{Input, Output};
use heka_core::stream::FrameReader;
use heka_core::wire::{DEFAULT_READ_LIMIT, Frame, Header};
use heka_core::{clock, diag, stats};

use crate::cli::{InputForm, Oversize, Plan};
use crate::emit::Emitter;
use crate::record::{Found, Splitter};

/// How much longer than a message its text may be: escapes take six bytes for one, and base64 may
/// stand beside them.
const TEXT_PER_MESSAGE: usize = 10;

/// Encodes all files in turn.
pub(crate) fn run(plan: &Plan) -> Result<Status, Stop> {
    let out = Output::stdout()?.unlike(&plan.files)?.unbuffered(plan.writing.unbuffered);
    let (form, mut out) = plan.showing.open(Form::Heka, out)?;
    let mut job = Job {
        plan,
        emitter: Emitter::new(plan, Encoder::new(form)),
        left: plan.max_count,
        misfits: 0,
        status: Status::Done,
    };
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
                diag::error(text);
                job.status = job.status.and(status);
            }
            Err(stop) => return Err(stop),
        }
    }
    job.tell_misfits();
    let lost = job.emitter.lost() > 0 || plan.strict && job.misfits > 0;
    let status = job.status.and(Status::failed_if(lost));
    Ok(status.and(plan.writing.status(stats::MESSAGES.value())))
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

    fn encode_records(&mut self, mut input: Input, out: &mut Output) -> Flow {
        let limit = match self.plan.structure {
            Some(_) => self.plan.max_message_size.saturating_mul(TEXT_PER_MESSAGE),
            None => self.emitter.room(),
        };
        let plan = self.plan;
        let mut splitter = Splitter::new(plan.delimiter, plan.chomp, limit, plan.oversize);
        loop {
            let more = input.fill(out)?;
            let now = clock::now_ns();
            let mut done = 0;
            loop {
                match splitter.next(&input.data()[done..], !more) {
                    Found::Record(record, len) => {
                        done += len;
                        self.put(record, now, out)?;
                        if self.left == 0 {
                            return Ok(ControlFlow::Break(()));
                        }
                    }
                    Found::Skip(len, begins) => {
                        done += len;
                        if begins && plan.oversize == Oversize::Drop {
                            self.emitter.lose("record over the limit")?;
                        }
                    }
                    Found::Nothing => break,
                }
            }
            input.consume(done);
            if !more {
                return Ok(ControlFlow::Continue(()));
            }
        }
    }

    /// Writes what a record becomes.
    #[inline]
    fn put(&mut self, record: &[u8], now: i64, out: &mut Output) -> Result<(), Stop> {
        if self.plan.skip_empty && (record.is_empty() || record == [self.plan.delimiter]) {
            return Ok(());
        }
        self.left -= 1;
        match &self.plan.structure {
            None => self.emitter.put_payload(record, now, out),
            Some(_) => self.put_structured(record, now, out),
        }
    }

    fn put_structured(&mut self, record: &[u8], now: i64, out: &mut Output) -> Result<(), Stop> {
        let identity = self.emitter.identity(now);
        let Some(structure) = &self.plan.structure else { return Ok(()) };
        match structure.apply(record, &self.plan.base, identity) {
            Ok(message) => self.emitter.put_message(message, out),
            Err(why) => {
                self.misfits += 1;
                if self.misfits == 1 {
                    let number = self.plan.max_count - self.left;
                    diag::warning(format_args!("record {number}: {why}, passed as it is"));
                }
                let room = self.emitter.room();
                let len = crate::emit::cut(record, room);
                self.emitter.put_payload(record.get(..len).unwrap_or(record), now, out)
            }
        }
    }

    fn tell_misfits(&self) {
        if self.misfits > 1 {
            diag::warning(format_args!("{} records passed as they are", self.misfits));
        }
    }

    /// Makes one message of a whole input.
    fn encode_whole(&mut self, mut input: Input, out: &mut Output) -> Flow {
        while input.fill(out)? {
            if self.plan.oversize == Oversize::Split && self.plan.structure.is_none() {
                self.put_pieces(&mut input, out)?;
            }
            if input.data().len() > self.plan.max_message_size {
                break;
            }
        }
        let data = input.data();
        let room = self.emitter.room();
        if data.len() > room
            && self.plan.structure.is_none()
            && self.plan.oversize == Oversize::Drop
        {
            self.emitter.lose("file over the limit")?;
            return Ok(ControlFlow::Continue(()));
        }
        let len = crate::emit::cut(data, room);
        let now = clock::now_ns();
        self.put(data.get(..len).unwrap_or(data), now, out)?;
        Ok(if self.left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    /// Writes what is more than one message holds, so that memory stays flat.
    fn put_pieces(&mut self, input: &mut Input, out: &mut Output) -> Result<(), Stop> {
        let room = self.emitter.room();
        while input.data().len() > room && self.left > 1 {
            let len = crate::emit::cut(input.data(), room);
            let now = clock::now_ns();
            self.put(input.data().get(..len).unwrap_or_default(), now, out)?;
            input.consume(len);
        }
        Ok(())
    }

    /// Frames messages anew: with another signature, or none.
    fn encode_frames(&mut self, input: Input, out: &mut Output) -> Flow {
        let limit = DEFAULT_READ_LIMIT.max(self.plan.max_message_size);
        let mut reader = FrameReader::new(input, limit, 0);
        let flow = reader.read_all(out, |frame, out| self.put_frame(frame, out))?;
        self.status = self.status.and(Status::failed_if(reader.damages() > 0));
        Ok(flow)
    }

    fn put_frame(&mut self, frame: &Frame<'_>, out: &mut Output) -> Flow {
        if frame.message.len() > self.plan.max_message_size {
            self.emitter.lose(&format!("offset {}: message over the limit", frame.offset))?;
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
