// SPDX-License-Identifier: MIT OR Apache-2.0
//! The forms that every tool can write messages in.

use super::payload::Payload;
use super::time::Zone;
use super::{json, text};
use crate::wire::{Frame, FrameTooLarge, Header, MessageView, put_frame};

/// A form of messages on a tool's output (`-o`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Framed messages.
    Heka,
    /// Payloads, one a line.
    Payload,
    /// JSON, one object a line.
    Json,
    /// Blocks of text for people.
    Text,
}

impl Form {
    /// Whether it is bytes that are not for a terminal.
    pub fn is_binary(self) -> bool {
        self == Self::Heka
    }
}

/// Writes messages in one form.
#[derive(Clone, Debug)]
pub struct Encoder {
    form: Form,
    payload: Payload,
    zone: Zone,
}

impl Encoder {
    /// Writes in `form`, payloads with a line end where they have none, times in `zone`.
    pub fn new(form: Form, zone: Zone) -> Self {
        Self { form, payload: Payload::default(), zone }
    }

    /// Writes payloads in that way.
    #[must_use]
    pub fn with_payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }

    /// The form that is written.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Appends a frame that was read: as it is, or its message in another form.
    #[inline]
    pub fn put(&self, out: &mut Vec<u8>, frame: &Frame<'_>) {
        match self.form {
            Form::Heka => out.extend_from_slice(frame.bytes),
            _ => self.put_view(out, &frame.view),
        }
    }

    /// Appends a message that is at hand as protobuf bytes, in a frame with `header` if frames are
    /// wanted. (A `header` may carry extensions; its length is filled in.)
    ///
    /// # Errors
    /// [`Unfit`] if the message fits no frame or is none; nothing is appended then.
    pub fn put_message(
        &self,
        out: &mut Vec<u8>,
        header: Header<'_>,
        message: &[u8],
    ) -> Result<(), Unfit> {
        match self.form {
            Form::Heka => put_frame(out, header, message)?,
            _ => self.put_view(out, &MessageView::parse(message).map_err(|_| Unfit::NoMessage)?),
        }
        Ok(())
    }

    /// Appends a payload that is at hand, if payloads are all that is wanted; else `false`.
    #[inline]
    pub fn put_payload(&self, out: &mut Vec<u8>, payload: &[u8]) -> bool {
        let wanted = self.form == Form::Payload && self.payload.prefix.is_none();
        if wanted {
            self.payload.put_bytes(out, payload);
        }
        wanted
    }

    fn put_view(&self, out: &mut Vec<u8>, message: &MessageView<'_>) {
        match self.form {
            Form::Heka | Form::Payload => self.payload.put(out, message),
            Form::Json => json::put(out, message),
            Form::Text => text::put(out, message, &self.zone),
        }
    }
}

/// Why a message could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// It fits no frame.
    #[error(transparent)]
    TooLarge(#[from] FrameTooLarge),
    /// The bytes are no message.
    #[error("bad message")]
    NoMessage,
}
