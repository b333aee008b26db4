// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines as cf 6.12 to 6.25 printed them: the text in a separate column, with further lines
//! indented.

use super::Text;
use super::summary;
use super::text::trim_line_ends;
use crate::envelope::{Content, Envelope, Stream};

/// Column where the text starts: room for `TIME  [HEALTH/10] `.
const COLUMN: usize = 41;

/// Appends one envelope.
pub(super) fn put(out: &mut Vec<u8>, envelope: &Envelope, text: &mut Text) {
    let header = header(envelope, text);
    let width = header.chars().count();
    let padding = " ".repeat(COLUMN.saturating_sub(width));
    let (bold, reset) = if text.color { ("\x1b[1;36m", "\x1b[0m") } else { ("", "") };
    out.extend_from_slice(bold.as_bytes());
    text.put_text(out, header.as_bytes());
    out.extend_from_slice(reset.as_bytes());
    out.extend_from_slice(padding.as_bytes());
    let (message, stream) = match &envelope.content {
        Content::Log { payload, stream } => (trim_line_ends(payload).to_vec(), *stream),
        Content::Other(..) => (summary::of(envelope), Stream::Out),
    };
    if text.color {
        out.extend_from_slice(if stream == Stream::Err { b"\x1b[0;31m" } else { b"\x1b[0;38m" });
    }
    if matches!(envelope.content, Content::Log { .. }) {
        out.extend_from_slice(stream.to_string().as_bytes());
        out.push(b' ');
    }
    let indent = " ".repeat(width.max(COLUMN));
    for (number, line) in message.split(|&byte| byte == b'\n').enumerate() {
        if number > 0 {
            out.push(b'\n');
            out.extend_from_slice(indent.as_bytes());
        }
        text.put_text(out, line);
    }
    out.extend_from_slice(reset.as_bytes());
    out.push(b'\n');
}

fn header(envelope: &Envelope, text: &mut Text) -> String {
    let lossy = |bytes: Option<&bytes::Bytes>| {
        bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
    };
    let (source, instance) =
        (lossy(envelope.source_type.as_ref()), lossy(envelope.instance.as_ref()));
    let slash = if instance.is_empty() { "" } else { "/" };
    format!("{} [{source}{slash}{instance}]", text.time(envelope.timestamp))
}
