// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records of an input: up to a delimiter or the end, and no longer than a limit.

use memchr::memchr;

use crate::cli::Oversize;
use crate::emit::cut;

/// Finds records in what has been read.
#[derive(Debug)]
pub(crate) struct Splitter {
    /// None: the whole input is one record.
    delimiter: Option<u8>,
    chomp: bool,
    limit: usize,
    /// The furthest place of a delimiter whose record is within the limit.
    last_end: usize,
    oversize: Oversize,
    /// How much at the front holds no delimiter.
    searched: usize,
    /// The rest of a record that was too long is being passed over.
    skipping: bool,
}

/// What was found at the front of the buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// A record, or the last piece of a long one, and how many bytes it takes.
    Record(&'a [u8], usize),
    /// A piece of a record over the limit, not its last, and how many bytes it takes. What follows
    /// it comes in further pieces, or is passed over.
    Piece(&'a [u8], usize),
    /// Bytes to pass over; `true` if a record that is too long begins here.
    Skip(usize, bool),
    /// Nothing yet.
    Nothing,
}

impl Splitter {
    /// Records that end in `delimiter`, or at the end of the input only, and are not longer than
    /// `limit`.
    pub(crate) fn new(
        delimiter: Option<u8>,
        chomp: bool,
        limit: usize,
        oversize: Oversize,
    ) -> Self {
        let last_end = limit.saturating_sub(usize::from(!chomp));
        Self { delimiter, chomp, limit, last_end, oversize, searched: 0, skipping: false }
    }

    /// Whether nothing more comes of this input.
    pub(crate) fn has_all(&self) -> bool {
        self.delimiter.is_none() && self.skipping
    }

    /// Looks at what has been read and not used up; `is_end`: nothing follows.
    #[inline]
    pub(crate) fn next<'a>(&mut self, data: &'a [u8], is_end: bool) -> Found<'a> {
        let unsearched = data.get(self.searched..).unwrap_or_default();
        let Some(found) = self.delimiter.and_then(|byte| memchr(byte, unsearched)) else {
            return self.unfinished(data, is_end);
        };
        let end = self.searched + found;
        if end > self.last_end || self.skipping {
            return self.too_long(data, end + 1);
        }
        self.searched = 0;
        let record = data.get(..if self.chomp { end } else { end + 1 }).unwrap_or_default();
        Found::Record(record, end + 1)
    }

    #[cold]
    fn unfinished<'a>(&mut self, data: &'a [u8], is_end: bool) -> Found<'a> {
        if data.len() > self.limit || self.skipping {
            return self.too_long(data, usize::MAX);
        }
        if is_end && !data.is_empty() {
            self.searched = 0;
            return Found::Record(data, data.len());
        }
        self.searched = data.len();
        Found::Nothing
    }

    /// A record over the limit; it ends behind `end`, if that is known.
    #[cold]
    fn too_long<'a>(&mut self, data: &'a [u8], end: usize) -> Found<'a> {
        self.searched = 0;
        if self.skipping || self.oversize == Oversize::Drop {
            let begins = !self.skipping;
            self.skipping = end > data.len();
            let len = end.min(data.len());
            return if len == 0 { Found::Nothing } else { Found::Skip(len, begins) };
        }
        let len = cut(data, self.limit);
        self.skipping = self.oversize == Oversize::Truncate;
        Found::Piece(data.get(..len).unwrap_or_default(), len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All records of `text`, given in pieces of `size` bytes.
    fn records(text: &[u8], size: usize, oversize: Oversize) -> Vec<Vec<u8>> {
        all(Splitter::new(Some(b'\n'), true, 4, oversize), text, size)
    }

    fn all(mut splitter: Splitter, text: &[u8], size: usize) -> Vec<Vec<u8>> {
        let (mut buffer, mut found) = (Vec::new(), Vec::new());
        let mut pieces = text.chunks(size).peekable();
        loop {
            let piece = pieces.next();
            buffer.extend_from_slice(piece.unwrap_or_default());
            loop {
                let len = match splitter.next(&buffer, piece.is_none()) {
                    Found::Record(record, len) | Found::Piece(record, len) => {
                        found.push(record.to_vec());
                        len
                    }
                    Found::Skip(len, _) => len,
                    Found::Nothing => break,
                };
                buffer.drain(..len);
            }
            if piece.is_none() {
                return found;
            }
        }
    }

    #[test]
    fn long_records_are_split_cut_or_left_out_in_any_pieces() {
        for size in 1..12 {
            let text = b"ab\n\n123456789\ncd\nefghi";
            let split: &[&[u8]] = &[b"ab", b"", b"1234", b"5678", b"9", b"cd", b"efgh", b"i"];
            assert_eq!(records(text, size, Oversize::Split), split, "{size}");
            let truncated: &[&[u8]] = &[b"ab", b"", b"1234", b"cd", b"efgh"];
            assert_eq!(records(text, size, Oversize::Truncate), truncated, "{size}");
            let dropped: &[&[u8]] = &[b"ab", b"", b"cd"];
            assert_eq!(records(text, size, Oversize::Drop), dropped, "{size}");
        }
    }

    #[test]
    fn a_delimiter_that_is_kept_counts() {
        for size in 1..6 {
            let splitter = Splitter::new(Some(b'\n'), false, 4, Oversize::Split);
            let expected: &[&[u8]] = &[b"abc\n", b"abcd", b"\n", b"abcd", b"e"];
            assert_eq!(all(splitter, b"abc\nabcd\nabcde", size), expected, "{size}");
        }
    }

    #[test]
    fn without_a_delimiter_the_end_ends_the_record() {
        for size in 1..6 {
            let splitter = Splitter::new(None, true, 4, Oversize::Split);
            let expected: &[&[u8]] = &[b"a\nb\n", b"c"];
            assert_eq!(all(splitter, b"a\nb\nc", size), expected, "{size}");
            let splitter = Splitter::new(None, true, 4, Oversize::Truncate);
            assert_eq!(all(splitter, b"a\nb\nc", size), [b"a\nb\n"], "{size}");
        }
    }

    #[test]
    fn characters_are_not_cut_in_two() {
        let found = records("äöü\n".as_bytes(), 100, Oversize::Split);
        assert_eq!(found, ["äö".as_bytes(), "ü".as_bytes()]);
        assert_eq!(records("aäöü".as_bytes(), 100, Oversize::Truncate), ["aä".as_bytes()]);
    }
}
