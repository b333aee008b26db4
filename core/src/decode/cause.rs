// SPDX-License-Identifier: MIT OR Apache-2.0
//! The reasons why a record, or a value in it, could not be parsed.

use std::fmt;

use crate::codec::json::cursor::Wrong;
use crate::wire::Full;

/// The reason why a record could not be parsed. It is formatted only when printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    column: Option<usize>,
    words: &'static str,
}

impl Cause {
    /// Creates a cause about the whole record.
    pub(super) fn new(words: &'static str) -> Self {
        Self { column: None, words }
    }

    /// Creates a cause at a column, counted from 1.
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

/// A defect of a value, which is kept as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flaw {
    /// Not a time in a known form.
    Time,
    /// Not a known severity.
    Severity,
    /// Not a process ID.
    Pid,
    /// Not a Uuid.
    Uuid,
    /// An object or array for a header that is text.
    Header,
    /// Not a value of the requested type.
    Type,
}

impl Flaw {
    /// Returns a description.
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

    /// Returns where the value is kept.
    pub fn kept(self) -> &'static str {
        if self == Self::Header { "kept as fields" } else { "kept as text" }
    }

    /// Returns the name under which repetitions are counted.
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

/// The flaws of one record, each with the name and the beginning of the value.
#[derive(Clone, Debug, Default)]
pub struct Flaws {
    found: Vec<(Flaw, usize, usize)>,
    bytes: Vec<u8>,
}

/// Maximum number of flaws kept per record.
const MOST: usize = 16;
/// Maximum number of bytes shown of a name or value.
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

    /// Whether there are no flaws.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Returns the flaws, each with the name and the beginning of the value.
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
