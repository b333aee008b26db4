// SPDX-License-Identifier: MIT OR Apache-2.0
//! Text of any kind to messages: regular expressions, JSON, logfmt, the lines of known programs.
//!
//! A [`Decoder`] holds the ways to parse a record, tried in order. Values are written directly into
//! the message ([`crate::wire::Draft`]); nothing is allocated per record. Everything that can be
//! parsed is used: an invalid value is kept as text in a field of its own name and reported
//! ([`Flaws`]); a record that cannot be parsed at all is left to the caller.

mod access;
mod captures;
mod cause;
mod cri;
mod journal;
mod klog;
mod levels;
mod logfmt;
mod map;
mod preset;
mod readers;
mod server_errors;
mod syslog;
pub mod time;
mod tokens;

pub use access::Access;
pub use captures::{Captures, FieldName};
pub use cause::{Cause, Flaw, Flaws};
pub use map::Map;
pub use preset::{PRESETS, preset, start_of_records};
pub use readers::{FieldTypes, Readers};

use crate::wire::{Draft, Full};
use map::Rooms;
use readers::Target;

/// A way to parse records.
#[derive(Clone, Debug)]
pub enum Way {
    /// By a regular expression.
    Captures(Box<Captures>),
    /// As JSON objects.
    Json(Map),
    /// As lines of logfmt.
    Logfmt(Map),
    /// As lines of an access log.
    Access(Box<Access>),
    /// As syslog messages.
    Syslog,
    /// As lines of nginx's error log.
    NginxError,
    /// As lines of Apache's error log.
    ApacheError,
    /// As entries of journald's export format.
    Journal(Map),
    /// As JSON objects of Docker, whose text ends with a line end or is continued in the next
    /// record.
    Docker(Map),
    /// As lines of CRI.
    Cri,
    /// As one of these, in a file whose path adds fields.
    OnPath(Box<Self>),
    /// As lines of klog.
    Klog,
    /// As lines of a log library: a time, a level, a message.
    Levels,
}

/// The part of a log entry that a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The whole entry, or its end.
    Whole,
    /// A part that the next record of its stream continues.
    Piece,
}

/// Parses records, each in the first way that fits.
#[derive(Clone, Debug)]
pub struct Decoder {
    ways: Vec<Way>,
    readers: Readers,
    target: Target,
    rooms: Rooms,
}

impl Decoder {
    /// Creates a decoder that tries `ways` in order. Headers and fields of a message, without the
    /// payload, take at most `limit` bytes.
    pub fn new(ways: Vec<Way>, readers: Readers, limit: usize) -> Self {
        Self { ways, readers, target: Target::new(limit), rooms: Rooms::default() }
    }

    /// Parses a record that arrived at `now` from the file at `path`, if known. The result is in
    /// [`Decoder::draft`].
    ///
    /// # Errors
    /// The reason why the only way does not fit, or that none of several does.
    pub fn read(&mut self, record: &[u8], now: i64, path: &[u8]) -> Result<Part, Cause> {
        let Self { ways, readers, target, rooms } = self;
        let mut outcome = Err(Cause::new("no match"));
        let is_one = ways.len() == 1;
        for way in ways {
            target.begin(now);
            outcome = way.read(record, path, readers, rooms, target);
            if outcome.is_ok() {
                return outcome;
            }
        }
        target.begin(now);
        outcome.map_err(|cause| if is_one { cause } else { Cause::new("no match") })
    }

    /// Returns the last result.
    pub fn draft(&self) -> &Draft {
        &self.target.draft
    }

    /// Returns the last result, for additions.
    pub fn draft_mut(&mut self) -> &mut Draft {
        &mut self.target.draft
    }

    /// Returns the values that could not be parsed.
    pub fn flaws(&self) -> &Flaws {
        &self.target.flaws
    }

    /// Begins a message for a record that cannot be parsed, and marks it as such.
    ///
    /// # Errors
    /// [`Full`].
    pub fn begin_unparsed(&mut self, cause: &str) -> Result<(), Full> {
        self.target.begin(0);
        self.target.put(b"_unparsed", cause.as_bytes())
    }
}

impl Way {
    #[inline]
    fn read(
        &mut self,
        record: &[u8],
        path: &[u8],
        readers: &Readers,
        rooms: &mut Rooms,
        target: &mut Target,
    ) -> Result<Part, Cause> {
        let read = match self {
            Self::Captures(captures) => captures.read(record, readers, target),
            Self::Json(map) => map.read_json(record, readers, rooms, target),
            Self::Logfmt(map) => logfmt::read(map, record, readers, rooms, target),
            Self::Access(access) => access.read(record, readers, target),
            Self::Syslog => syslog::read(record, readers, &mut rooms.text, target),
            Self::NginxError => server_errors::read_nginx(record, readers, target),
            Self::ApacheError => server_errors::read_apache(record, readers, target),
            Self::Journal(map) => journal::read(map, record, readers, target),
            Self::Klog => klog::read(record, readers, target),
            Self::Levels => levels::read(record, readers, target),
            Self::Cri => return cri::read(record, readers, target),
            Self::Docker(map) => {
                map.read_json(record, readers, rooms, target)?;
                return cri::end_docker(target);
            }
            Self::OnPath(way) => {
                let part = way.read(record, path, readers, rooms, target)?;
                cri::put_path(path, target)?;
                return Ok(part);
            }
        };
        read.map(|()| Part::Whole)
    }
}
