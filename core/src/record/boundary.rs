// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finds the ends of records that do not begin with their length. No byte is searched twice: the
//! extent of a fruitless search is kept in [`Search`].

use std::fmt::Debug;

use super::More;
use super::values::Nesting;

/// The end of a record, as lengths from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Length without the delimiter.
    pub(super) text: usize,
    /// Length with the delimiter, if that is one byte.
    pub(super) whole: usize,
    /// Distance to the next record.
    pub(super) used: usize,
}

impl End {
    /// An end without a delimiter.
    pub(super) fn all(len: usize) -> Self {
        Self { text: len, whole: len, used: len }
    }

    /// The end of a record of several lines, the last of which begins at `line`.
    pub(super) fn behind(self, line: usize) -> Self {
        Self { text: line + self.text, whole: line + self.whole, used: line + self.used }
    }
}

/// The state of a search for the end of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Search {
    /// Number of bytes searched.
    pub(super) searched: usize,
    /// The end cannot be before this offset.
    pub(super) from: usize,
    /// Number of delimiters found, for records with several.
    pub(super) count: usize,
    /// Whether the beginning of the record has been dropped.
    pub(super) is_inside: bool,
    /// The open brackets of a JSON value.
    pub(super) nesting: Nesting,
}

impl Search {
    /// Accounts for the removal of the first `len` bytes.
    pub(super) fn shift(&mut self, len: usize) {
        self.searched = self.searched.saturating_sub(len);
        self.from = self.from.saturating_sub(len);
        self.nesting.shift(len);
        self.is_inside |= len > 0;
    }
}

/// The end of records, if it is not a single byte.
pub(super) trait Boundary: Debug + Send + Sync {
    /// Finds the end of the record at the front of `data`. `more` says what follows `data`.
    fn find(&self, data: &[u8], search: &mut Search, more: More) -> Option<End>;

    /// Length of the longest delimiter: the number of bytes needed to be sure that a delimiter that
    /// began within the limit is not one.
    fn reach(&self) -> usize;

    /// Whether an end may be deferred while more data is expected.
    fn holds_back(&self) -> bool;
}

/// Groups lines: decides whether a line begins a record.
pub(super) trait Lines: Debug + Send + Sync {
    /// Whether `line`, without its line end, begins a record.
    fn begins(&self, line: &[u8]) -> bool;
}

/// Finds the byte that ends the record at the front of `data`.
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

/// Finds the two-byte unit that ends the record at the front of `data`, which consists of such units.
pub(super) fn find_unit(unit: [u8; 2], data: &[u8], search: &mut Search) -> Option<End> {
    // Zeros are in most units of most texts.
    let [first, second] = unit;
    let byte = if first == 0 { second } else { first };
    loop {
        let Some(distance) = memchr(byte, data.get(search.searched..)?) else {
            search.searched = data.len() & !1;
            return None;
        };
        let text = (search.searched + distance) & !1;
        search.searched = text;
        let found = data.get(text..text + 2)?;
        if found == unit {
            return Some(End { text, whole: text + 2, used: text + 2 });
        }
        search.searched = text + 2;
    }
}

/// Finds the `most`th occurrence of `byte`.
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

/// Wraps all searches for bytes, so that tests can count the bytes searched.
#[inline]
pub(super) fn memchr(byte: u8, data: &[u8]) -> Option<usize> {
    let found = memchr::memchr(byte, data);
    #[cfg(test)]
    super::tests::count_searched(found.map_or(data.len(), |distance| distance + 1));
    found
}
