// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rules by which a stream is cut, and how far one stream has come.

use std::sync::Arc;

use super::boundary::{Boundary, End, Lines, Search, find_byte, find_last};
use super::journal::{ENTRY_REACH, find_entry};
use super::{Framing, Limit, More, Oversize, Records};
use crate::wire::Deframer;

/// Cuts streams into records: how they are framed, and how long they may be.
#[derive(Clone, Debug)]
pub struct Splitter {
    pub(super) kind: Kind,
    pub(super) lines: Option<Arc<dyn Lines>>,
    pub(super) limit: Limit,
    /// The byte that ends records, if nothing else has to be looked at.
    pub(super) plain: Option<u8>,
}

/// What determines where a record ends.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Framing(Framing),
    Boundary(Arc<dyn Boundary>),
}

impl Splitter {
    /// Records framed like that, no longer than `limit`.
    pub fn new(framing: Framing, limit: Limit) -> Self {
        let (framing, plain) = match framing {
            Framing::Delimited(byte) | Framing::Counted(byte, 0 | 1) => {
                (Framing::Delimited(byte), Some(byte))
            }
            framing => (framing, None),
        };
        Self { kind: Kind::Framing(framing), lines: None, limit, plain }
    }

    /// Heka frames with messages of up to `limit` bytes.
    pub fn frames(limit: usize) -> Self {
        Self::new(Framing::Heka, Limit { size: limit, oversize: Oversize::Drop })
    }

    /// JSON values, whatever white space is in or between them.
    pub fn json(limit: Limit) -> Self {
        let kind = Kind::Boundary(Arc::new(super::values::Values));
        Self { kind, lines: None, limit, plain: None }
    }

    /// Entries of the journal, exported or in JSON.
    pub fn journal(limit: Limit) -> Self {
        let kind = Kind::Boundary(Arc::new(super::entries::Entries));
        Self { kind, lines: None, limit, plain: None }
    }

    /// Records that a pattern separates.
    #[cfg(feature = "regex")]
    pub fn by_pattern(pattern: super::Pattern, limit: Limit) -> Self {
        Self { kind: Kind::Boundary(Arc::new(pattern)), lines: None, limit, plain: None }
    }

    /// Puts lines together that belong together. A record that is too long then is split between
    /// its lines.
    #[cfg(feature = "regex")]
    #[must_use]
    pub fn grouped(mut self, group: super::Group) -> Self {
        self.lines = Some(Arc::new(group));
        self.plain = None;
        self
    }

    /// The limit.
    pub fn limit(&self) -> Limit {
        self.limit
    }

    /// Whether a record can be kept back though its end is there, until more comes or
    /// [`More::Idle`] says that nothing does.
    pub fn holds_back(&self) -> bool {
        let is_open = matches!(&self.kind, Kind::Boundary(boundary) if boundary.holds_back());
        is_open || self.lines.is_some()
    }

    /// Walks over the records of `data`, the bytes of a stream that are not done with. What has
    /// been found out about those that are left over then is kept in `progress`.
    #[inline]
    pub fn records<'a, 's>(
        &'s self,
        data: &'a [u8],
        progress: &'s mut Progress,
        more: More,
    ) -> Records<'a, 's> {
        Records::new(self, progress, data, more)
    }

    /// Whether nothing that still comes of the stream is wanted.
    pub fn has_all(&self, progress: &Progress) -> bool {
        matches!(self.kind, Kind::Framing(Framing::Whole)) && progress.is_skipping()
    }

    /// The end of the record, or line, at the front of `data`.
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

    /// Number of bytes over the limit after which a record is certainly longer.
    pub(super) fn reach(&self) -> usize {
        match &self.kind {
            Kind::Framing(Framing::Journal) => ENTRY_REACH,
            Kind::Framing(_) => 1,
            Kind::Boundary(boundary) => boundary.reach().max(1),
        }
    }
}

/// How far one stream has come. It is all that has to be kept for a stream beside its bytes.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    pub(super) offset: u64,
    pub(super) state: State,
    pub(super) search: Search,
    /// Where the line begins that is searched, behind those that belong to the record.
    pub(super) line: usize,
    /// The end of the line before it.
    pub(super) before: Option<End>,
    /// The end of the line at the front, if it is known already.
    pub(super) known: Option<End>,
    pub(super) deframer: Option<Box<Deframer>>,
}

/// What is done with the bytes at the front.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// They are a record.
    #[default]
    Reading,
    /// They are a record that was reported as too long, or the rest of one, to be split.
    Splitting,
    /// They are a record that was reported as too long, to be truncated.
    Truncating,
    /// They are skipped, to the end of a record.
    Skipping,
    /// That many bytes are skipped.
    SkippingBytes(u64),
    /// They mean nothing, like all that follow.
    Lost,
}

impl Progress {
    /// The next byte of the stream is at `offset`.
    pub fn at(offset: u64) -> Self {
        Self { offset, ..Self::default() }
    }

    /// The same, and that byte belongs to a record that is skipped, if `skips`.
    #[must_use]
    pub fn skipping(mut self, skips: bool) -> Self {
        self.state = if skips { State::Skipping } else { State::Reading };
        self
    }

    /// Position in the stream of the first byte that is not done with.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether the next bytes belong to a record that is skipped.
    pub fn is_skipping(&self) -> bool {
        matches!(self.state, State::Skipping | State::SkippingBytes(_) | State::Lost)
    }

    /// Whether nothing is known but where the next byte is: a record begins there.
    pub fn is_fresh(&self) -> bool {
        let is_open = self.before.is_some() || self.known.is_some() || self.deframer.is_some();
        let is_begun = self.line > 0 || self.search != Search::default() || is_open;
        self.state == State::Reading && !is_begun
    }

    /// Another stream begins.
    pub fn restart(&mut self) {
        self.begin();
        self.offset = 0;
        if let Some(deframer) = &mut self.deframer {
            **deframer = Deframer::new(deframer.limit());
        }
    }

    /// Advances by `len` bytes, which end with a record and contain all that has been searched.
    pub fn pass(&mut self, len: usize) {
        self.offset += len as u64;
        self.begin();
    }

    /// The next byte begins a record.
    pub(super) fn begin(&mut self) {
        self.state = State::Reading;
        self.search = Search::default();
        self.line = 0;
        self.before = None;
    }
}
