// SPDX-License-Identifier: MIT OR Apache-2.0
//! The output forms of envelopes.

mod cf6;
mod heka;
mod json;
mod summary;
mod text;

use std::collections::HashMap;

use bytes::Bytes;
use jiff::tz::TimeZone;

pub(crate) use text::Text;

use crate::envelope::{Content, Envelope};

/// A form, with its settings.
#[derive(Debug)]
pub(crate) enum Form {
    /// Lines for people.
    Text(Text),
    /// Lines as cf 6.12 to 6.25 printed them.
    Cf6(Text),
    /// The bytes that the app wrote, followed by this byte.
    Payload(u8),
    /// One JSON object per line.
    Json,
    /// Framed Heka messages.
    Heka,
}

impl Form {
    /// Appends one envelope. `name` is that of its app, if there are several.
    fn put(&mut self, out: &mut Vec<u8>, envelope: &Envelope, name: Option<&str>) {
        match self {
            Self::Text(text) => text.put(out, envelope, name),
            Self::Cf6(text) => cf6::put(out, envelope, text),
            Self::Payload(end) => put_payload(out, envelope, *end),
            Self::Json => json::put(out, envelope, name),
            Self::Heka => heka::put(out, envelope, name),
        }
    }
}

/// Writes envelopes in a form.
#[derive(Debug)]
pub(crate) struct Writer {
    form: Form,
    /// The character to replace by a newline in payloads.
    new_line: Option<char>,
    /// The names of the apps by GUID, if there are several.
    names: HashMap<Bytes, String>,
}

impl Writer {
    /// Creates a writer; `new_line` is the character to replace by a newline.
    pub(crate) fn new(form: Form, new_line: Option<char>) -> Self {
        Self { form, new_line, names: HashMap::new() }
    }

    /// Sets the apps by GUID and name.
    pub(crate) fn name_sources(&mut self, names: Vec<(String, String)>) {
        if names.len() > 1 {
            self.names = names.into_iter().map(|(id, name)| (Bytes::from(id), name)).collect();
        }
    }

    /// Appends one envelope.
    pub(crate) fn put(&mut self, out: &mut Vec<u8>, envelope: &Envelope) {
        let id = envelope.source_id.as_ref();
        let name = id.and_then(|id| self.names.get(id)).map(String::as_str);
        match self.new_line.and_then(|c| with_newlines(envelope, c)) {
            Some(changed) => self.form.put(out, &changed, name),
            None => self.form.put(out, envelope, name),
        }
    }
}

/// Returns an envelope with `c` replaced by newlines, if it contains any.
fn with_newlines(envelope: &Envelope, c: char) -> Option<Envelope> {
    let Content::Log { payload, stream } = &envelope.content else { return None };
    let mut code = [0; 4];
    let code = c.encode_utf8(&mut code).as_bytes();
    let mut lines = Vec::with_capacity(payload.len());
    let mut from = 0;
    for at in memchr::memmem::find_iter(payload, code) {
        lines.extend_from_slice(payload.get(from..at).unwrap_or_default());
        lines.push(b'\n');
        from = at + code.len();
    }
    if from == 0 {
        return None;
    }
    lines.extend_from_slice(payload.get(from..).unwrap_or_default());
    let content = Content::Log { payload: lines.into(), stream: *stream };
    Some(Envelope { content, ..envelope.clone() })
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

/// Parses a zone: an IANA name, `utc` or `local` (a value parser).
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
