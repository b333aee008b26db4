// SPDX-License-Identifier: MIT OR Apache-2.0
//! Framed messages in, some of them out, in the form asked for.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use heka_core::codec::{Encoder, Form, Newlines};
use heka_core::delivery::Marks;
use heka_core::delivery::queue_dir::QueueDir;
use heka_core::os::{Ending, Flow, FrameReader, Input, Output, Receive, frames_ending};
use heka_core::report::{Status, Stop};
use heka_core::wire::{Frame, Header, MessageView};

use crate::cli::Plan;
use crate::select::Selection;
use crate::write::Writer;

/// How often a file is looked at that is followed (heka-cat's pace).
const FOLLOW_EVERY: Duration = Duration::from_millis(500);

/// Decodes all files in turn.
pub(crate) fn run(plan: &Plan) -> Result<Status, Stop> {
    let (encoder, mut out) = open_output(plan)?;
    let has_marks = encoder.has_positions() && out.is_stream() && !plan.with_filename;
    let marks = has_marks.then(Marks::default);
    let writer = Writer::new(plan, encoder);
    let mut decoder = Decoder { selection: Selection::new(plan), writer, marks };
    let mut status = Status::Done;
    let mut failure = None;
    Input::expect(&plan.files);
    for file in &plan.files {
        if decoder.selection.is_complete() {
            break;
        }
        let ended = decoder.decode(plan, file, &mut out);
        // Also what was made before an error or a signal is written.
        if !matches!(ended, Err(Stop::BrokenPipe)) {
            out.flush()?;
        }
        match ended {
            Ok((of_file, flow)) => {
                status = status.and(of_file);
                if flow.is_break() {
                    break;
                }
            }
            Err(Stop::Error { status: of_file, text }) if !plan.strict => {
                heka_core::report::error(text);
                status = status.and(of_file);
            }
            // What was there before the damage is written all the same.
            Err(stop @ Stop::Error { .. }) => {
                failure = Some(stop);
                break;
            }
            Err(stop) => return Err(stop),
        }
    }
    decoder.writer.finish(failure.is_none(), &mut out)?;
    decoder.put_marks(&mut out)?;
    out.flush()?;
    if let Some(stop) = failure {
        return Err(stop);
    }
    status = status.and(Status::failed_if(decoder.selection.rejected() > 0));
    Ok(status.and(plan.writing.status(decoder.writer.taken())))
}

fn open_output(plan: &Plan) -> Result<(Encoder, Output), Stop> {
    let out = plan.write.open(false)?.unlike(&plan.files)?.unbuffered(plan.writing.unbuffered);
    // A number is text, whatever the messages would be.
    let counts = plan.count || !plan.count_by.is_empty();
    let form = if counts { Some(Form::Text) } else { plan.form };
    let (encoder, out) =
        plan.showing.open_as(form, Form::Payload, plan.color, plan.settings.clone(), out)?;
    let payload = &plan.settings.payload;
    let out = match encoder.form() {
        Form::Heka => out.ending_with(frames_ending(plan.max_record))?,
        Form::Json => out.ending_with(Ending::Byte(b'\n'))?,
        Form::Payload if payload.newlines != Newlines::Never => {
            out.ending_with(Ending::Byte(if payload.null { 0 } else { b'\n' }))?
        }
        _ => out,
    };
    Ok((encoder, out))
}

struct Decoder<'a> {
    selection: Selection<'a>,
    writer: Writer,
    /// Positions of what is dropped, if the next stage has a use for them.
    marks: Option<Marks>,
}

impl Decoder<'_> {
    /// Decodes one file.
    fn decode(
        &mut self,
        plan: &Plan,
        file: &str,
        out: &mut Output,
    ) -> Result<(Status, ControlFlow<()>), Stop> {
        self.writer.begin(file);
        if plan.framing && Path::new(file).is_dir() {
            let queue = QueueDir::open(Path::new(file))?;
            let (lost, flow) = queue.read_all(|frame| self.receive(file, frame, out))?;
            return Ok((Status::failed_if(lost), flow));
        }
        let mut input = Input::open(file)?.unpacked(out)?;
        input.skip(plan.offset, out)?;
        if !plan.framing {
            return self.decode_bare(plan, input, out);
        }
        let mut reader = FrameReader::new(input, plan.max_record, plan.offset)
            .strict(plan.strict)
            .follow(plan.follow.then_some(FOLLOW_EVERY));
        if plan.follow && plan.last.is_some() {
            let flow = reader.read_present(out, &mut From { file, decoder: self })?;
            self.writer.release(out)?;
            if flow.is_break() {
                return Ok((Status::failed_if(reader.damages() > 0), flow));
            }
        }
        let flow = reader.read_all(out, &mut From { file, decoder: self })?;
        Ok((Status::failed_if(reader.damages() > 0), flow))
    }

    /// Decodes one message without a frame: the whole input.
    fn decode_bare(
        &mut self,
        plan: &Plan,
        mut input: Input,
        out: &mut Output,
    ) -> Result<(Status, ControlFlow<()>), Stop> {
        while input.fill(out)? {
            if input.data().len() > plan.max_record {
                return Err(Stop::failed(format_args!("{}: message over the limit", input.name())));
            }
        }
        let message = input.data();
        let view = MessageView::parse(message)
            .map_err(|_| Stop::failed(format_args!("{}: bad message", input.name())))?;
        let header = Header {
            message_length: u32::try_from(message.len()).unwrap_or(u32::MAX),
            ..Header::default()
        };
        let mut bytes = Vec::new();
        heka_core::wire::put_frame(&mut bytes, header, message).map_err(Stop::failed)?;
        let frame = Frame { bytes: &bytes, header, message, view, offset: 0 };
        let flow = self.receive(input.name(), &frame, out)?;
        Ok((Status::Done, flow))
    }

    #[inline]
    fn receive(&mut self, file: &str, frame: &Frame<'_>, out: &mut Output) -> Flow {
        let is_taken = self.selection.takes(file, frame);
        if is_taken {
            self.writer.take(frame, out)?;
        }
        if let Some(checkpoint) = frame.header.checkpoint {
            self.note(checkpoint, is_taken && !self.writer.is_delaying(), out)?;
        }
        Ok(if self.selection.is_complete() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    }

    /// Takes note of a position: its message was passed on, or nobody waits for it.
    fn note(&mut self, checkpoint: &[u8], is_passed: bool, out: &mut Output) -> Result<(), Stop> {
        let Some(marks) = &mut self.marks else { return Ok(()) };
        if is_passed {
            marks.pass(checkpoint);
            return Ok(());
        }
        marks.drop(checkpoint);
        if marks.is_due() { self.put_due_marks(out) } else { Ok(()) }
    }

    /// Says which positions were dropped, unless a message of before is yet to be written.
    fn put_due_marks(&mut self, out: &mut Output) -> Result<(), Stop> {
        if self.writer.is_delaying() { Ok(()) } else { self.put_marks(out) }
    }

    fn put_marks(&mut self, out: &mut Output) -> Result<(), Stop> {
        let Some(marks) = &mut self.marks else { return Ok(()) };
        marks.take(|checkpoint| self.writer.put_mark(checkpoint, out));
        out.end_record()
    }
}

/// The frames of one file.
struct From<'a, 'b> {
    file: &'a str,
    decoder: &'a mut Decoder<'b>,
}

impl Receive for From<'_, '_> {
    #[inline]
    fn message(&mut self, frame: &Frame<'_>, out: &mut Output) -> Flow {
        self.decoder.receive(self.file, frame, out)
    }

    fn mark(&mut self, checkpoint: &[u8], out: &mut Output) -> Result<(), Stop> {
        self.decoder.note(checkpoint, false, out)
    }

    fn rest(&mut self, out: &mut Output) -> Result<(), Stop> {
        self.decoder.put_due_marks(out)
    }
}
