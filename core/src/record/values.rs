// SPDX-License-Identifier: MIT OR Apache-2.0
//! Consecutive JSON values: one per line, over several lines, or without separators.
//!
//! A value ends with its last bracket. A truncated value ends where a line begins with a `{` that
//! cannot be part of it, so that the next value is not lost too. Anything that does not begin with
//! a bracket is a line.

use super::More;
use super::boundary::{Boundary, End, Search, find_byte};
use super::brackets;

/// Nesting up to which the kinds of brackets are distinguished; deeper brackets are only counted.
const TRACKED: u32 = 64;

/// The boundary of JSON values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values;

/// The state inside a value after the bytes searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Nesting {
    /// Number of blanks at the beginning, as long as nothing else was seen.
    blanks: usize,
    /// Whether a bracket was seen.
    has_begun: bool,
    /// Whether something else came first, which makes this a line. Its beginning may have been
    /// dropped.
    is_line: bool,
    depth: u32,
    /// Which of the open brackets are square, the innermost in the lowest bit.
    squares: u64,
    in_string: bool,
    is_escaped: bool,
    /// The last byte that is neither blank nor inside a string.
    last: u8,
    /// Whether a line begins.
    at_line: bool,
}

impl Nesting {
    /// Accounts for the removal of the first `len` bytes.
    pub(super) fn shift(&mut self, len: usize) {
        self.blanks = self.blanks.saturating_sub(len);
    }

    /// Returns where something other than a blank begins, or the end.
    fn beginning(&mut self, data: &[u8]) -> usize {
        let is_blank = |byte: &&u8| byte.is_ascii_whitespace();
        let new = data.iter().skip(self.blanks).take_while(is_blank).count();
        #[cfg(test)]
        super::tests::count_searched(new);
        self.blanks += new;
        self.blanks
    }
}

impl Boundary for Values {
    fn find(&self, data: &[u8], search: &mut Search, _more: More) -> Option<End> {
        if search.nesting.is_line {
            return find_byte(b'\n', data, search);
        }
        if !search.nesting.has_begun {
            let at = search.nesting.beginning(data);
            match data.get(at) {
                None => return None,
                Some(b'{' | b'[') => {
                    if let Some(end) = line(data, at, search.searched) {
                        return Some(end);
                    }
                    search.nesting.has_begun = true;
                    search.searched = at;
                }
                Some(_) => {
                    search.nesting.is_line = true;
                    search.searched = search.searched.max(at);
                    return find_byte(b'\n', data, search);
                }
            }
        }
        let from = search.searched;
        for (at, &byte) in data.iter().enumerate().skip(from) {
            match search.nesting.take(byte) {
                Seen::Inside => {}
                Seen::End => return Some(end_at(data, at + 1)),
                Seen::Another => {
                    let text = data.get(..at).unwrap_or_default().trim_ascii_end().len();
                    return Some(End { text, whole: at, used: at });
                }
            }
        }
        search.searched = data.len();
        None
    }

    fn reach(&self) -> usize {
        1
    }

    fn holds_back(&self) -> bool {
        false
    }
}

/// Finds the end of a value that is a single line, as most are: the line ends with a bracket, the next
/// line begins with one, and no bracket before the last ends the value. It finds nothing that
/// [`Nesting::take`] would not, only faster.
#[inline]
fn line(data: &[u8], at: usize, searched: usize) -> Option<End> {
    let rest = data.get(at..)?;
    let seen = searched.saturating_sub(at);
    let len = seen + super::boundary::memchr(b'\n', rest.get(seen..)?)?;
    let text = rest.get(..len)?.strip_suffix(b"}")?;
    let is_object = text.first() == Some(&b'{') && rest.get(len + 1) == Some(&b'{');
    if !is_object || !brackets::stay_open(text) {
        return None;
    }
    Some(End { text: at + len, whole: at + len + 1, used: at + len + 1 })
}

/// Creates the end of a value; it includes a line end that follows.
fn end_at(data: &[u8], text: usize) -> End {
    let rest = data.get(text..).unwrap_or_default();
    let line_end = match rest {
        [b'\n', ..] => 1,
        [b'\r', b'\n', ..] => 2,
        _ => 0,
    };
    End { text, whole: text + line_end, used: text + line_end }
}

/// The meaning of a byte.
enum Seen {
    /// It is part of the value.
    Inside,
    /// It ends the value.
    End,
    /// It begins another value although this one has not ended.
    Another,
}

impl Nesting {
    #[inline]
    fn take(&mut self, byte: u8) -> Seen {
        if byte == b'{' && self.at_line && self.depth > 0 && !self.takes_object() {
            return Seen::Another;
        }
        self.at_line = byte == b'\n';
        if self.in_string {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return Seen::Inside;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => {
                self.depth += 1;
                self.squares = self.squares << 1 | u64::from(byte == b'[');
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.squares >>= 1;
                if self.depth == 0 {
                    return Seen::End;
                }
            }
            b' ' | b'\t' | b'\n' | b'\r' => return Seen::Inside,
            _ => {}
        }
        self.last = byte;
        Seen::Inside
    }

    /// Whether an object is allowed at this position.
    fn takes_object(&self) -> bool {
        let in_array = self.squares & 1 == 1 || self.depth > TRACKED;
        !self.in_string && (self.last == b':' || in_array && matches!(self.last, b',' | b'['))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Found, Limit, Oversize, Progress, Splitter};
    use super::*;

    /// Returns the records of a stream that arrives in pieces of `len` bytes.
    fn records(stream: &[u8], len: usize) -> Vec<String> {
        let splitter = Splitter::json(Limit { size: 1000, oversize: Oversize::Split });
        let mut progress = Progress::default();
        let (mut found, mut start, mut end) = (Vec::new(), 0, 0);
        loop {
            end = (end + len).min(stream.len());
            let more = if end == stream.len() { More::Ended } else { More::Coming };
            let mut records = splitter.records(&stream[start..end], &mut progress, more);
            for record in records.by_ref() {
                let Found::Record(record) = record else { panic!("{record:?}") };
                found.push(String::from_utf8_lossy(record.text.trim_ascii()).into_owned());
            }
            start += records.done();
            if more == More::Ended {
                found.retain(|record| !record.is_empty());
                return found;
            }
        }
    }

    /// Found by fuzzing: the rest of a long line was taken for a value if it began with a bracket.
    #[test]
    fn a_bracket_in_a_line_over_the_limit_begins_nothing() {
        let stream = b"no value [1] {\"a\":2} to the end\n[3]\n";
        for oversize in [Oversize::Truncate, Oversize::Drop] {
            let splitter = Splitter::json(Limit { size: 8, oversize });
            let read = |piece: usize| {
                let (mut progress, mut found) = (Progress::default(), Vec::new());
                let (mut start, mut end) = (0, 0);
                while end < stream.len() || start < end {
                    end = (end + piece).min(stream.len());
                    let more = if end == stream.len() { More::Ended } else { More::Coming };
                    let mut records = splitter.records(&stream[start..end], &mut progress, more);
                    found.extend(records.by_ref().filter_map(|found| match found {
                        Found::Record(record) => Some(record.text.trim_ascii().to_vec()),
                        _ => None,
                    }));
                    start += records.done();
                }
                // A line end that arrives late is a record of its own.
                found.retain(|text| !text.is_empty());
                found
            };
            let whole = read(stream.len());
            assert_eq!(whole.last().map(Vec::as_slice), Some(&b"[3]"[..]), "{oversize:?}");
            for piece in 1..stream.len() {
                assert_eq!(read(piece), whole, "{oversize:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn values_are_found_however_they_are_written() {
        for (stream, expected) in [
            ("{\"a\":1}\n{\"b\":2}\n", &["{\"a\":1}", "{\"b\":2}"][..]),
            ("{\"a\":1}{\"b\":2}", &["{\"a\":1}", "{\"b\":2}"]),
            (
                "{\n  \"a\": [\n    {\n \"b\": \"}\\\"\" }\n  ]\n}\n\n[1]\n",
                &["{\n  \"a\": [\n    {\n \"b\": \"}\\\"\" }\n  ]\n}", "[1]"],
            ),
            ("no json\n{\"a\":1}\nmore\n", &["no json", "{\"a\":1}", "more"]),
            ("{\"a\":1} x\n{\"b\":2}", &["{\"a\":1}", "x", "{\"b\":2}"]),
            (
                "{\"a\":{}}\n{\"b\":{}} {\"c\":1}\n{\"d\":1}",
                &["{\"a\":{}}", "{\"b\":{}}", "{\"c\":1}", "{\"d\":1}"],
            ),
            // Broken in one line: the first bracket that closes the outermost ends it.
            ("{:}x:}\n{\"a\":1}\n", &["{:}", "x:}", "{\"a\":1}"]),
            ("{\"a\":1},{\"b\":2}}\n{\"c\":3}\n", &["{\"a\":1}", ",{\"b\":2}}", "{\"c\":3}"]),
            ("{\"a\":\"{\"},\"b\":2}\n{\"c\":3}\n", &["{\"a\":\"{\"}", ",\"b\":2}", "{\"c\":3}"]),
            ("{\"a\":1]}\n{\"b\":2}\n", &["{\"a\":1]", "}", "{\"b\":2}"]),
            (
                "{\"a\":\"}\",\"b\":[{\"c\":\"[\"}]}\n{\"d\":\"\\\"}\"}\n{\"e\":1}\n",
                &["{\"a\":\"}\",\"b\":[{\"c\":\"[\"}]}", "{\"d\":\"\\\"}\"}", "{\"e\":1}"],
            ),
            // Truncated: the next value is not lost.
            ("{\"a\":\"x\n{\"b\":2}\n", &["{\"a\":\"x", "{\"b\":2}"]),
            ("{\"a\":{\"c\":[1,\n{\"b\":2}\n]}}", &["{\"a\":{\"c\":[1,\n{\"b\":2}\n]}}"]),
            ("{\"a\":1,\n{\"b\":2}\n", &["{\"a\":1,", "{\"b\":2}"]),
            ("{\"a\":\n{\"b\":2}}\n", &["{\"a\":\n{\"b\":2}}"]),
            ("\n \n", &[]),
        ] {
            for len in [1, 2, 3, 7, 1000] {
                assert_eq!(records(stream.as_bytes(), len), expected, "{stream} by {len}");
            }
        }
    }
}
