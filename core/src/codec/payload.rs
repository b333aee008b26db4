// SPDX-License-Identifier: MIT OR Apache-2.0
//! Payloads as records: the delimiter after each, and the time before it if wanted.

use super::time::{Strftime, Zone};
use crate::wire::MessageView;

/// When a payload gets a line end behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Newlines {
    /// If it has none of its own.
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
    /// When a delimiter follows.
    pub newlines: Newlines,
    /// NUL instead of the line end.
    pub null: bool,
    /// The time in front of the payload.
    pub prefix: Option<Prefix>,
}

/// The time in front of a payload.
#[derive(Clone, Debug)]
pub struct Prefix {
    format: Strftime,
    zone: Zone,
    /// Reads the clock, if the time of writing is wanted instead of the message's.
    now: Option<fn() -> i64>,
}

impl Prefix {
    /// The message's time, or what `now` says (nanoseconds since 1970), in `zone`. A blank follows
    /// if `format` does not end in one.
    ///
    /// # Errors
    /// Words on what is wrong with the format.
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

    /// Appends a payload that is at hand.
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
