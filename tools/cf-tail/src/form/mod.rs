// SPDX-License-Identifier: MIT OR Apache-2.0
//! The forms that envelopes are written in.

mod cf6;
mod heka;
mod json;
mod summary;
mod text;

use jiff::tz::TimeZone;

pub(crate) use text::Text;

use crate::envelope::{Content, Envelope};

/// A form, with what it needs to know.
#[derive(Debug)]
pub(crate) enum Form {
    /// Lines for people.
    Text(Text),
    /// As cf 6.12 to 6.25 printed them.
    Cf6(Text),
    /// What the app wrote, with this byte behind it.
    Payload(u8),
    /// One object a line.
    Json,
    /// Framed Heka messages.
    Heka,
}

impl Form {
    /// Appends one envelope.
    pub(crate) fn put(&mut self, out: &mut Vec<u8>, envelope: &Envelope) {
        match self {
            Self::Text(text) => text.put(out, envelope),
            Self::Cf6(text) => cf6::put(out, envelope, text),
            Self::Payload(end) => put_payload(out, envelope, *end),
            Self::Json => json::put(out, envelope),
            Self::Heka => heka::put(out, envelope),
        }
    }
}

fn put_payload(out: &mut Vec<u8>, envelope: &Envelope, end: u8) {
    match &envelope.content {
        Content::Log { payload, .. } => {
            out.extend_from_slice(payload);
            if end == b'\n' && payload.ends_with(b"\n") {
                return;
            }
        }
        Content::Other(..) => out.extend_from_slice(summary::of(envelope).as_slice()),
    }
    out.push(end);
}

/// A zone by its IANA name, `utc` or `local` (a value parser).
pub(crate) fn parse_zone(name: &str) -> Result<TimeZone, String> {
    match name {
        "local" => Ok(TimeZone::system()),
        "utc" | "UTC" => Ok(TimeZone::UTC),
        _ => TimeZone::get(name)
            .map_err(|_| "expected local, utc or a name such as Europe/Paris".to_owned()),
    }
}

#[cfg(test)]
mod tests;
