// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines as printed by `cf logs` since cf 6.27: `2006-01-02T15:04:05.00-0700 [APP/PROC/WEB/0] OUT
//! text`, one for each line of the payload.

use heka_core::codec::harmless::push_harmless;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::summary;
use crate::envelope::{Content, Envelope, Stream};

const RED: &[u8] = b"\x1b[31m";
const RESET: &[u8] = b"\x1b[0m";

/// Writes lines.
#[derive(Debug)]
pub(crate) struct Text {
    /// Whether to match cf's output exactly: indented, and with an empty line after a final line
    /// end.
    pub(crate) exactly_cf: bool,
    /// Whether to print lines of stderr in red.
    pub(crate) color: bool,
    /// Whether to escape control characters.
    pub(crate) harmless: bool,
    clock: Clock,
}

impl Text {
    /// Creates a writer of plain lines with times in this zone.
    pub(crate) fn new(zone: TimeZone) -> Self {
        Self { exactly_cf: false, color: false, harmless: false, clock: Clock::new(zone) }
    }

    /// Formats the time of a line.
    pub(super) fn time(&mut self, nanoseconds: i64) -> &str {
        self.clock.text(nanoseconds)
    }

    /// Appends one envelope, with a line end after each line.
    pub(super) fn put(&mut self, out: &mut Vec<u8>, envelope: &Envelope, name: Option<&str>) {
        let Content::Log { payload, stream } = &envelope.content else {
            let header = self.header(envelope, name);
            return self.put_line(out, &header, &summary::of(envelope), Stream::Out);
        };
        let header = self.header(envelope, name) + &stream.to_string() + " ";
        let mut pieces: Vec<&[u8]> = payload.split(|&byte| byte == b'\n').collect();
        if !self.exactly_cf && pieces.len() > 1 && pieces.last().is_some_and(|last| last.is_empty())
        {
            pieces.pop();
        }
        for piece in pieces {
            self.put_line(out, &header, trim_line_ends(piece), *stream);
        }
    }

    fn put_line(&self, out: &mut Vec<u8>, header: &str, text: &[u8], stream: Stream) {
        if self.exactly_cf {
            out.extend_from_slice(b"   ");
        }
        let red = self.color && stream == Stream::Err;
        if red {
            out.extend_from_slice(RED);
        }
        self.put_text(out, header.as_bytes());
        self.put_text(out, text);
        if red {
            out.extend_from_slice(RESET);
        }
        out.push(b'\n');
    }

    /// Appends untrusted text.
    pub(super) fn put_text(&self, out: &mut Vec<u8>, text: &[u8]) {
        if self.harmless {
            push_harmless(out, text);
        } else {
            out.extend_from_slice(text);
        }
    }

    /// Returns time, app and source. Anything but a log uses the name of its origin as source, as
    /// in `cf tail`.
    fn header(&mut self, envelope: &Envelope, name: Option<&str>) -> String {
        let text = |bytes: Option<&bytes::Bytes>| {
            bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
        };
        let is_log = matches!(envelope.content, Content::Log { .. });
        let source = if !is_log {
            envelope.source_id.as_ref().or(envelope.origin.as_ref())
        } else if self.exactly_cf {
            envelope.source_type.as_ref()
        } else {
            envelope.source()
        };
        let (source, instance) = (text(source), text(envelope.instance.as_ref()));
        let slash = if is_log || !instance.is_empty() { "/" } else { "" };
        let name = name.filter(|_| !self.exactly_cf);
        let name = name.map_or_else(String::new, |name| format!("{name} "));
        format!("{} {name}[{source}{slash}{instance}] ", self.clock.text(envelope.timestamp))
    }
}

/// Removes trailing line ends.
pub(super) fn trim_line_ends(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |at| at + 1);
    text.get(..end).unwrap_or_default()
}

/// Formats times in a zone, with the part that is constant within a second cached.
#[derive(Debug)]
struct Clock {
    zone: TimeZone,
    second: Option<i64>,
    before: String,
    behind: String,
    text: String,
}

impl Clock {
    fn new(zone: TimeZone) -> Self {
        let (before, behind, text) = (String::new(), String::new(), String::new());
        Self { zone, second: None, before, behind, text }
    }

    /// Returns `2006-01-02T15:04:05.00-0700`, with hundredths truncated, not rounded.
    fn text(&mut self, nanoseconds: i64) -> &str {
        let second = nanoseconds.div_euclid(1_000_000_000);
        let hundredths = nanoseconds.rem_euclid(1_000_000_000) / 10_000_000;
        if self.second != Some(second) {
            let instant = Timestamp::from_second(second).unwrap_or_default();
            let time = instant.to_zoned_datetime(self.zone.clone());
            self.before = time.strftime("%Y-%m-%dT%H:%M:%S").to_string();
            self.behind = time.strftime("%z").to_string();
            self.second = Some(second);
        }
        self.text.clear();
        self.text += &self.before;
        self.text += &format!(".{hundredths:02}");
        self.text += &self.behind;
        &self.text
    }
}
