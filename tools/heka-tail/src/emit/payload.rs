// SPDX-License-Identifier: MIT OR Apache-2.0
//! Payloads without conversion: exactly the bytes of the files.

use heka_core::os::Output;
use heka_core::record::Part;

use crate::plan::Job;

/// Writes the payloads of all streams, one after the other.
#[derive(Debug)]
pub(super) struct Payloads {
    delimiter: u8,
    /// Whether a header is printed when the stream changes.
    has_headers: bool,
    /// Whether the very last payload may end without a delimiter.
    is_verbatim: bool,
    /// Whether the parts of a payload over the limit are joined.
    joins: bool,
    /// The stream whose last payload needs a delimiter before another payload, and which part that
    /// was.
    open: Option<(usize, Part)>,
    last_stream: Option<usize>,
}

impl Payloads {
    pub(super) fn new(job: &Job) -> Self {
        let ends = !job.options.follow && !job.options.goes_on;
        Self {
            delimiter: job.delimiter,
            has_headers: job.headers,
            is_verbatim: ends && !job.chomp && job.is_delimited,
            joins: !job.is_limited,
            open: None,
            last_stream: None,
        }
    }

    /// Whether the parts of a payload over the limit are joined.
    pub(super) fn joins(&self) -> bool {
        self.joins
    }

    /// Forgets a removed stream, whose number may be reused.
    pub(super) fn forget(&mut self, stream: usize) {
        self.last_stream = self.last_stream.filter(|last| *last != stream);
    }

    /// Writes a payload, which is the given part of a record.
    #[inline]
    pub(super) fn put(
        &mut self,
        out: &mut Output,
        (stream, name): (usize, &str),
        payload: &[u8],
        part: Part,
    ) {
        self.begin(out, stream, name);
        out.put(payload);
        // No line end is needed after a delimiter.
        if payload.last() != Some(&self.delimiter) {
            self.end(out, stream, part);
        }
    }

    /// Prepares for payloads of a stream.
    #[inline]
    pub(super) fn begin(&mut self, out: &mut Output, stream: usize, name: &str) {
        if self.open.take().is_some_and(|open| open != (stream, Part::Piece)) {
            out.put(&[self.line_end()]);
        }
        if self.has_headers && self.last_stream != Some(stream) {
            let gap = if self.last_stream.is_some() { "\n" } else { "" };
            out.put(format!("{gap}==> {name} <==\n").as_bytes());
            self.last_stream = Some(stream);
        }
    }

    /// Ends a payload that has no delimiter.
    fn end(&mut self, out: &mut Output, stream: usize, part: Part) {
        let is_piece = part == Part::Piece && self.joins;
        if is_piece || self.is_verbatim {
            self.open = Some((stream, if is_piece { Part::Piece } else { Part::Whole }));
        } else {
            out.put(&[self.line_end()]);
        }
    }

    fn line_end(&self) -> u8 {
        if self.delimiter == 0 { 0 } else { b'\n' }
    }
}
