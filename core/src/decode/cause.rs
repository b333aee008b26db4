// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a record, or a value of it, could not be read.

use std::fmt;

use crate::codec::json::cursor::Wrong;
use crate::wire::Full;

/// Why a record could not be parsed. It costs nothing unless it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    column: Option<usize>,
    words: &'static str,
}

impl Cause {
    /// Something about the whole record.
    pub(super) fn new(words: &'static str) -> Self {
        Self { column: None, words }
    }

    /// Something at that column, counted from 1.
    pub(super) fn at(column: usize, words: &'static str) -> Self {
        Self { column: Some(column), words }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(column) = self.column {
            write!(f, "column {column}: ")?;
        }
        f.write_str(self.words)
    }
}

impl From<Wrong> for Cause {
    fn from(wrong: Wrong) -> Self {
        Self::at(wrong.column, wrong.words)
    }
}

impl From<Full> for Cause {
    fn from(_: Full) -> Self {
        Self::new("fields over the limit")
    }
}

/// What is wrong with a value, which is kept as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flaw {
    /// No time in a known form.
    Time,
    /// No severity that is known.
    Severity,
    /// No process id.
    Pid,
    /// No Uuid.
    Uuid,
    /// An object or array where a header takes text.
    Header,
    /// No value of the type asked for.
    Type,
}

impl Flaw {
    /// What is wrong with one.
    pub fn words(self) -> &'static str {
        match self {
            Self::Time => "not a known form of time",
            Self::Severity => "not a known severity",
            Self::Pid => "not a process id",
            Self::Uuid => "not a UUID",
            Self::Header => "neither text nor a number",
            Self::Type => "not a value of that type",
        }
    }

    /// What is done with it.
    pub fn kept(self) -> &'static str {
        if self == Self::Header { "kept as fields" } else { "kept as text" }
    }

    /// What many of them are called.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Time => "unreadable times",
            Self::Severity => "unknown severities",
            Self::Pid => "bad process ids",
            Self::Uuid => "bad UUIDs",
            Self::Header => "headers of other types",
            Self::Type => "values of other types",
        }
    }
}

/// The flaws of one record: which value, and how it began.
#[derive(Clone, Debug, Default)]
pub struct Flaws {
    found: Vec<(Flaw, usize, usize)>,
    bytes: Vec<u8>,
}

/// Most flaws that are kept of a record.
const MOST: usize = 16;
/// Number of bytes shown of a name and of a value.
const SHOWN: usize = 40;

impl Flaws {
    pub(super) fn clear(&mut self) {
        self.found.clear();
        self.bytes.clear();
    }

    pub(super) fn add(&mut self, flaw: Flaw, name: &[u8], value: &[u8]) {
        if self.found.len() < MOST {
            let put = |bytes: &mut Vec<u8>, text: &[u8]| {
                bytes.extend_from_slice(text.get(..SHOWN).unwrap_or(text));
                bytes.len()
            };
            let name_end = put(&mut self.bytes, name);
            let value_end = put(&mut self.bytes, value);
            self.found.push((flaw, name_end, value_end));
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Each with the name of the value and how it begins.
    pub fn iter(&self) -> impl Iterator<Item = (Flaw, &[u8], &[u8])> {
        let mut start = 0;
        self.found.iter().map(move |&(flaw, name_end, value_end)| {
            let name = self.bytes.get(start..name_end).unwrap_or_default();
            let value = self.bytes.get(name_end..value_end).unwrap_or_default();
            start = value_end;
            (flaw, name, value)
        })
    }
}
