// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes to records: where one ends and the next begins.
//!
//! A [`Splitter`] is asked again and again what the next record of some bytes is. Bytes that hold
//! no end of a record yet are shown again when there is more behind them; what was found out about
//! them is kept in [`Progress`], so they are not searched twice. Records are at most as long as
//! the limit, and no byte is lost unless [`Oversize`] says so: what all records and what they are
//! separated by have used up is the input.

use memchr::memchr;
use regex::bytes::Regex;
use regex_automata::util::syntax;

/// What ends a record.
#[derive(Clone, Debug)]
pub enum Delimiter {
    /// A byte, that many times (Heka's `TokenSplitter`). It stays in the record.
    Byte {
        /// The byte.
        byte: u8,
        /// How many of them make a record.
        count: usize,
    },
    /// A match at the end (Heka's `RegexSplitter`): what the capture group has matched stays in
    /// the record, the rest of the match is left out.
    RegexEnd(Regex),
    /// A match at the start: what the capture group has matched starts the next record.
    RegexStart(Regex),
}

/// What becomes of a record that is longer than the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Oversize {
    /// It goes on in the next record; nothing is lost.
    #[default]
    Split,
    /// Only its beginning is delivered.
    Truncate,
    /// It is left out.
    Drop,
}

/// Which lines belong together.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// A line that matches starts a record.
    pub start: Option<Regex>,
    /// A line that matches goes on with the record before it.
    pub continuation: Option<Regex>,
}

impl Group {
    fn starts_with(&self, line: &[u8]) -> bool {
        match (&self.start, &self.continuation) {
            (Some(start), None) => start.is_match(line),
            (None, Some(continuation)) => !continuation.is_match(line),
            (Some(start), Some(continuation)) => {
                start.is_match(line) || !continuation.is_match(line)
            }
            (None, None) => true,
        }
    }
}

/// Whether more bytes may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Yes.
    Comes,
    /// Not soon: a group of lines is as complete as it will be.
    Late,
    /// No: what is there is the last record.
    Never,
}

/// What is known of bytes that were looked at and not used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// So many of them were searched.
    pub scanned: usize,
    /// They are the rest of a record that was too long, and are left out.
    pub skips: bool,
}

/// How much of a record is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// The beginning or the middle; more follows.
    Piece,
    /// The beginning; the rest is left out.
    Beginning,
    /// Nothing: it was too long.
    Nothing,
    /// Nothing: bytes between records, or the rest of a record that was told of before.
    Skipped,
}

/// The next record, or a reason why there is none in some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// How many bytes are used up with it.
    pub used: usize,
    /// How much of it this is.
    pub part: Part,
}

/// Splits bytes into records.
#[derive(Clone, Debug)]
pub struct Splitter {
    delimiter: Delimiter,
    group: Option<Group>,
    limit: usize,
    oversize: Oversize,
    /// A delimiter at the end of what is there may go on in what comes.
    holds_back: bool,
}

/// A record's end: how long it is, and how many bytes are used up with it.
#[derive(Clone, Copy)]
struct End {
    len: usize,
    used: usize,
}

impl Splitter {
    /// Splits at `delimiter`; records are at most `limit` bytes long (at least 1).
    pub fn new(delimiter: Delimiter, limit: usize, oversize: Oversize) -> Self {
        let holds_back = matches!(&delimiter, Delimiter::RegexEnd(regex) if !has_one_length(regex));
        Self { delimiter, group: None, limit: limit.max(1), oversize, holds_back }
    }

    /// Whether a record can be kept back though its end is there, until more comes or
    /// [`Rest::Late`] says that nothing does.
    pub fn holds_back(&self) -> bool {
        self.holds_back || self.group.is_some()
    }

    /// Puts lines together that belong together.
    #[must_use]
    pub fn grouped(mut self, group: Group) -> Self {
        self.group = Some(group);
        self
    }

    /// The first record of `data`; `None` if its end is not there yet.
    #[inline]
    pub fn next<'a>(
        &self,
        data: &'a [u8],
        progress: &mut Progress,
        rest: Rest,
    ) -> Option<Record<'a>> {
        if data.is_empty() {
            return None;
        }
        let end = match (&self.delimiter, &self.group) {
            (Delimiter::Byte { byte, count: 0 | 1 }, None) => {
                let unseen = data.get(progress.scanned..)?;
                memchr(*byte, unseen).map(|found| End::after(progress.scanned + found + 1))
            }
            (_, None) => self.line_end(data, progress.scanned, rest),
            (_, Some(group)) => self.group_end(group, data, progress, rest),
        };
        let end = end.or_else(|| (rest == Rest::Never).then(|| End::after(data.len())));
        match end {
            Some(end) if end.len <= self.limit && !progress.skips => {
                progress.scanned = 0;
                let bytes = data.get(..end.len)?;
                Some(Record { bytes, used: end.used, part: Part::Whole })
            }
            _ => self.too_long(data, end, progress),
        }
    }

    /// A record that is too long, or too long already, or whose rest is left out.
    #[cold]
    fn too_long<'a>(
        &self,
        data: &'a [u8],
        end: Option<End>,
        progress: &mut Progress,
    ) -> Option<Record<'a>> {
        let record =
            |used, len, part| Some(Record { bytes: data.get(..len).unwrap_or(data), used, part });
        if progress.skips {
            progress.skips = end.is_none();
            progress.scanned = 0;
            // A delimiter longer than a byte may be cut here, as it would be without a limit.
            return record(end.map_or(data.len(), |end| end.used), 0, Part::Skipped);
        }
        if end.is_none() && data.len() <= self.limit {
            if self.group.is_none() {
                progress.scanned = data.len();
            }
            return None;
        }
        let piece = match self.group {
            // A group is cut between its lines if it can be.
            Some(_) if progress.scanned > 0 => progress.scanned.min(self.limit),
            _ => self.limit,
        };
        progress.scanned = 0;
        let is_line = self.group.is_none() || piece == self.limit;
        if self.oversize == Oversize::Split || !is_line {
            return record(piece, piece, Part::Piece);
        }
        progress.skips = end.is_none();
        let used = end.map_or(data.len(), |end| end.used);
        match self.oversize {
            Oversize::Drop => record(used, 0, Part::Nothing),
            Oversize::Split | Oversize::Truncate => record(used, piece, Part::Beginning),
        }
    }

    /// Where the line ends that starts `data`, of which the first `scanned` bytes hold no end.
    fn line_end(&self, data: &[u8], scanned: usize, rest: Rest) -> Option<End> {
        match &self.delimiter {
            Delimiter::Byte { byte, count: 0 | 1 } => {
                let found = memchr(*byte, data.get(scanned..)?)?;
                Some(End::after(scanned + found + 1))
            }
            Delimiter::Byte { byte, count } => {
                let last = memchr::memchr_iter(*byte, data).nth(count - 1)?;
                Some(End::after(last + 1))
            }
            // A delimiter may have started in what was scanned; nothing can be left out.
            Delimiter::RegexEnd(regex) => {
                let captures = regex.captures(data)?;
                let whole = captures.get(0)?;
                let is_open = self.holds_back && rest == Rest::Comes;
                if is_open && whole.end() == data.len() && data.len() <= self.limit {
                    return None;
                }
                let len = captures.get(1).map_or(whole.start(), |group| group.end());
                // An empty match at the start would never get on.
                (whole.end() > 0).then_some(End { len, used: whole.end() })
            }
            Delimiter::RegexStart(regex) => {
                let captures = regex.captures_iter(data).find(|captures| {
                    let next = captures.get(1).or_else(|| captures.get(0));
                    next.is_some_and(|next| {
                        next.start() > 0 && captures.get(0).is_some_and(|all| all.start() > 0)
                    })
                })?;
                let whole = captures.get(0)?;
                let used = captures.get(1).map_or(whole.end(), |group| group.start());
                Some(End { len: whole.start(), used })
            }
        }
    }

    /// Where the group of lines ends; `progress.scanned` stands at the start of a line that is in
    /// it or may be.
    fn group_end(
        &self,
        group: &Group,
        data: &[u8],
        progress: &mut Progress,
        rest: Rest,
    ) -> Option<End> {
        loop {
            let line = data.get(progress.scanned..)?;
            let Some(end) = self.line_end(line, 0, rest) else {
                let is_due = rest == Rest::Late && progress.scanned > 0;
                return is_due.then(|| End::after(progress.scanned));
            };
            if progress.scanned > 0 && group.starts_with(line.get(..end.len)?) {
                return Some(End::after(progress.scanned));
            }
            let next = progress.scanned + end.used;
            if next > self.limit {
                // Over the limit: without this line if there is one before it.
                return Some(End::after(if progress.scanned > 0 {
                    progress.scanned
                } else {
                    next
                }));
            }
            progress.scanned = next;
        }
    }
}

impl End {
    fn after(len: usize) -> Self {
        Self { len, used: len }
    }
}

/// Whether all that an expression can match is of one length.
fn has_one_length(regex: &Regex) -> bool {
    syntax::parse(regex.as_str()).is_ok_and(|parsed| {
        let properties = parsed.properties();
        properties.minimum_len().is_some() && properties.minimum_len() == properties.maximum_len()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newline(limit: usize, oversize: Oversize) -> Splitter {
        Splitter::new(Delimiter::Byte { byte: b'\n', count: 1 }, limit, oversize)
    }

    fn regex(text: &str) -> Regex {
        Regex::new(text).unwrap()
    }

    /// All records of `pieces`, which arrive one after the other.
    fn split(splitter: &Splitter, pieces: &[&str], last: Rest) -> Vec<(String, Part)> {
        let mut held = Vec::new();
        let mut progress = Progress::default();
        let mut records = Vec::new();
        for (number, piece) in pieces.iter().enumerate() {
            held.extend_from_slice(piece.as_bytes());
            let rest = if number + 1 == pieces.len() { last } else { Rest::Comes };
            while let Some(record) = splitter.next(&held, &mut progress, rest) {
                let text = String::from_utf8_lossy(record.bytes).into_owned();
                records.push((text, record.part));
                let used = record.used;
                assert!(used > 0, "no progress");
                held.drain(..used);
            }
        }
        if last == Rest::Never {
            assert_eq!(held, b"");
        }
        records
    }

    fn whole(splitter: &Splitter, text: &str, last: Rest) -> Vec<String> {
        split(splitter, &[text], last).into_iter().map(|(text, _)| text).collect()
    }

    #[test]
    fn lines_keep_their_ends() {
        let splitter = newline(100, Oversize::Split);
        assert_eq!(whole(&splitter, "a\n\nb", Rest::Comes), ["a\n", "\n"]);
        assert_eq!(whole(&splitter, "a\n\nb", Rest::Never), ["a\n", "\n", "b"]);
    }

    #[test]
    fn a_count_makes_records_of_several_lines() {
        let splitter =
            Splitter::new(Delimiter::Byte { byte: b';', count: 2 }, 100, Oversize::Split);
        assert_eq!(whole(&splitter, "a;b;c;d", Rest::Never), ["a;b;", "c;d"]);
    }

    #[test]
    fn a_regex_at_the_end_keeps_its_group_only() {
        let splitter = |re| Splitter::new(Delimiter::RegexEnd(regex(re)), 100, Oversize::Split);
        assert_eq!(whole(&splitter("[;,]"), "a;b,c", Rest::Never), ["a", "b", "c"]);
        assert_eq!(whole(&splitter("(;)\n"), "a;\nb;\n", Rest::Never), ["a;", "b;"]);
    }

    #[test]
    fn a_delimiter_that_may_go_on_is_waited_for() {
        let several = Splitter::new(Delimiter::RegexEnd(regex("\n+")), 8, Oversize::Split);
        let texts = |pieces: &[&str], last| -> Vec<String> {
            split(&several, pieces, last).into_iter().map(|(text, _)| text).collect()
        };
        assert_eq!(texts(&["a\n", "\nb\n"], Rest::Comes), ["a"]);
        assert_eq!(texts(&["a\n", "\nb\n"], Rest::Late), ["a", "b"]);
        assert_eq!(texts(&["a\n", "\n", "\n"], Rest::Never), ["a"]);
        // But not beyond the limit, where memory would grow.
        assert_eq!(texts(&["12345678\n"], Rest::Comes), ["12345678"]);
        // One whose length is known is not waited for.
        let one = Splitter::new(Delimiter::RegexEnd(regex("(\r)\n")), 8, Oversize::Split);
        assert!(several.holds_back() && !one.holds_back());
        assert_eq!(whole(&one, "a\r\n", Rest::Comes), ["a\r"]);
    }

    #[test]
    fn a_regex_at_the_start_begins_the_next_record() {
        let splitter = |re| Splitter::new(Delimiter::RegexStart(regex(re)), 100, Oversize::Split);
        assert_eq!(whole(&splitter("(# )"), "# a\nb\n# c\n", Rest::Comes), ["# a\nb\n"]);
        assert_eq!(whole(&splitter("\n(# )"), "# a\nb\n# c\n", Rest::Never), ["# a\nb", "# c\n"]);
    }

    #[test]
    fn groups_end_where_the_next_begins_or_time_is_up() {
        let group = Group { start: Some(regex("^[0-9]")), continuation: None };
        let splitter = newline(100, Oversize::Split).grouped(group);
        let text = "1 a\n at\n at\n2 b\n";
        assert_eq!(whole(&splitter, text, Rest::Comes), ["1 a\n at\n at\n"]);
        assert_eq!(whole(&splitter, text, Rest::Late), ["1 a\n at\n at\n", "2 b\n"]);
        assert_eq!(whole(&splitter, "1 a\n at\n 2", Rest::Late), ["1 a\n at\n"]);
        assert_eq!(whole(&splitter, "1 a\n at\n 2", Rest::Never), ["1 a\n at\n 2"]);
        let group = Group { start: None, continuation: Some(regex("^ ")) };
        let splitter = newline(100, Oversize::Split).grouped(group);
        assert_eq!(whole(&splitter, "a\n at\nb\n", Rest::Late), ["a\n at\n", "b\n"]);
    }

    #[test]
    fn a_group_that_is_too_long_is_cut_between_lines() {
        let group = Group { start: Some(regex("^S")), continuation: None };
        let splitter = newline(6, Oversize::Drop).grouped(group);
        assert_eq!(whole(&splitter, "S1\nab\ncd\nS2\n", Rest::Late), ["S1\nab\n", "cd\n", "S2\n"]);
    }

    #[test]
    fn what_is_too_long_is_split_truncated_or_dropped() {
        let text = "abcdefgh\nij\n";
        for pieces in [vec![text], vec!["abc", "def", "gh\ni", "j\n"]] {
            let texts = |oversize| {
                let records = split(&newline(3, oversize), &pieces, Rest::Comes);
                let kept = records.into_iter().filter(|(_, part)| *part != Part::Skipped);
                kept.collect::<Vec<_>>()
            };
            let of = |text: &str, part| (text.to_owned(), part);
            assert_eq!(
                texts(Oversize::Split),
                [
                    of("abc", Part::Piece),
                    of("def", Part::Piece),
                    of("gh\n", Part::Whole),
                    of("ij\n", Part::Whole)
                ]
            );
            assert_eq!(
                texts(Oversize::Truncate),
                [of("abc", Part::Beginning), of("ij\n", Part::Whole)]
            );
            assert_eq!(texts(Oversize::Drop), [of("", Part::Nothing), of("ij\n", Part::Whole)]);
        }
    }
}
