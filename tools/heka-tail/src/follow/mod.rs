// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that grow, are renamed, truncated, compressed, deleted: every byte of them once.
//!
//! A [`Stream`] is what its writer means by one log: a file under a name together with the files
//! that it was rotated into. It is read oldest file first; a file that was left behind stays open
//! for a while ([`Options::rotate_wait`]) so that late lines are not lost. Where a stream stands
//! is a list of [`FilePosition`]s. [`Watch`] tells which streams to look at.
//!
//! Nothing here knows records. Bytes are shown to a consumer as a [`Chunk`]; what it does not use
//! up is shown again, with more behind it.

pub(crate) mod file;
pub(crate) mod identity;
pub(crate) mod journal;
mod left_behind;
pub(crate) mod position;
pub(crate) mod rotated;
mod rotation;
pub(crate) mod start;
pub(crate) mod stream;

use std::path::Path;
use std::time::Duration;

pub(crate) use file::{Block, OpenFile};
pub(crate) use identity::Identity;
pub(crate) use journal::Journal;
pub(crate) use position::FilePosition;
pub(crate) use start::Start;
pub(crate) use stream::{Look, Relation, Seen, Stream};

use file::{Around, Pulled};
use position::window_hash;

use heka_core::os::clock;
use heka_core::record::{More, Progress};

/// How streams are followed.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Where to start in a file that is there at the start and has no position.
    pub(crate) start: Start,
    /// The byte that ends a line, for [`Start`].
    pub(crate) delimiter: u8,
    /// Whether files are followed; else each is read to its end once.
    pub(crate) follow: bool,
    /// Whether files that are not there are waited for.
    pub(crate) wait_for_files: bool,
    /// Whether the name counts; else the file that had it at the start.
    pub(crate) by_name: bool,
    /// How long a file that was left behind is kept open for late lines.
    pub(crate) rotate_wait: Duration,
    /// Whether a later run goes on where this one ends.
    pub(crate) goes_on: bool,
    /// How long what is held waits for its record's end before [`More::Idle`].
    pub(crate) timeout: Option<Duration>,
    /// Whether compressed files are read decompressed.
    pub(crate) gzip: bool,
}

impl Options {
    /// How long a file that was left behind is kept open for late lines. A run that does not follow
    /// does not wait; the next one looks for them in a file that was written a moment ago.
    fn grace(&self, file: &OpenFile) -> Duration {
        if self.follow {
            return self.rotate_wait;
        }
        let now = u64::try_from(clock::now_ns()).unwrap_or(0);
        let age = Duration::from_nanos(now.saturating_sub(file.modified()));
        if self.goes_on { self.rotate_wait.saturating_sub(age) } else { Duration::ZERO }
    }
}

/// Bytes of a file, for a consumer.
#[derive(Debug)]
pub(crate) struct Chunk<'a> {
    /// Where the file was opened.
    pub(crate) path: &'a Path,
    /// Byte offset of [`Chunk::data`] in the file (decompressed).
    pub(crate) offset: u64,
    /// What the consumer knows of what it did not use up; it keeps this.
    pub(crate) progress: Progress,
    /// What may follow: nothing new has come for [`Options::timeout`] if that is [`More::Idle`],
    /// and what is not used up at [`More::Ended`] is lost.
    pub(crate) more: More,
    identity: Identity,
    generation: u64,
    modified: u64,
    bytes: &'a [u8],
    start: usize,
    around: Around<'a>,
}

impl<'a> Chunk<'a> {
    /// What is not used up yet.
    pub(crate) fn data(&self) -> &'a [u8] {
        self.bytes.get(self.start..).unwrap_or(&[])
    }

    /// Names the contents of the file; see [`FilePosition::generation`].
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Puts the stream's position behind the first `used` bytes of [`Chunk::data`] into `out`, inside
    /// a record that is left out or not. If it takes more than `room` bytes, the files that were
    /// left behind longest ago do not stand in it: late lines of theirs are not read after a restart.
    pub(crate) fn put_position(&self, out: &mut Vec<u8>, used: usize, skips: bool, room: usize) {
        let (older, newer) = self.around.others.split_at(self.around.rank);
        let before = self.bytes.get(..self.start + used).unwrap_or(self.bytes);
        let this = FilePosition {
            identity: self.identity,
            generation: self.generation,
            offset: self.offset + used as u64,
            hash: window_hash(before),
            modified: self.modified,
            skips,
        };
        if older.is_empty() && newer.is_empty() {
            out.clear();
            return position::encode(out, &[this]);
        }
        let all: Vec<FilePosition> = older.iter().chain([&this]).chain(newer).copied().collect();
        let mut files = all.as_slice();
        loop {
            out.clear();
            position::encode(out, files);
            match files {
                [_, newer @ ..] if out.len() > room && !newer.is_empty() => files = newer,
                _ => return,
            }
        }
    }
}
