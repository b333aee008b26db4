// SPDX-License-Identifier: MIT OR Apache-2.0
//! Text of any kind to messages: regular expressions, JSON, logfmt, the lines of known programs.
//!
//! A [`Decoder`] holds the ways to read a record, tried in order. Values go straight into the
//! message ([`crate::wire::Draft`]); nothing is allocated for a record. What can be read stays: a
//! value that cannot is kept as text in a field of its own name and reported ([`Flaws`]), a record
//! in which nothing can be read is left to the caller.

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

/// A way to read records.
#[derive(Clone, Debug)]
pub enum Way {
    /// A regular expression takes them apart.
    Captures(Box<Captures>),
    /// They are JSON objects.
    Json(Map),
    /// They are lines of logfmt.
    Logfmt(Map),
    /// They are lines of an access log.
    Access(Box<Access>),
    /// They are syslog messages.
    Syslog,
    /// They are lines of nginx's error log.
    NginxError,
    /// They are lines of Apache's error log.
    ApacheError,
    /// They are entries of journald in its export format.
    Journal(Map),
    /// They are JSON objects of Docker, whose text ends with a line end or is continued in the next.
    Docker(Map),
    /// They are lines of CRI.
    Cri,
    /// One of these in a file whose path adds fields.
    OnPath(Box<Self>),
    /// They are lines of klog.
    Klog,
    /// They are lines of a log library: a time, a level, a message.
    Levels,
}

/// How much of what was logged a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it, or its end.
    Whole,
    /// The next record of its stream continues it.
    Piece,
}

/// Reads records, each in the first way that fits.
#[derive(Clone, Debug)]
pub struct Decoder {
    ways: Vec<Way>,
    readers: Readers,
    target: Target,
    rooms: Rooms,
}

impl Decoder {
    /// Tries `ways` in order. Headers and fields of a message, the payload aside, take at most
    /// `limit` bytes.
    pub fn new(ways: Vec<Way>, readers: Readers, limit: usize) -> Self {
        Self { ways, readers, target: Target::new(limit), rooms: Rooms::default() }
    }

    /// Reads a record that came at `now` from the file at `path`, if that is known. What was read
    /// is in [`Decoder::draft`] then.
    ///
    /// # Errors
    /// Why the only way does not fit, or that none of several does.
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

    /// What was read last.
    pub fn draft(&self) -> &Draft {
        &self.target.draft
    }

    /// What was read last, to be added to.
    pub fn draft_mut(&mut self) -> &mut Draft {
        &mut self.target.draft
    }

    /// Values that could not be read.
    pub fn flaws(&self) -> &Flaws {
        &self.target.flaws
    }

    /// Begins a message of which nothing can be read, marked so.
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
