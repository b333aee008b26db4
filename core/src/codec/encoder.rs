// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes messages in any form.

use super::FieldList;
use super::csv::Csv;
use super::payload::Payload;
use super::short::{Look, Short, TimeForm};
use super::template::TextTemplate;
use super::time::Zone;
use super::{Form, json, logfmt, rst, sandbox_text, text};
use crate::wire::framing::put_header_of;
use crate::wire::{Frame, FrameTooLarge, Header, MessageView, put_frame, put_mark};

/// The settings of all forms.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Zone of local times.
    pub zone: Zone,
    /// Settings of payloads.
    pub payload: Payload,
    /// The template of [`Form::Template`].
    pub template: Option<TextTemplate>,
    /// The look of [`Form::Short`].
    pub look: Look,
    /// How [`Form::Json`] writes fields.
    pub fields_as: json::FieldsAs,
}

/// Writes messages in one form.
#[derive(Clone, Debug)]
pub struct Encoder {
    form: Form,
    writer: Writer,
}

#[derive(Clone, Debug)]
enum Writer {
    Bytes,
    Payload(Payload),
    Json(Box<json::Writer>),
    Text(Zone),
    Short(Box<Short>),
    Logfmt(FieldList),
    Csv(Csv),
    Rst,
    SandboxText,
    Template(TextTemplate),
}

impl Encoder {
    /// Creates an encoder for `form`.
    pub fn new(form: Form, settings: Settings) -> Self {
        let Settings { zone, payload, template, mut look, fields_as } = settings;
        let writer = match form {
            Form::Heka | Form::Raw => Writer::Bytes,
            Form::Payload | Form::Tag => Writer::Payload(payload),
            Form::Json => Writer::Json(Box::new(json::Writer::new(fields_as))),
            Form::Text => Writer::Text(zone),
            Form::Short => Writer::Short(Box::new(Short::new(look, zone))),
            Form::ShortIso => {
                look.time.get_or_insert(TimeForm::Iso);
                Writer::Short(Box::new(Short::new(look, zone)))
            }
            Form::Logfmt => Writer::Logfmt(look.fields.unwrap_or_default()),
            Form::Csv => Writer::Csv(Csv::new(&look.fields.unwrap_or_default())),
            Form::Tsv => Writer::Csv(Csv::with_tabs(&look.fields.unwrap_or_default())),
            Form::Rst => Writer::Rst,
            Form::SandboxText => Writer::SandboxText,
            Form::Template => Writer::Template(template.unwrap_or_default()),
        };
        Self { form, writer }
    }

    /// Returns the form.
    #[inline]
    pub fn form(&self) -> Form {
        self.form
    }

    /// Appends a frame unchanged, or its message in another form.
    #[inline]
    pub fn put(&mut self, out: &mut Vec<u8>, frame: &Frame<'_>) {
        match &self.writer {
            Writer::Bytes => out.extend_from_slice(frame.bytes),
            Writer::Payload(payload) => payload.put(out, &frame.view),
            _ => self.put_view(out, &frame.view, frame.header.checkpoint),
        }
    }

    /// Appends a frame whose delivery state is replaced by `checkpoint`, if any: the state that two
    /// neighbouring stages exchange does not concern later stages.
    ///
    /// # Errors
    /// [`FrameTooLarge`], which cannot happen for a frame that was read.
    pub fn pass_on(
        &mut self,
        out: &mut Vec<u8>,
        frame: &Frame<'_>,
        checkpoint: Option<&[u8]>,
    ) -> Result<(), FrameTooLarge> {
        if self.form != Form::Heka || checkpoint.is_none() && !frame.header.is_extended() {
            let header = Header { checkpoint, ..frame.header };
            self.put(out, &Frame { header, ..*frame });
            return Ok(());
        }
        let header = Header { checkpoint, ..Header::default() };
        let has_room = put_header_of(out, frame, &header).is_ok();
        if !has_room {
            put_header_of(out, frame, &Header::default())?;
        }
        out.extend_from_slice(frame.message);
        if let Some(checkpoint) = checkpoint.filter(|_| !has_room) {
            put_mark(out, checkpoint);
        }
        Ok(())
    }

    /// Appends a message given as protobuf bytes, in a frame with `header` if the form has frames.
    /// (`header` may carry extensions; its length is filled in.)
    ///
    /// # Errors
    /// [`Unfit`] if the message fits no frame or is not a message; nothing is appended then.
    pub fn put_message(
        &mut self,
        out: &mut Vec<u8>,
        header: Header<'_>,
        message: &[u8],
    ) -> Result<(), Unfit> {
        match self.form {
            Form::Heka => put_frame(out, header, message)?,
            _ => {
                let message = MessageView::parse(message).map_err(|_| Unfit::NoMessage)?;
                self.put_view(out, &message, header.checkpoint);
            }
        }
        Ok(())
    }

    /// Appends the payload alone if the form needs nothing else; otherwise returns `false`.
    #[inline]
    pub fn put_payload(&self, out: &mut Vec<u8>, bytes: &[u8]) -> bool {
        match &self.writer {
            Writer::Payload(payload) if payload.prefix.is_none() => payload.put_bytes(out, bytes),
            Writer::Bytes if self.form == Form::Raw => out.extend_from_slice(bytes),
            _ => return false,
        }
        true
    }

    /// Whether this form carries positions.
    pub fn has_positions(&self) -> bool {
        matches!(self.form, Form::Heka | Form::Json)
    }

    /// Appends a mark, if the form carries positions.
    pub fn put_mark(&self, out: &mut Vec<u8>, checkpoint: &[u8]) {
        match self.form {
            Form::Heka => put_mark(out, checkpoint),
            Form::Json => json::put_mark(out, checkpoint),
            _ => {}
        }
    }

    fn put_view(
        &mut self,
        out: &mut Vec<u8>,
        message: &MessageView<'_>,
        checkpoint: Option<&[u8]>,
    ) {
        match &mut self.writer {
            // Raw bytes are written unchanged; for a message, that is its payload.
            Writer::Bytes => out.extend_from_slice(message.payload.unwrap_or_default()),
            Writer::Payload(payload) => payload.put(out, message),
            Writer::Json(json) => json.put(out, message, checkpoint),
            Writer::Text(zone) => text::put(out, message, zone),
            Writer::Short(short) => short.put(out, message),
            Writer::Logfmt(fields) => logfmt::put(out, message, fields),
            Writer::Csv(csv) => csv.put(out, message),
            Writer::Rst => rst::put(out, message),
            Writer::SandboxText => sandbox_text::put(out, message),
            Writer::Template(template) => template.put(out, message),
        }
    }
}

/// The reason why a message could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// It does not fit into a frame.
    #[error(transparent)]
    TooLarge(#[from] FrameTooLarge),
    /// The bytes are not a message.
    #[error("bad message")]
    NoMessage,
}
