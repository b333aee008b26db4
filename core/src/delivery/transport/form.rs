// SPDX-License-Identifier: MIT OR Apache-2.0
//! The contents of a broker's message.

use crate::wire::framing::put_header_of;
use crate::wire::{Frame, Header};

/// The contents of a broker's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One message without a frame, as Heka's outputs wrote it.
    Protobuf,
    /// One or more frames.
    Framed,
    /// The payload of one message.
    Payload,
}

impl Form {
    /// Parses the value of `form`.
    pub(super) fn parse(value: &str) -> Result<Self, String> {
        match value {
            "protobuf" => Ok(Self::Protobuf),
            "framed" => Ok(Self::Framed),
            "payload" => Ok(Self::Payload),
            _ => Err("expected protobuf, framed or payload".to_owned()),
        }
    }

    /// Appends the stored form of a frame.
    pub fn put(self, out: &mut Vec<u8>, frame: &Frame<'_>) {
        match self {
            Self::Protobuf => out.extend_from_slice(frame.message),
            Self::Payload => out.extend_from_slice(frame.view.payload.unwrap_or_default()),
            Self::Framed if frame.header.is_extended() => {
                // A shorter header than the original always fits.
                let _fits = put_header_of(out, frame, &Header::default());
                out.extend_from_slice(frame.message);
            }
            Self::Framed => out.extend_from_slice(frame.bytes),
        }
    }
}
