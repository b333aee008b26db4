// SPDX-License-Identifier: MIT OR Apache-2.0
//! Framed input: messages are parsed, changed or signed again. The positions of their sources are
//! kept.

use std::fmt::Display;
use std::ops::ControlFlow;

use heka_core::codec::Selector;
use heka_core::decode::Part;
use heka_core::os::{Flow, FrameReader, Input, Output, Receive, clock};
use heka_core::record::Oversize;
use heka_core::report::{self, Status, Stop};
use heka_core::wire::{DEFAULT_READ_LIMIT, Frame, Header, MessageView};

use crate::cli::InputForm;
use crate::flaws::tell_flaws;
use crate::numbers;
use crate::plan::Plan;
use crate::stage::Stage;

/// The processing of one input.
pub(crate) struct Frames<'s, 'a> {
    stage: &'s mut Stage<'a>,
    plan: &'a Plan,
    /// Only the requested parts.
    changes: MessageView<'a>,
    /// Buffer for the text to parse.
    text: Vec<u8>,
}

impl<'s, 'a> Frames<'s, 'a> {
    pub(crate) fn new(stage: &'s mut Stage<'a>) -> Self {
        let plan = stage.plan;
        let changes = MessageView::parse(&plan.change_bytes).unwrap_or_default();
        Self { stage, plan, changes, text: Vec::new() }
    }

    pub(crate) fn encode(mut self, input: Input, out: &mut Output) -> Flow {
        let limit = DEFAULT_READ_LIMIT.max(self.plan.max_record);
        let mut reader = FrameReader::new(input, limit, 0);
        let flow = reader.read_all(out, &mut self)?;
        self.stage.put_all_held(out)?;
        self.stage.status = self.stage.status.and(Status::failed_if(reader.damages() > 0));
        Ok(flow)
    }

    /// Writes a message in a new frame, unchanged.
    fn put_frame(&mut self, frame: &Frame<'_>, out: &mut Output) -> Result<bool, Stop> {
        if frame.message.len() > self.plan.max_record {
            let place = format!("offset {}: ", frame.offset);
            self.stage.emitter.tell_too_long(&place, Oversize::Drop);
            if let Some(checkpoint) = frame.header.checkpoint {
                self.stage.emitter.put_mark(checkpoint, out)?;
            }
            return Ok(false);
        }
        let keeps = self.plan.input == InputForm::Auto && self.plan.signer.is_none();
        let header = if keeps {
            frame.header
        } else {
            self.tell_signature(frame, "");
            unsigned(frame.header)
        };
        self.stage.emitter.put_framed(header, frame.message, out)?;
        Ok(true)
    }

    /// Writes a message with the requested changes and the parts parsed from it.
    fn put_changed(&mut self, frame: &Frame<'_>, out: &mut Output) -> Result<(), Stop> {
        self.tell_signature(frame, "message changed, ");
        let base = self.changed(&frame.view);
        if self.stage.decoder.is_none() {
            self.stage.note.clear();
            return self.put_or_drop(frame, &base, out);
        }
        let mut room = std::mem::take(&mut self.text);
        let text = text_of(&frame.view, self.plan.from.as_ref(), &mut room);
        let written = self.put_parsed(frame, &base, text, out);
        self.text = room;
        written
    }

    /// Writes the result of parsing a message.
    fn put_parsed(
        &mut self,
        frame: &Frame<'_>,
        base: &MessageView<'_>,
        text: &[u8],
        out: &mut Output,
    ) -> Result<(), Stop> {
        let Self { stage, changes: added, .. } = self;
        let Some(decoder) = &mut stage.decoder else { return Ok(()) };
        let mut header = unsigned(frame.header);
        let source = source_of(&frame.view);
        let now = base.timestamp.unwrap_or_else(clock::now_ns);
        let outcome = decoder.read(text, now, source);
        if outcome == Ok(Part::Piece) {
            let (draft, checkpoint) = (decoder.draft(), frame.header.checkpoint);
            let full = stage.joiner.hold(source, draft, base, added, checkpoint);
            return full.map_or(Ok(()), |held| stage.put_held(held, out));
        }
        let mut held = None;
        if !stage.joiner.is_empty() {
            if outcome.is_ok() {
                held = stage.joiner.complete(source, decoder.draft_mut());
            }
            header.checkpoint = header.checkpoint.filter(|it| !stage.joiner.withholds(it));
        }
        let Err(cause) = outcome else {
            if stage.emitter.put_draft(decoder.draft(), (base, added), header, out)? {
                if !decoder.flaws().is_empty() {
                    let place = format_args!("offset {}", frame.offset);
                    tell_flaws(&stage.emitter.name, place, decoder.flaws());
                }
                return Ok(());
            }
            held.map_or(Ok(()), |held| stage.put_held(held, out))?;
            return self.put_unparsed(frame, base, header, "fields over the limit", out);
        };
        self.put_unparsed(frame, base, header, cause, out)
    }

    /// Handles a message that cannot be parsed.
    fn put_unparsed(
        &mut self,
        frame: &Frame<'_>,
        base: &MessageView<'_>,
        header: Header<'_>,
        cause: impl Display,
        out: &mut Output,
    ) -> Result<(), Stop> {
        if self.stage.tell_unparsed(format_args!("offset {}", frame.offset), cause) {
            return self.stage.put_noted(base, &self.changes, header, out);
        }
        self.stage.spill(&[frame.bytes])?;
        header.checkpoint.map_or(Ok(()), |checkpoint| self.drop_position(checkpoint, out))
    }

    fn drop_position(&mut self, checkpoint: &[u8], out: &mut Output) -> Result<(), Stop> {
        self.stage.marks.drop(checkpoint);
        if self.stage.marks.is_due() { self.stage.put_marks(out) } else { Ok(()) }
    }

    /// Writes a message with changed headers and further fields, if these fit.
    fn put_or_drop(
        &mut self,
        frame: &Frame<'_>,
        base: &MessageView<'_>,
        out: &mut Output,
    ) -> Result<(), Stop> {
        let both = (base, &self.changes);
        if self.stage.emitter.put_draft(&self.stage.note, both, unsigned(frame.header), out)? {
            return Ok(());
        }
        let place = format!("offset {}: ", frame.offset);
        self.stage.emitter.tell_too_long(&place, Oversize::Drop);
        match frame.header.checkpoint {
            Some(checkpoint) => self.stage.emitter.put_mark(checkpoint, out),
            None => Ok(()),
        }
    }

    /// Returns the headers of a message with the requested changes.
    fn changed<'m>(&self, view: &MessageView<'m>) -> MessageView<'m>
    where
        Self: 'm,
    {
        let changes = self.changes;
        let mut changed = *view;
        changed.uuid = changes.uuid.or(view.uuid);
        changed.timestamp = changes.timestamp.or(view.timestamp);
        changed.type_ = changes.type_.or(view.type_);
        changed.logger = changes.logger.or(view.logger);
        changed.severity = changes.severity.or(view.severity);
        changed.env_version = changes.env_version.or(view.env_version);
        changed.pid = changes.pid.or(view.pid);
        changed.hostname = changes.hostname.or(view.hostname);
        changed
    }

    /// Reports a signature that no longer matches the message.
    fn tell_signature(&self, frame: &Frame<'_>, why: &str) {
        if frame.header.hmac.is_none() || self.plan.signer.is_some() {
            return;
        }
        numbers::UNSIGNED.add(1);
        let signer = String::from_utf8_lossy(frame.header.hmac_signer.unwrap_or_default());
        let (name, offset) = (&self.stage.emitter.name, frame.offset);
        report::repeated(
            "signatures",
            format_args!("{name}: offset {offset}: {why}signature of {signer} removed"),
        );
    }
}

/// Returns the text to parse, without the line end that heka-tail keeps.
fn text_of<'a>(view: &MessageView<'a>, from: Option<&Selector>, room: &'a mut Vec<u8>) -> &'a [u8] {
    let text = match from {
        None => view.payload.unwrap_or_default(),
        Some(selector) => {
            room.clear();
            selector.put(room, view);
            room
        }
    };
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.strip_suffix(b"\r").unwrap_or(text)
}

/// Returns the file that a message came from: heka-tail's field, or the logger.
fn source_of<'m>(view: &MessageView<'m>) -> &'m [u8] {
    let path = view.field(b"Path", 0).and_then(|field| field.texts().next());
    path.or(view.logger).unwrap_or_default()
}

/// Removes the signature from a header; delivery state is kept.
fn unsigned(header: Header<'_>) -> Header<'_> {
    Header { hmac_hash: None, hmac_signer: None, hmac_key_version: None, hmac: None, ..header }
}

impl Receive for Frames<'_, '_> {
    fn message(&mut self, frame: &Frame<'_>, out: &mut Output) -> Flow {
        if let Some(checkpoint) = frame.header.checkpoint {
            // Whatever happens to the message, its position is the one to forward.
            self.stage.marks.pass(checkpoint);
        }
        let is_changed = self.stage.decoder.is_some() || !self.plan.change_bytes.is_empty();
        let counts = if is_changed {
            self.put_changed(frame, out)?;
            true
        } else {
            self.put_frame(frame, out)?
        };
        self.stage.left -= u64::from(counts);
        Ok(if self.stage.left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn mark(&mut self, checkpoint: &[u8], out: &mut Output) -> Result<(), Stop> {
        if self.stage.joiner.withholds(checkpoint) {
            return Ok(());
        }
        self.stage.marks.pass(checkpoint);
        self.stage.emitter.put_mark(checkpoint, out)
    }

    fn rest(&mut self, out: &mut Output) -> Result<(), Stop> {
        self.stage.put_marks(out)
    }
}
