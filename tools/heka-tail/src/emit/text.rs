// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records to payloads.

use heka_core::record::Record;

use crate::charset::Charset;

/// What is made of the bytes of a record.
#[derive(Debug)]
pub(super) struct Text {
    delimiter: u8,
    chomp: bool,
    decoded: String,
}

impl Text {
    pub(super) fn new(delimiter: u8, chomp: bool) -> Self {
        Self { delimiter, chomp, decoded: String::new() }
    }

    /// Whether payloads are the bytes of the file.
    pub(super) fn is_whole(&self) -> bool {
        !self.chomp
    }

    /// The payload of a record, which is in that encoding.
    #[inline]
    pub(super) fn payload<'a>(
        &'a mut self,
        record: &Record<'a>,
        charset: Option<Charset>,
    ) -> &'a [u8] {
        match charset {
            None if self.chomp => chomped(record.text, record.whole, self.delimiter),
            None => record.whole,
            Some(charset) => self.decoded(record, charset),
        }
    }

    fn decoded(&mut self, record: &Record<'_>, charset: Charset) -> &[u8] {
        charset.decode(record.whole, &mut self.decoded);
        let whole = self.decoded.as_bytes();
        if !self.chomp {
            return whole;
        }
        let text = whole.strip_suffix(&[self.delimiter]).unwrap_or(whole);
        chomped(text, whole, self.delimiter)
    }
}

/// A record without its delimiter; a newline may have a carriage return before it.
fn chomped<'a>(text: &'a [u8], whole: &[u8], delimiter: u8) -> &'a [u8] {
    let is_line = delimiter == b'\n' && text.len() < whole.len();
    if is_line { text.strip_suffix(b"\r").unwrap_or(text) } else { text }
}
