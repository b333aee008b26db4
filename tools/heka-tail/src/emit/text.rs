// SPDX-License-Identifier: MIT OR Apache-2.0
//! Converts records to payloads.

use heka_core::record::Record;

use crate::charset::Charset;

/// The conversion of a record's bytes.
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

    /// Whether payloads are exactly the bytes of the file.
    pub(super) fn is_whole(&self) -> bool {
        !self.chomp
    }

    /// Returns the payload of a record in the given encoding.
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

/// Removes the delimiter of a record; a carriage return before a newline is removed as well.
fn chomped<'a>(text: &'a [u8], whole: &[u8], delimiter: u8) -> &'a [u8] {
    let is_line = delimiter == b'\n' && text.len() < whole.len();
    if is_line { text.strip_suffix(b"\r").unwrap_or(text) } else { text }
}
