// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a record ends that does not begin with its length. No byte is searched twice: what has been
//! searched in vain is kept in [`Search`].

use std::fmt::Debug;

use super::More;
use super::values::Nesting;

/// The end of a record: lengths from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Its bytes without what ends it.
    pub(super) text: usize,
    /// Its bytes with the delimiter, if that is one byte.
    pub(super) whole: usize,
    /// Where the next record begins.
    pub(super) used: usize,
}

impl End {
    /// Without a delimiter.
    pub(super) fn all(len: usize) -> Self {
        Self { text: len, whole: len, used: len }
    }

    /// The end of a record of several lines, of which the last begins at `line`.
    pub(super) fn behind(self, line: usize) -> Self {
        Self { text: line + self.text, whole: line + self.whole, used: line + self.used }
    }
}

/// What is known of a record whose end is not found yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Search {
    /// Number of bytes searched.
    pub(super) searched: usize,
    /// Nothing before this can be the end.
    pub(super) from: usize,
    /// Number of delimiters found, if a record has several.
    pub(super) count: usize,
    /// Its beginning is gone.
    pub(super) is_inside: bool,
    /// Of a JSON value, what brackets are open.
    pub(super) nesting: Nesting,
}

impl Search {
    /// The first `len` bytes are gone.
    pub(super) fn shift(&mut self, len: usize) {
        self.searched = self.searched.saturating_sub(len);
        self.from = self.from.saturating_sub(len);
        self.is_inside |= len > 0;
    }
}

/// What ends a record, other than a single byte.
pub(super) trait Boundary: Debug + Send + Sync {
    /// The end of the record at the front of `data`. `more` says what follows `data`.
    fn find(&self, data: &[u8], search: &mut Search, more: More) -> Option<End>;

    /// Length of the longest delimiter: that many bytes must be there before one that began within
    /// the limit is known not to be one.
    fn reach(&self) -> usize;

    /// Whether an end may be skipped while more is to come.
    fn holds_back(&self) -> bool;
}

/// Which lines belong together: whether `line` begins a record.
pub(super) trait Lines: Debug + Send + Sync {
    /// Whether `line`, without its end, begins a record.
    fn begins(&self, line: &[u8]) -> bool;
}

/// Looks for the byte that ends the record at the front of `data`.
pub(super) fn find_byte(byte: u8, data: &[u8], search: &mut Search) -> Option<End> {
    match memchr(byte, data.get(search.searched..)?) {
        Some(distance) => {
            let text = search.searched + distance;
            Some(End { text, whole: text + 1, used: text + 1 })
        }
        None => {
            search.searched = data.len();
            None
        }
    }
}

/// Looks for the `most`th of these bytes.
pub(super) fn find_last(byte: u8, most: usize, data: &[u8], search: &mut Search) -> Option<End> {
    while let Some(end) = find_byte(byte, data, search) {
        search.count += 1;
        if search.count >= most {
            return Some(end);
        }
        search.searched = end.used;
    }
    None
}

/// All searches for bytes pass here, so that tests can count how many bytes were searched.
#[inline]
pub(super) fn memchr(byte: u8, data: &[u8]) -> Option<usize> {
    let found = memchr::memchr(byte, data);
    #[cfg(test)]
    super::tests::count_searched(found.map_or(data.len(), |distance| distance + 1));
    found
}
