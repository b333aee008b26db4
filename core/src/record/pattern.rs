// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records delimited by regular expressions, or grouped from lines by them.

use regex::bytes::{Match, Regex};
use regex_automata::util::syntax;
use regex_syntax::hir::{Hir, Properties};

use super::More;
use super::boundary::{Boundary, End, Lines, Search};
use crate::codec::{Mistake, regular};

/// A delimiter of unbounded length is searched for in the whole record up to this size. In longer
/// records the search is repeated only after the record has grown by half, so that the work stays
/// proportional.
const SHORT: usize = 64 * 1024;
/// Maximum length of a delimiter that is waited for beyond the limit.
const MOST_REACH: usize = 4096;
/// The same limit for a delimiter of unbounded length.
const USUAL_REACH: usize = 64;

/// The position of a delimiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// At the end of a record (Heka's `RegexSplitter`): the text of the capture group stays in the
    /// record, the rest of the match is skipped.
    End,
    /// At the start of a record: the text of the capture group begins it.
    Start,
}

/// A delimiter that is a regular expression.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
    at: At,
    has_group: bool,
    /// Maximum length of a match, if bounded.
    longest: Option<usize>,
    /// Whether more data may extend a match or turn it into none.
    holds_back: bool,
}

impl Pattern {
    /// Compiles `text`, in RE2's syntax.
    ///
    /// # Errors
    /// The mistake and its position; more than one capture group is a mistake.
    pub fn new(text: &str, at: At) -> Result<Self, Mistake> {
        let regex = regular::compile(text)?;
        if regex.captures_len() > 2 {
            return Err(Mistake::new(0, "more than one capture group"));
        }
        let syntax = syntax::Config::new().octal(true).utf8(false);
        let parsed = syntax::parse_with(regex.as_str(), &syntax).ok();
        let properties = parsed.as_ref().map(Hir::properties);
        let longest = properties.and_then(Properties::maximum_len);
        let has_one_length = properties.is_some_and(|properties| {
            properties.minimum_len() == longest && properties.look_set().is_empty()
        });
        let holds_back = longest.is_none() || at == At::End && !has_one_length;
        Ok(Self { has_group: regex.captures_len() > 1, regex, at, longest, holds_back })
    }

    /// Returns where in `len` bytes to search for a match; `None` if a search is not worthwhile
    /// yet.
    fn search_from(&self, len: usize, search: &Search, more: More) -> Option<usize> {
        let Search { searched, from, .. } = *search;
        match self.longest {
            _ if searched == 0 => Some(from),
            // A match may have begun in the bytes already searched.
            Some(longest) => Some(from.max((searched + 1).saturating_sub(longest))),
            None => {
                let is_worth_it =
                    len <= SHORT || more != More::Coming || len - searched >= searched / 2;
                is_worth_it.then_some(from)
            }
        }
    }

    /// Returns the first match from `from` on, and its capture group.
    fn find_at<'d>(&self, data: &'d [u8], from: usize) -> Option<(Match<'d>, Option<Match<'d>>)> {
        let found = if self.has_group {
            let captures = self.regex.captures_at(data, from);
            captures.and_then(|captures| Some((captures.get(0)?, captures.get(1))))
        } else {
            self.regex.find_at(data, from).map(|whole| (whole, None))
        };
        #[cfg(test)]
        super::tests::count_searched(found.map_or(data.len(), |(whole, _)| whole.end()) - from);
        found
    }

    fn find_end(&self, data: &[u8], search: &mut Search, from: usize, more: More) -> Option<End> {
        search.searched = data.len();
        let (whole, group) = self.find_at(data, from)?;
        if self.holds_back && more == More::Coming && whole.end() == data.len() {
            search.searched = whole.start();
            return None;
        }
        // An empty match at the start would make no progress.
        if whole.end() == 0 {
            return None;
        }
        let text = group.map_or(whole.start(), |group| group.end());
        Some(End { text, whole: text, used: whole.end() })
    }

    fn find_start(&self, data: &[u8], search: &mut Search, mut from: usize) -> Option<End> {
        search.searched = data.len();
        while from <= data.len() {
            let (whole, group) = self.find_at(data, from)?;
            let next = group.map_or(whole.end(), |group| group.start());
            if search.is_inside || whole.start() > 0 && next > 0 {
                return Some(End { text: whole.start(), whole: whole.start(), used: next });
            }
            // The match is the start of this record.
            from = whole.end().max(from + 1);
            search.from = from;
        }
        None
    }
}

impl Boundary for Pattern {
    fn find(&self, data: &[u8], search: &mut Search, more: More) -> Option<End> {
        let from = self.search_from(data.len(), search, more)?;
        match self.at {
            At::End => self.find_end(data, search, from.min(data.len()), more),
            At::Start => self.find_start(data, search, from),
        }
    }

    fn reach(&self) -> usize {
        self.longest.unwrap_or(USUAL_REACH).min(MOST_REACH)
    }

    fn holds_back(&self) -> bool {
        self.holds_back
    }
}

/// Rules that group lines to records.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// A line that matches starts a record.
    pub start: Option<Regex>,
    /// A line that matches continues the previous record.
    pub continuation: Option<Regex>,
}

impl Lines for Group {
    fn begins(&self, line: &[u8]) -> bool {
        let starts = |start: &Regex| start.is_match(line);
        let goes_on = |continuation: &Regex| continuation.is_match(line);
        match (&self.start, &self.continuation) {
            (Some(start), None) => starts(start),
            (None, Some(continuation)) => !goes_on(continuation),
            (Some(start), Some(continuation)) => starts(start) || !goes_on(continuation),
            (None, None) => true,
        }
    }
}
