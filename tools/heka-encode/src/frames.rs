// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages that come in frames: parsed, changed, signed anew. What their sources are at goes
//! along.

use std::ops::ControlFlow;

use heka_core::decode::Part;
use heka_core::os::{Flow, FrameReader, Input, Output, Receive, clock};
use heka_core::record::Oversize;
use heka_core::report::{self, Status, Stop};
use heka_core::wire::{DEFAULT_READ_LIMIT, Frame, Header, MessageView};

use crate::cli::InputForm;
use crate::numbers;
use crate::run::Job;
use crate::unparsed::tell_flaws;

impl Job<'_> {
    pub(crate) fn encode_frames(&mut self, input: Input, out: &mut Output) -> Flow {
        let limit = DEFAULT_READ_LIMIT.max(self.plan.max_record);
        let mut reader = FrameReader::new(input, limit, 0);
        let flow = reader.read_all(out, self)?;
        self.put_all_held(out)?;
        self.status = self.status.and(Status::failed_if(reader.damages() > 0));
        Ok(flow)
    }

    /// Frames a message anew, as it is.
    fn put_frame(&mut self, frame: &Frame<'_>, out: &mut Output) -> Result<bool, Stop> {
        if frame.message.len() > self.plan.max_record {
            let place = format!("offset {}: ", frame.offset);
            self.emitter.tell_too_long(&place, Oversize::Drop);
            if let Some(checkpoint) = frame.header.checkpoint {
                self.emitter.put_mark(checkpoint, out)?;
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
        self.emitter.put_framed(header, frame.message, out)?;
        Ok(true)
    }

    /// Writes a message with what was asked for, and what was parsed of it.
    fn put_changed(&mut self, frame: &Frame<'_>, out: &mut Output) -> Result<(), Stop> {
        self.tell_signature(frame, "message changed, ");
        let base = self.changed(&frame.view);
        let added = self.changes;
        let mut header = unsigned(frame.header);
        let Some(decoder) = &mut self.decoder else {
            self.note.clear();
            return self.put_or_drop(frame, (&base, &added), out);
        };
        let now = base.timestamp.unwrap_or_else(clock::now_ns);
        let text = match &self.plan.from {
            None => frame.view.payload.unwrap_or_default(),
            Some(selector) => {
                self.text.clear();
                selector.put(&mut self.text, &frame.view);
                &self.text
            }
        };
        // heka-tail keeps the ends of lines.
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let source = source_of(&frame.view);
        let outcome = decoder.read(text, now, source);
        if outcome == Ok(Part::Piece) {
            let (draft, checkpoint) = (decoder.draft(), frame.header.checkpoint);
            let full = self.joiner.hold(source, draft, &base, &added, checkpoint);
            return full.map_or(Ok(()), |held| self.put_held(held, out));
        }
        let mut held = None;
        if !self.joiner.is_empty() {
            if outcome.is_ok() {
                held = self.joiner.complete(source, decoder.draft_mut());
            }
            header.checkpoint = header.checkpoint.filter(|it| !self.joiner.withholds(it));
        }
        let place = format_args!("offset {}", frame.offset);
        let is_forwarded = match outcome {
            Ok(_) => {
                if self.emitter.put_draft(decoder.draft(), (&base, &added), header, out)? {
                    if !decoder.flaws().is_empty() {
                        tell_flaws(&self.name, place, decoder.flaws());
                    }
                    return Ok(());
                }
                held.map_or(Ok(()), |held| self.put_held(held, out))?;
                self.tell_unparsed(place, "fields over the limit")
            }
            Err(cause) => self.tell_unparsed(place, cause),
        };
        if is_forwarded {
            return self.put_noted(&base, &added, header, out);
        }
        self.spill(&[frame.bytes])?;
        match header.checkpoint {
            Some(checkpoint) => self.drop_position(checkpoint, out),
            None => Ok(()),
        }
    }

    fn drop_position(&mut self, checkpoint: &[u8], out: &mut Output) -> Result<(), Stop> {
        self.marks.drop(checkpoint);
        if self.marks.is_due() { self.put_marks(out) } else { Ok(()) }
    }

    /// Writes a message with other headers and more fields, if it has room for them.
    fn put_or_drop(
        &mut self,
        frame: &Frame<'_>,
        both: (&MessageView<'_>, &MessageView<'_>),
        out: &mut Output,
    ) -> Result<(), Stop> {
        if self.emitter.put_draft(&self.note, both, unsigned(frame.header), out)? {
            return Ok(());
        }
        let place = format!("offset {}: ", frame.offset);
        self.emitter.tell_too_long(&place, Oversize::Drop);
        match frame.header.checkpoint {
            Some(checkpoint) => self.emitter.put_mark(checkpoint, out),
            None => Ok(()),
        }
    }

    /// The headers of a message with those that were asked for in their place.
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

    /// A signature is of the bytes that were signed.
    fn tell_signature(&self, frame: &Frame<'_>, why: &str) {
        if frame.header.hmac.is_none() || self.plan.signer.is_some() {
            return;
        }
        numbers::UNSIGNED.add(1);
        let signer = String::from_utf8_lossy(frame.header.hmac_signer.unwrap_or_default());
        let (name, offset) = (&self.name, frame.offset);
        report::repeated(
            "signatures",
            format_args!("{name}: offset {offset}: {why}signature of {signer} removed"),
        );
    }
}

/// The file that a message came from: the field that heka-tail has for it, or the logger.
fn source_of<'m>(view: &MessageView<'m>) -> &'m [u8] {
    let path = view.field(b"Path", 0).and_then(|field| field.texts().next());
    path.or(view.logger).unwrap_or_default()
}

/// A header without its signature; what stages of a pipeline exchange stays.
fn unsigned(header: Header<'_>) -> Header<'_> {
    Header { hmac_hash: None, hmac_signer: None, hmac_key_version: None, hmac: None, ..header }
}

impl Receive for Job<'_> {
    fn message(&mut self, frame: &Frame<'_>, out: &mut Output) -> Flow {
        if let Some(checkpoint) = frame.header.checkpoint {
            // Whatever happens to it, its position is the one to pass on.
            self.marks.pass(checkpoint);
        }
        let is_changed = self.decoder.is_some() || !self.plan.change_bytes.is_empty();
        let counts = if is_changed {
            self.put_changed(frame, out)?;
            true
        } else {
            self.put_frame(frame, out)?
        };
        self.left -= u64::from(counts);
        Ok(if self.left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn mark(&mut self, checkpoint: &[u8], out: &mut Output) -> Result<(), Stop> {
        if self.joiner.withholds(checkpoint) {
            return Ok(());
        }
        self.marks.pass(checkpoint);
        self.emitter.put_mark(checkpoint, out)
    }

    fn rest(&mut self, out: &mut Output) -> Result<(), Stop> {
        self.put_marks(out)
    }
}
