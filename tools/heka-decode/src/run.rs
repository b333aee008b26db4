// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads framed messages, selects some, and writes them in the requested form.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use heka_core::codec::{Encoder, Form, Newlines};
use heka_core::delivery::queue_dir::QueueDir;
use heka_core::os::{
    Deadline, Ending, Flow, FrameReader, Input, Output, Receive, frames_ending, unpacked,
};
use heka_core::report::{Status, Stop};
use heka_core::wire::{Frame, Header, MessageView};

use crate::cli::Plan;
use crate::positions::Positions;
use crate::select::Selection;
use crate::write::Writer;

/// Polling interval of a followed file (as in heka-cat).
const FOLLOW_EVERY: Duration = Duration::from_millis(500);

/// Decodes all files in turn.
pub(crate) fn run(plan: &Plan) -> Result<Status, Stop> {
    let (encoder, mut out) = open_output(plan)?;
    let positions = Positions::new(plan, &encoder, &out)?;
    let writer = Writer::new(plan, encoder);
    let mut decoder = Decoder { selection: Selection::new(plan), writer, positions };
    let decoded = decode_all(plan, &mut decoder, &mut out);
    if matches!(decoded, Err(Stop::BrokenPipe)) {
        return decoded;
    }
    decoder.selection.warn_of_text();
    let finished = decoder.positions.finish(&mut out);
    if !matches!(decoded, Err(Stop::Error { .. })) {
        finished?;
    }
    let status = decoded?;
    let status = status.and(Status::failed_if(decoder.selection.rejected() > 0));
    Ok(status.and(plan.writing.status(decoder.writer.taken())))
}

fn decode_all(plan: &Plan, decoder: &mut Decoder<'_>, out: &mut Output) -> Result<Status, Stop> {
    let mut status = Status::Done;
    let mut failure = None;
    Input::expect(&plan.files);
    if plan.sort.is_some() {
        return merge(plan, decoder, out);
    }
    for file in &plan.files {
        if decoder.selection.is_complete() {
            break;
        }
        let ended = decoder.decode(plan, file, out);
        // Output produced before an error or a signal is written too.
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
            // Messages before the damage are still written.
            Err(stop @ Stop::Error { .. }) => {
                failure = Some(stop);
                break;
            }
            Err(stop) => return Err(stop),
        }
    }
    decoder.writer.finish(failure.is_none(), out)?;
    decoder.say_positions(out)?;
    out.flush()?;
    failure.map_or(Ok(status), Err)
}

/// A file that is merged with others.
struct Source<'a> {
    file: &'a str,
    reader: FrameReader,
    /// The latest time read from it.
    reached: i64,
}

/// Decodes all files together, in time order: the file that is furthest behind is read next.
fn merge(plan: &Plan, decoder: &mut Decoder<'_>, out: &mut Output) -> Result<Status, Stop> {
    let mut status = Status::Done;
    let mut sources = Vec::new();
    for file in &plan.files {
        match Input::open(file).and_then(|input| unpacked(input, out)) {
            Ok(input) => sources.push(Source {
                file,
                reader: FrameReader::new(input, plan.max_record, 0).strict(plan.strict),
                reached: i64::MIN,
            }),
            Err(Stop::Error { status: of_file, text }) if !plan.strict => {
                heka_core::report::error(text);
                status = status.and(of_file);
            }
            Err(stop) => return Err(stop),
        }
    }
    while !sources.is_empty() {
        let behind = sources.iter_mut().enumerate().min_by_key(|(_, source)| source.reached);
        let Some((index, source)) = behind else { break };
        decoder.writer.begin(source.file);
        let mut receive = From { file: source.file, decoder };
        let ended = source.reader.read_block(out, &mut receive)?;
        source.reached = source.reached.max(decoder.writer.take_latest().unwrap_or(i64::MIN));
        if ended {
            let source = sources.swap_remove(index);
            status = status.and(Status::failed_if(source.reader.damages() > 0));
        }
        if decoder.selection.is_complete() {
            break;
        }
        let reached = sources.iter().map(|source| source.reached).min().unwrap_or(i64::MAX);
        decoder.writer.write_sorted(reached, out)?;
    }
    decoder.writer.finish(true, out)?;
    decoder.say_positions(out)?;
    out.flush()?;
    Ok(status)
}

fn open_output(plan: &Plan) -> Result<(Encoder, Output), Stop> {
    let out = plan
        .write
        .open(plan.commit.is_some())?
        .unlike(&plan.files)?
        .unbuffered(plan.writing.unbuffered);
    // Numbers are text, whatever the form of messages.
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
    positions: Positions,
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
        let mut input = unpacked(Input::open(file)?, out)?;
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

    /// Decodes a message without a frame, which is the whole input.
    fn decode_bare(
        &mut self,
        plan: &Plan,
        mut input: Input,
        out: &mut Output,
    ) -> Result<(Status, ControlFlow<()>), Stop> {
        while input.fill(out)? {
            if input.data().len() > plan.max_record {
                return Err(Stop::failed(format_args!(
                    "{}: message longer than the limit",
                    input.name()
                )));
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
        let is_written = is_taken && !self.writer.is_delaying();
        self.positions.receive(frame.header.checkpoint, is_written);
        self.go_on(out)
    }

    /// Takes the frames of `count` messages without positions.
    fn receive_run(&mut self, frames: &[u8], count: u64, out: &mut Output) -> Flow {
        self.selection.pass(count);
        self.writer.take_frames(frames, count, out)?;
        self.positions.pass(count);
        self.go_on(out)
    }

    #[inline]
    fn go_on(&mut self, out: &mut Output) -> Flow {
        if self.positions.are_due() {
            self.say_positions_in_order(out)?;
        }
        Ok(if self.selection.is_complete() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    }

    /// Writes positions, unless an earlier message is still pending.
    fn say_positions_in_order(&mut self, out: &mut Output) -> Result<(), Stop> {
        if self.writer.is_delaying() { Ok(()) } else { self.say_positions(out) }
    }

    fn say_positions(&mut self, out: &mut Output) -> Result<(), Stop> {
        let Self { positions, writer, .. } = self;
        positions.say(out, |checkpoint, out| writer.put_mark(checkpoint, out))
    }
}

/// The receiver of the frames in one file.
struct From<'a, 'b> {
    file: &'a str,
    decoder: &'a mut Decoder<'b>,
}

impl Receive for From<'_, '_> {
    #[inline]
    fn message(&mut self, frame: &Frame<'_>, out: &mut Output) -> Flow {
        self.decoder.receive(self.file, frame, out)
    }

    #[inline]
    fn run_limit(&self, out: &Output) -> u64 {
        if self.decoder.writer.takes_frames(out) {
            self.decoder.selection.unconditional()
        } else {
            0
        }
    }

    fn run(&mut self, frames: &[u8], count: u64, out: &mut Output) -> Flow {
        self.decoder.receive_run(frames, count, out)
    }

    fn mark(&mut self, checkpoint: &[u8], out: &mut Output) -> Result<(), Stop> {
        self.decoder.positions.receive(Some(checkpoint), false);
        if self.decoder.positions.are_due() {
            self.decoder.say_positions_in_order(out)?;
        }
        Ok(())
    }

    fn rest(&mut self, out: &mut Output) -> Result<(), Stop> {
        self.decoder.say_positions_in_order(out)
    }

    fn due(&self) -> Deadline {
        self.decoder.positions.due()
    }
}
