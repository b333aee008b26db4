// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records as they go over the wire: frames as they came in, or numbered, signed or reduced to
//! their payload.

use heka_core::clock;
use heka_core::codec::Payload;
use heka_core::wire::framing::{put_header, put_header_of};
use heka_core::wire::{Frame, FrameTooLarge, Header, Message, Signer, Template};

use crate::cli::OutputForm;
use crate::source::Record;
use crate::target::Target;

/// Turns records into the bytes that the peer gets.
#[derive(Debug)]
pub(crate) struct Packer {
    form: OutputForm,
    payload: Payload,
    signer: Option<Signer>,
    /// Set if every frame is numbered.
    stream_id: Option<[u8; 16]>,
    /// What messages made of lines have in common.
    template: Template,
}

impl Packer {
    pub(crate) fn new(form: OutputForm, payload: Payload, signer: Option<Signer>) -> Self {
        let message = Message {
            logger: Some("heka-send".into()),
            severity: Some(heka_core::wire::DEFAULT_SEVERITY),
            hostname: Some(clock::hostname().into()),
            ..Message::default()
        };
        let template = Template::new(&message, signer.clone());
        Self { form, payload, signer, stream_id: None, template }
    }

    /// Numbers every frame as one of that stream.
    pub(crate) fn number(mut self, stream_id: [u8; 16]) -> Self {
        self.stream_id = Some(stream_id);
        self
    }

    /// Adds one record to the window of every target and returns its number. If it does not fit a
    /// frame, an empty one takes its number.
    pub(crate) fn put_all(
        &mut self,
        record: &Record<'_>,
        targets: &mut [Target],
    ) -> (u64, Result<(), FrameTooLarge>) {
        let mut number = 0;
        let mut outcome = Ok(());
        for target in targets {
            let next = target.window.last() + 1;
            outcome = self.put(target.window.buffer(), next, record);
            number = target.window.end_record();
        }
        (number, outcome)
    }

    /// Appends one record, number `number` of the stream.
    ///
    /// # Errors
    /// If it does not fit a frame; nothing is appended then.
    pub(crate) fn put(
        &mut self,
        out: &mut Vec<u8>,
        number: u64,
        record: &Record<'_>,
    ) -> Result<(), FrameTooLarge> {
        let sequence = self.stream_id.is_some().then_some(number);
        let stream_id = self.stream_id;
        let stream_id = stream_id.as_ref().map(<[u8; 16]>::as_slice);
        let extensions = Header { stream_id, sequence, ..Header::default() };
        match (self.form, record) {
            (OutputForm::Raw, Record::Bytes(bytes)) => out.extend_from_slice(bytes),
            (OutputForm::Raw, Record::Frame(frame)) => out.extend_from_slice(frame.bytes),
            (OutputForm::Payload, Record::Frame(frame)) => self.payload.put(out, &frame.view),
            (OutputForm::Raw | OutputForm::Payload, Record::Line(line) | Record::Bytes(line)) => {
                self.payload.put_bytes(out, line);
            }
            (OutputForm::Heka, Record::Frame(frame)) => self.put_frame(out, frame, extensions)?,
            (OutputForm::Heka, Record::Line(line) | Record::Bytes(line)) => {
                let (uuid, now) = (clock::random_uuid(), clock::now_ns());
                self.template.put_frame(out, extensions, uuid, now, line)?;
            }
        }
        Ok(())
    }

    fn put_frame(
        &self,
        out: &mut Vec<u8>,
        frame: &Frame<'_>,
        extensions: Header<'_>,
    ) -> Result<(), FrameTooLarge> {
        if let Some(signer) = &self.signer {
            let digest = signer.sign(frame.message);
            let message_length = frame.header.message_length;
            put_header(out, signer.stamp(Header { message_length, ..extensions }, &digest))?;
        } else if self.stream_id.is_some() || frame.header.is_extended() {
            put_header_of(out, frame, &extensions)?;
        } else {
            out.extend_from_slice(frame.bytes);
            return Ok(());
        }
        out.extend_from_slice(frame.message);
        Ok(())
    }
}
