// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--decoder`: each message of standard input is decoded by a module. A message's position is sent
//! with the last message that is made from it.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::time::Instant;

use heka_core::cli::{UNPARSED, Unparsed};
use heka_core::codec::{Encoder, Form};
use heka_core::delivery::Marks;
use heka_core::os::{Flow, FrameReader, Input, Output, Receive, signal, wait};
use heka_core::report::{self, Explain as _, Status, Stop, stats};
use heka_core::wire::varint::put_bytes;
use heka_core::wire::{DEFAULT_READ_LIMIT, Frame, Header, MessageView};
use nix::poll::PollFlags;

use crate::cli::{Decoding, Plan};
use crate::host::{Checkpoint, Host, answer, level};
use crate::keeper::{self, Keeper};
use crate::numbers;
use crate::plugin::Plugin;
use crate::run::{count, live_in_utc, preserving};
use crate::sandbox::{Decoder, Limits, Sandbox};

/// Decodes standard input to its end.
pub(crate) fn run(plan: &Plan, decoding: &Decoding, plugin: &Plugin) -> Result<Status, Stop> {
    let (encoder, out) = plan.showing.open(Form::Heka, plan.color, Output::stdout()?)?;
    let mut out = out.unbuffered(plan.writing.unbuffered);
    live_in_utc();
    signal::allow_interrupts().at("signals")?;
    let keeper = Keeper::start(&plugin.name, plan.cpu_limit, keeper::PATIENCE, None)?;
    let made = Rc::new(RefCell::new(Made::default()));
    let loaded = Sandbox::new(plugin.script(), plugin.config.clone(), &keeper.limits, &made);
    let stopped = || signal::pending().map_or(Stop::Said(Status::Failed), Stop::Signal);
    let decoder = Decoder::new(loaded.map_err(|_| stopped())?)
        .map_err(|why| Stop::failed(format_args!("{}: {why}", plugin.name)))?;
    let mut job = Job {
        name: &plugin.name,
        decoding,
        decoder: &decoder,
        limits: &keeper.limits,
        made,
        others: Vec::new(),
        noted: Vec::new(),
        encoder,
        marks: Marks::default(),
        spill: decoding.unparsed.open()?,
        left: plan.max_count.unwrap_or(u64::MAX),
        failed: 0,
        written: 0,
    };
    let status = preserving(plan, decoder.sandbox(), || job.run(&mut out));
    keeper.finish();
    Ok(status?.and(plan.writing.status(job.written)))
}

/// The messages that a decoder injects for one message.
#[derive(Debug, Default)]
struct Made {
    bytes: Vec<u8>,
    /// The end of each message.
    ends: Vec<usize>,
}

impl Host for Made {
    fn inject(&mut self, message: Option<&[u8]>, _: Option<&Checkpoint>) -> i32 {
        if let Some(message) = message {
            self.bytes.extend_from_slice(message);
            self.ends.push(self.bytes.len());
        }
        answer::TAKEN
    }

    fn log(&mut self, level: u8, component: &str, text: &str) {
        match level {
            level::ERROR => report::error(format_args!("{component}: {text}")),
            level::WARNING => report::warning(format_args!("{component}: {text}")),
            _ => report::announce(format_args!("{component}: {text}")),
        }
    }

    fn wait_readable(&mut self, fd: BorrowedFd<'_>) -> bool {
        wait(&[(fd, PollFlags::POLLIN)], None::<Instant>).is_ok()
    }
}

/// The processing of all messages.
struct Job<'a> {
    name: &'a str,
    decoding: &'a Decoding,
    decoder: &'a Decoder,
    limits: &'a Limits,
    made: Rc<RefCell<Made>>,
    /// Fields that the decoder does not see.
    others: Vec<u8>,
    /// A message with one more field.
    noted: Vec<u8>,
    encoder: Encoder,
    marks: Marks,
    /// The file for messages that cannot be decoded.
    spill: Option<Output>,
    /// Number of messages still wanted.
    left: u64,
    /// Number of messages that could not be decoded.
    failed: u64,
    written: u64,
}

impl Job<'_> {
    fn run(&mut self, out: &mut Output) -> Result<Status, Stop> {
        let mut reader = FrameReader::new(Input::stdin()?, DEFAULT_READ_LIMIT, 0);
        let read = reader.read_all(out, self).and_then(|_| self.put_marks(out));
        // Output produced before a signal is written too.
        let written = out.flush();
        read.and(written)?;
        let is_failed = reader.damages() > 0 || self.decoding.strict && self.failed > 0;
        Ok(Status::failed_if(is_failed))
    }

    /// Writes the decoder's result for a message.
    fn put_made(&mut self, frame: &Frame<'_>, out: &mut Output) -> Result<(), Stop> {
        let made = std::mem::take(&mut *self.made.borrow_mut());
        let mut start = 0;
        for (index, &end) in made.ends.iter().enumerate() {
            let message = made.bytes.get(start..end).unwrap_or_default();
            start = end;
            let is_last = index + 1 == made.ends.len();
            let checkpoint = frame.header.checkpoint.filter(|_| is_last);
            self.noted.clear();
            self.noted.extend_from_slice(message);
            match index {
                0 => self.noted.extend_from_slice(&self.others),
                _ => tell_apart(&mut self.noted, &frame.view, index as u64),
            }
            self.put_noted(checkpoint, out)?;
        }
        if made.ends.is_empty() {
            self.drop_position(frame.header.checkpoint, out)?;
        }
        // Reuses the buffers.
        let mut empty = self.made.borrow_mut();
        *empty = made;
        empty.bytes.clear();
        empty.ends.clear();
        Ok(())
    }

    /// Handles a message that cannot be decoded.
    fn put_unparsed(&mut self, frame: &Frame<'_>, why: &str, out: &mut Output) -> Result<(), Stop> {
        self.failed += 1;
        let done = self.decoding.unparsed.done();
        let text = format_args!("{}: offset {}: {why}, {done}", self.name, frame.offset);
        report::repeated("unparsed records", text);
        if self.decoding.unparsed == Unparsed::Forward {
            self.noted.clear();
            self.noted.extend_from_slice(frame.message);
            let mut field = Vec::with_capacity(why.len() + 16);
            put_bytes(&mut field, 1, UNPARSED);
            put_bytes(&mut field, 4, why.as_bytes());
            put_bytes(&mut self.noted, 10, &field);
            return self.put_noted(frame.header.checkpoint, out);
        }
        if let Some(spill) = &mut self.spill {
            spill.put_records(frame.bytes)?;
        }
        self.drop_position(frame.header.checkpoint, out)
    }

    fn put_noted(&mut self, checkpoint: Option<&[u8]>, out: &mut Output) -> Result<(), Stop> {
        let header = Header { checkpoint, ..Header::default() };
        let put = self.encoder.put_message(out.buffer(), header, &self.noted);
        put.map_err(|unfit| Stop::failed(format_args!("{}: {unfit}", self.name)))?;
        self.written += 1;
        stats::MESSAGES.add(1);
        out.end_record()
    }

    fn drop_position(&mut self, checkpoint: Option<&[u8]>, out: &mut Output) -> Result<(), Stop> {
        let Some(checkpoint) = checkpoint else { return Ok(()) };
        self.marks.drop(checkpoint);
        if self.marks.is_due() { self.put_marks(out) } else { Ok(()) }
    }

    fn put_marks(&mut self, out: &mut Output) -> Result<(), Stop> {
        let mut written = Ok(());
        self.marks.take(|checkpoint| {
            self.encoder.put_mark(out.buffer(), checkpoint);
            let done = out.end_record();
            if written.is_ok() {
                written = done;
            }
        });
        written
    }
}

impl Receive for Job<'_> {
    fn message(&mut self, frame: &Frame<'_>, out: &mut Output) -> Flow {
        if let Some(checkpoint) = frame.header.checkpoint {
            // Whatever happens to the message, its position is the one to forward.
            self.marks.pass(checkpoint);
        }
        if frame.header.hmac.is_some() {
            numbers::UNSIGNED.add(1);
            let signer = String::from_utf8_lossy(frame.header.hmac_signer.unwrap_or_default());
            let (name, offset) = (self.name, frame.offset);
            let text = format_args!("{name}: offset {offset}: signature of {signer} removed");
            report::repeated("signatures", text);
        }
        self.others.clear();
        let decoded = self.decoder.decode(&frame.view, &mut self.others);
        if self.limits.is_stopped() {
            let why = decoded.err().unwrap_or_default();
            let failed = || Stop::failed(format_args!("{}: {why}", self.name));
            return Err(signal::pending().map_or_else(failed, Stop::Signal));
        }
        let before = self.written;
        match decoded {
            Ok(()) => self.put_made(frame, out)?,
            Err(why) => {
                *self.made.borrow_mut() = Made::default();
                self.put_unparsed(frame, &why, out)?;
            }
        }
        self.left = self.left.saturating_sub(self.written - before);
        Ok(if self.left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn mark(&mut self, checkpoint: &[u8], out: &mut Output) -> Result<(), Stop> {
        self.marks.pass(checkpoint);
        self.encoder.put_mark(out.buffer(), checkpoint);
        out.end_record()
    }

    fn rest(&mut self, out: &mut Output) -> Result<(), Stop> {
        count(self.decoder.sandbox());
        self.put_marks(out)
    }
}

/// Gives each further message made from the same one a different, reproducible Uuid, so that it is
/// not taken for a repetition of the first.
fn tell_apart(message: &mut [u8], origin: &MessageView<'_>, index: u64) {
    /// An odd number, so that all indices yield different values.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    // Where `inject_message` puts it.
    let Some([0x0a, 16, uuid @ ..]) = message.first_chunk_mut::<18>() else { return };
    if origin.uuid == Some(uuid.as_slice()) {
        let other = index.wrapping_mul(SPREAD).to_be_bytes();
        // After the version and variant bits.
        for (byte, other) in uuid.iter_mut().rev().zip(other).take(7) {
            *byte ^= other;
        }
    }
}
