// SPDX-License-Identifier: MIT OR Apache-2.0
//! `multipart/x-protobuf`: the parts of an HTTP body (RFC 2046), read as they arrive.
//!
//! Servers send no part headers, CRLF, and boundaries of 60 hex digits. Also accepted are part
//! headers (skipped), bare LF line ends if the first delimiter line has one, text before the first
//! and after the last delimiter, blanks after a delimiter, and a quoted boundary.

use std::io::Read;

use bytes::{Bytes, BytesMut};
use memchr::memmem::Finder;

/// Number of bytes per read.
const BLOCK: usize = 32 * 1024;
/// Maximum size of the text before the first delimiter, and of the headers of a part.
const MAX_PREAMBLE: usize = 64 * 1024;
/// Maximum number of blanks after a delimiter, in bytes.
const MAX_PADDING: usize = 1024;

/// Returns the `boundary` parameter of a `Content-Type`, unquoted. The media type itself is
/// ignored: servers have sent several.
pub(crate) fn boundary(content_type: &str) -> Option<String> {
    let mut rest = content_type.split_once(';')?.1;
    loop {
        let (name, value) = rest.split_once('=')?;
        let (value, behind) = parameter_value(value.trim_start());
        if name.trim().eq_ignore_ascii_case("boundary") {
            return (!value.trim().is_empty()).then_some(value);
        }
        rest = behind;
    }
}

/// Returns a parameter's value, and the rest.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, behind) = text.split_once(';').unwrap_or((text, ""));
        return (value.trim_end().to_owned(), behind);
    };
    let mut value = String::new();
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => value.extend(chars.next()),
            _ => value.push(c),
        }
    }
    let behind = chars.as_str();
    (value, behind.split_once(';').map_or("", |(_, behind)| behind))
}

/// The reason why the parts ended early.
#[derive(Debug)]
pub(crate) enum Broken {
    /// Reading failed.
    Read(std::io::Error),
    /// The body ended before the last delimiter.
    Unfinished,
    /// A part is over the limit.
    TooLarge,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read(error) => write!(f, "{error}"),
            Self::Unfinished => f.write_str("no final boundary"),
            Self::TooLarge => f.write_str("part longer than the limit"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first delimiter.
    Preamble,
    /// Inside a part, at its first byte.
    Part,
    /// After the last delimiter.
    Done,
    /// After a delimiter truncated by the end of the body.
    CutOff,
}

/// What follows a delimiter.
enum Behind {
    /// A line end: the next part starts there.
    Part(usize),
    /// The mark of the last delimiter, or the end of the body.
    Nothing(State),
    /// It is not a delimiter but the start of a longer line.
    Text,
}

/// The parts of a body, one after the other; at most one part is held in memory.
#[derive(Debug)]
pub(crate) struct Parts<R> {
    source: R,
    buffer: BytesMut,
    delimiter: Vec<u8>,
    finder: Finder<'static>,
    state: State,
    limit: usize,
    at_end: bool,
}

impl<R: Read> Parts<R> {
    /// Creates a reader for parts of up to `limit` bytes.
    pub(crate) fn new(source: R, boundary: &str, limit: usize) -> Self {
        let delimiter = format!("--{boundary}").into_bytes();
        let finder = Finder::new(&[b"\r\n", delimiter.as_slice()].concat()).into_owned();
        Self {
            source,
            buffer: BytesMut::new(),
            delimiter,
            finder,
            state: State::Preamble,
            limit,
            at_end: false,
        }
    }

    /// Returns the next part; `None` after the last.
    ///
    /// # Errors
    /// If the body ends or breaks before that.
    pub(crate) fn next_part(&mut self) -> Result<Option<Bytes>, Broken> {
        if self.state == State::Preamble {
            self.skip_preamble()?;
        }
        match self.state {
            State::Done => return Ok(None),
            State::CutOff => return Err(Broken::Unfinished),
            State::Part | State::Preamble => {}
        }
        self.skip_part_headers()?;
        let mut from = 0;
        loop {
            let found = self.finder.find(self.buffer.get(from..).unwrap_or_default());
            if let Some(at) = found.map(|at| from + at) {
                let delimiter_end = at + self.finder.needle().len();
                let behind = match self.behind(delimiter_end)? {
                    Behind::Part(behind) => behind,
                    Behind::Nothing(state) => {
                        self.state = state;
                        delimiter_end
                    }
                    Behind::Text => {
                        from = at + 1;
                        continue;
                    }
                };
                let mut part = self.buffer.split_to(behind);
                part.truncate(at);
                return Ok(Some(part.freeze()));
            }
            if self.buffer.len() > self.limit {
                return Err(Broken::TooLarge);
            }
            from = self.buffer.len().saturating_sub(self.finder.needle().len());
            self.fill()?;
        }
    }

    /// Examines what follows a delimiter that ends at `at`. Blanks are counted once, however they
    /// arrive.
    fn behind(&mut self, at: usize) -> Result<Behind, Broken> {
        let mut blanks = 0;
        loop {
            let tail = self.buffer.get(at + blanks..).unwrap_or_default();
            blanks += tail.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            if blanks > MAX_PADDING {
                return Err(Broken::TooLarge);
            }
            match self.buffer.get(at + blanks..).unwrap_or_default() {
                [b'-', b'-', ..] if blanks == 0 => return Ok(Behind::Nothing(State::Done)),
                [b'\r', b'\n', ..] => return Ok(Behind::Part(at + blanks + 2)),
                [b'\n', ..] => return Ok(Behind::Part(at + blanks + 1)),
                [] | [b'-' | b'\r'] if !self.at_end => self.fill()?,
                // The part before it is complete, whatever follows.
                [] | [b'-' | b'\r'] => return Ok(Behind::Nothing(State::CutOff)),
                _ => return Ok(Behind::Text),
            }
        }
    }

    fn skip_preamble(&mut self) -> Result<(), Broken> {
        let mut skipped = 0;
        loop {
            let line = self.line(&mut skipped)?;
            if self.is_first_delimiter(line.strip_suffix(b"\n").unwrap_or(&line)) {
                return Ok(());
            }
            if !line.ends_with(b"\n") {
                return Err(Broken::Unfinished);
            }
        }
    }

    /// Whether a line (without its LF) is the first delimiter; this also determines the line ends.
    fn is_first_delimiter(&mut self, line: &[u8]) -> bool {
        let Some(rest) = line.strip_prefix(self.delimiter.as_slice()) else { return false };
        if rest.starts_with(b"--") {
            self.state = State::Done;
            return true;
        }
        if !rest.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
            return false;
        }
        self.state = State::Part;
        if !rest.ends_with(b"\r") {
            self.finder = Finder::new(&[b"\n", self.delimiter.as_slice()].concat()).into_owned();
        }
        true
    }

    /// Skips the blank line, or headers and blank line, at the start of a part.
    fn skip_part_headers(&mut self) -> Result<(), Broken> {
        let mut skipped = 0;
        loop {
            let line = self.line(&mut skipped)?;
            if matches!(line.as_ref(), b"\n" | b"\r\n") {
                // The line end of an empty part belongs to the delimiter after it.
                return Ok(());
            }
            if !line.ends_with(b"\n") {
                return Err(Broken::Unfinished);
            }
        }
    }

    /// Returns the next line with its LF, or the rest at the end. `skipped` counts what was read of
    /// this kind, which is limited.
    fn line(&mut self, skipped: &mut usize) -> Result<BytesMut, Broken> {
        let mut from = 0;
        loop {
            let unseen = self.buffer.get(from..).unwrap_or_default();
            if let Some(len) = memchr::memchr(b'\n', unseen) {
                *skipped += from + len + 1;
                return Ok(self.buffer.split_to(from + len + 1));
            }
            from = self.buffer.len();
            if *skipped + from > MAX_PREAMBLE {
                return Err(Broken::TooLarge);
            }
            if self.at_end {
                return Ok(self.buffer.split());
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<(), Broken> {
        if self.at_end {
            return Err(Broken::Unfinished);
        }
        let mut block = [0; BLOCK];
        let len = self.source.read(&mut block).map_err(Broken::Read)?;
        self.at_end = len == 0;
        self.buffer.extend_from_slice(block.get(..len).unwrap_or_default());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A reader that returns `step` bytes at a time.
    struct Steps<'a>(&'a [u8], usize);

    impl Read for Steps<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let len = self.1.min(self.0.len()).min(buffer.len());
            let (now, later) = self.0.split_at(len);
            buffer[..len].copy_from_slice(now);
            self.0 = later;
            Ok(len)
        }
    }

    fn parts(body: &[u8], step: usize) -> (Vec<Bytes>, bool) {
        let mut parts = Parts::new(Steps(body, step), "B", 1000);
        let mut found = Vec::new();
        loop {
            match parts.next_part() {
                Ok(Some(part)) => found.push(part),
                Ok(None) => return (found, true),
                Err(_) => return (found, false),
            }
        }
    }

    #[track_caller]
    fn check(body: &[u8], expected: &[&[u8]], whole: bool) {
        for step in [1, 2, 3, 7, 1000] {
            let (found, ended) = parts(body, step);
            assert_eq!(found, expected, "steps of {step}");
            assert_eq!(ended, whole, "steps of {step}");
        }
    }

    #[test]
    fn parts_come_out_as_servers_send_them() {
        check(b"--B\r\n\r\none\r\n--B\r\n\r\ntwo\r\n--B--\r\n", &[b"one", b"two"], true);
        check(b"\r\n--B--\r\n", &[], true);
        check(b"--B\r\n\r\n\r\n--B--", &[b""], true);
    }

    #[test]
    fn preamble_headers_and_epilogue_are_passed_over() {
        check(b"hi\r\n--B\r\nX: y\r\n\r\none\r\n--B--\r\nbye", &[b"one"], true);
        check(b"--B \r\n\r\none\r\n--B \t\r\n\r\ntwo\r\n--B--", &[b"one", b"two"], true);
    }

    #[test]
    fn bare_line_feeds_count_if_the_first_delimiter_has_one() {
        check(b"--B\n\none\n--B\n\ntwo\n--B--\n", &[b"one", b"two"], true);
    }

    #[test]
    fn what_only_looks_like_a_delimiter_is_data() {
        check(b"--B\r\n\r\na\r\n--Bx\r\nb\r\n--B--", &[b"a\r\n--Bx\r\nb"], true);
    }

    #[test]
    fn an_early_end_is_told_after_the_parts_before_it() {
        check(b"--B\r\n\r\none\r\n--B\r\n\r\ntw", &[b"one"], false);
        check(b"", &[], false);
    }

    #[test]
    fn a_part_whose_delimiter_ends_the_body_is_whole() {
        for end in ["", "\r", "-", " ", "\r\n"] {
            let body = format!("--B\r\n\r\none\r\n--B{end}");
            check(body.as_bytes(), &[b"one"], false);
        }
        check(b"--B\r\n\r\none\r\n--Bx", &[], false);
    }

    /// A reader that returns one byte at a time, without end.
    struct Endless<'a>(&'a [u8], u8, usize);

    impl Read for Endless<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            buffer[0] = self.0.get(self.2).copied().unwrap_or(self.1);
            self.2 += 1;
            Ok(1)
        }
    }

    #[test]
    fn nothing_that_is_skipped_is_buffered_without_limit() {
        for (head, filling) in [
            (&b"--B\r\n\r\none\r\n--B"[..], b' '),
            (b"--B\r\n\r\none\r\n--B", b'\t'),
            (b"", b'\n'),
            (b"--B\r\n", b'x'),
            (b"--B\r\n\r\none\r\n--B\r\nX: y\r\n", b'x'),
        ] {
            let mut parts = Parts::new(Endless(head, filling, 0), "B", 1000);
            let error = std::iter::repeat_with(|| parts.next_part()).find_map(Result::err);
            assert!(matches!(error, Some(Broken::TooLarge)), "{error:?}");
            assert!(parts.source.2 < 2 * MAX_PREAMBLE, "{}", parts.source.2);
        }
    }

    #[test]
    fn a_part_over_the_limit_is_refused() {
        let body = [b"--B\r\n\r\n".as_slice(), &[b'x'; 5000], b"\r\n--B--"].concat();
        let mut parts = Parts::new(Steps(&body, 100), "B", 1000);
        assert!(matches!(parts.next_part(), Err(Broken::TooLarge)));
    }

    #[test]
    fn boundaries_are_parameters() {
        let found = |text| boundary(text);
        assert_eq!(found("multipart/x-protobuf; boundary=abc").as_deref(), Some("abc"));
        assert_eq!(found("multipart/x; boundary=\"a b\"; charset=x").as_deref(), Some("a b"));
        assert_eq!(
            found("multipart/x; charset=\"x;y\"; BOUNDARY=abc ; a=b").as_deref(),
            Some("abc")
        );
        for text in ["", "multipart/x", "multipart/x; boundary=", "multipart/x; boundary=  "] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(body in "(--B|\r\n|--|x|B|\n){0,30}", step in 1usize..5) {
            prop_assert_eq!(parts(body.as_bytes(), step), parts(body.as_bytes(), 1000));
        }
    }
}
