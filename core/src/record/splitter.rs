// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rules by which a stream is split, and the progress in one stream.

use std::sync::Arc;

use super::boundary::{Boundary, End, Lines, Search, find_byte, find_last};
use super::journal::{ENTRY_REACH, find_entry};
use super::{Framing, Limit, More, Oversize, Records};
use crate::wire::Deframer;

/// Splits streams into records by their framing and length limit.
#[derive(Clone, Debug)]
pub struct Splitter {
    pub(super) kind: Kind,
    pub(super) lines: Option<Arc<dyn Lines>>,
    pub(super) limit: Limit,
    /// The byte that ends records, if that is the only rule.
    pub(super) plain: Option<u8>,
}

/// The rule for the end of a record.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Framing(Framing),
    Boundary(Arc<dyn Boundary>),
}

impl Splitter {
    /// Creates a splitter for records with this framing, no longer than `limit`.
    pub fn new(framing: Framing, limit: Limit) -> Self {
        let (framing, plain) = match framing {
            Framing::Delimited(byte) | Framing::Counted(byte, 0 | 1) => {
                (Framing::Delimited(byte), Some(byte))
            }
            framing => (framing, None),
        };
        Self { kind: Kind::Framing(framing), lines: None, limit, plain }
    }

    /// Creates a splitter for Heka frames with messages of up to `limit` bytes.
    pub fn frames(limit: usize) -> Self {
        Self::new(Framing::Heka, Limit { size: limit, oversize: Oversize::Drop })
    }

    /// Creates a splitter for JSON values, with any white space inside or between them.
    pub fn json(limit: Limit) -> Self {
        let kind = Kind::Boundary(Arc::new(super::values::Values));
        Self { kind, lines: None, limit, plain: None }
    }

    /// Creates a splitter for journal entries, in the export format or JSON.
    pub fn journal(limit: Limit) -> Self {
        let kind = Kind::Boundary(Arc::new(super::entries::Entries));
        Self { kind, lines: None, limit, plain: None }
    }

    /// Creates a splitter for records delimited by a pattern.
    #[cfg(feature = "regex")]
    pub fn by_pattern(pattern: super::Pattern, limit: Limit) -> Self {
        Self { kind: Kind::Boundary(Arc::new(pattern)), lines: None, limit, plain: None }
    }

    /// Groups lines to records. A group over the limit is split between lines.
    #[cfg(feature = "regex")]
    #[must_use]
    pub fn grouped(mut self, group: super::Group) -> Self {
        self.lines = Some(Arc::new(group));
        self.plain = None;
        self
    }

    /// Returns the limit.
    pub fn limit(&self) -> Limit {
        self.limit
    }

    /// Whether a complete record may be held back until more data arrives or [`More::Idle`] says
    /// that none does.
    pub fn holds_back(&self) -> bool {
        let is_open = matches!(&self.kind, Kind::Boundary(boundary) if boundary.holds_back());
        is_open || self.lines.is_some()
    }

    /// Iterates over the records of `data`, the unconsumed bytes of a stream. What is learned about
    /// the remaining bytes is kept in `progress`.
    #[inline]
    pub fn records<'a, 's>(
        &'s self,
        data: &'a [u8],
        progress: &'s mut Progress,
        more: More,
    ) -> Records<'a, 's> {
        Records::new(self, progress, data, more)
    }

    /// Whether the rest of the stream is not needed.
    pub fn has_all(&self, progress: &Progress) -> bool {
        matches!(self.kind, Kind::Framing(Framing::Whole)) && progress.is_skipping()
    }

    /// Finds the end of the record or line at the front of `data`.
    pub(super) fn find_end(&self, data: &[u8], search: &mut Search, more: More) -> Option<End> {
        match &self.kind {
            Kind::Framing(Framing::Delimited(byte)) => find_byte(*byte, data, search),
            Kind::Framing(Framing::Counted(byte, most)) => find_last(*byte, *most, data, search),
            Kind::Framing(Framing::Syslog) => find_byte(b'\n', data, search),
            Kind::Framing(Framing::Journal) => find_entry(data, search),
            Kind::Framing(_) => None,
            Kind::Boundary(boundary) => boundary.find(data, search, more),
        }
    }

    /// Returns how many bytes beyond the limit prove that a record is too long.
    pub(super) fn reach(&self) -> usize {
        match &self.kind {
            Kind::Framing(Framing::Journal) => ENTRY_REACH,
            Kind::Framing(_) => 1,
            Kind::Boundary(boundary) => boundary.reach().max(1),
        }
    }
}

/// The progress in one stream: the only state kept for it besides its bytes.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    pub(super) offset: u64,
    pub(super) state: State,
    pub(super) search: Search,
    /// Start of the line being searched, after the other lines of the record.
    pub(super) line: usize,
    /// End of the previous line.
    pub(super) before: Option<End>,
    /// End of the first line, if known.
    pub(super) known: Option<End>,
    pub(super) deframer: Option<Box<Deframer>>,
}

/// The treatment of the bytes at the front.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// They are a record.
    #[default]
    Reading,
    /// They belong to a record over the limit that is being split.
    Splitting,
    /// They begin a record over the limit that is being truncated.
    Truncating,
    /// They are skipped up to the end of a record.
    Skipping,
    /// This number of bytes is skipped.
    SkippingBytes(u64),
    /// They and all that follows are unreadable.
    Lost,
}

impl Progress {
    /// Creates the progress of a stream whose next byte is at `offset`.
    pub fn at(offset: u64) -> Self {
        Self { offset, ..Self::default() }
    }

    /// Sets whether the next byte belongs to a record that is skipped.
    #[must_use]
    pub fn skipping(mut self, skips: bool) -> Self {
        self.state = if skips { State::Skipping } else { State::Reading };
        self
    }

    /// Returns the stream offset of the first unconsumed byte.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether the next bytes belong to a record that is being skipped.
    pub fn is_skipping(&self) -> bool {
        matches!(self.state, State::Skipping | State::SkippingBytes(_) | State::Lost)
    }

    /// Whether a record begins at the next byte and nothing else is known.
    pub fn is_fresh(&self) -> bool {
        let is_open = self.before.is_some() || self.known.is_some() || self.deframer.is_some();
        let is_begun = self.line > 0 || self.search != Search::default() || is_open;
        self.state == State::Reading && !is_begun
    }

    /// Resets the progress for another stream.
    pub fn restart(&mut self) {
        self.begin();
        self.offset = 0;
        if let Some(deframer) = &mut self.deframer {
            **deframer = Deframer::new(deframer.limit());
        }
    }

    /// Advances by `len` bytes, which end with a record and include all bytes searched.
    pub fn pass(&mut self, len: usize) {
        self.offset += len as u64;
        self.begin();
    }

    /// Prepares for a record that begins at the next byte.
    pub(super) fn begin(&mut self) {
        self.state = State::Reading;
        self.search = Search::default();
        self.line = 0;
        self.before = None;
    }
}
