// SPDX-License-Identifier: MIT OR Apache-2.0
//! Payloads as records, each followed by the delimiter and, if requested, preceded by the time.

use super::time::{Strftime, Zone};
use crate::wire::MessageView;

/// When a line end is written after a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Newlines {
    /// If the payload does not end with one.
    #[default]
    Auto,
    /// Always (`PayloadEncoder`'s `append_newlines = true`).
    Always,
    /// Never (`append_newlines = false`).
    Never,
}

/// Writes payloads as Heka's `PayloadEncoder` does.
#[derive(Clone, Debug, Default)]
pub struct Payload {
    /// When the delimiter is written.
    pub newlines: Newlines,
    /// Whether the delimiter is NUL instead of a line end.
    pub null: bool,
    /// The time before the payload.
    pub prefix: Option<Prefix>,
}

/// The time before a payload.
#[derive(Clone, Debug)]
pub struct Prefix {
    format: Strftime,
    zone: Zone,
    /// Reads the clock, for the time of writing instead of the message's time.
    now: Option<fn() -> i64>,
}

impl Prefix {
    /// Creates a prefix: the message's time, or the time from `now` (nanoseconds since 1970), in
    /// `zone`. A blank is added unless `format` ends with one.
    ///
    /// # Errors
    /// A description of what is wrong with the format.
    pub fn new(format: &str, zone: Zone, now: Option<fn() -> i64>) -> Result<Self, String> {
        let blank = if format.ends_with(' ') { "" } else { " " };
        let format = Strftime::new(&format!("{format}{blank}"))?;
        Ok(Self { format, zone, now })
    }

    fn put(&self, out: &mut Vec<u8>, message: &MessageView<'_>) {
        let time = self.now.map_or_else(|| message.timestamp.unwrap_or(0), |now| now());
        self.format.put(out, time, &self.zone);
    }
}

impl Payload {
    /// Appends the payload of one message.
    #[inline]
    pub fn put(&self, out: &mut Vec<u8>, message: &MessageView<'_>) {
        if let Some(prefix) = &self.prefix {
            prefix.put(out, message);
        }
        self.put_bytes(out, message.payload.unwrap_or_default());
    }

    /// Appends a payload given as bytes.
    #[inline]
    pub fn put_bytes(&self, out: &mut Vec<u8>, payload: &[u8]) {
        let delimiter = if self.null { 0 } else { b'\n' };
        out.extend_from_slice(payload);
        let wanted = match self.newlines {
            Newlines::Auto => payload.last() != Some(&delimiter),
            Newlines::Always => true,
            Newlines::Never => false,
        };
        if wanted {
            out.push(delimiter);
        }
    }
}
