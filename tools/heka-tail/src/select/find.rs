// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finds a file again, by identity and by content.

use std::io;
use std::path::{Path, PathBuf};

use crate::follow::file::OpenFile;
use crate::follow::identity::{Identity, modified};
use crate::follow::packed::has_packed_name;
use crate::follow::position::FilePosition;

/// In nanoseconds.
pub(crate) const SECOND: u64 = 1_000_000_000;

/// A file that may be the wanted one.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// Its path.
    pub(crate) path: PathBuf,
    /// Its identity.
    pub(crate) identity: Identity,
    /// Time of modification; nanoseconds since 1970.
    pub(crate) modified: u64,
    /// Its length on disk.
    pub(crate) len: u64,
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && self.identity == other.identity
    }
}

impl Candidate {
    /// Returns the file at `path`, unless it does not exist or is a directory.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        (!metadata.is_dir()).then(|| Self {
            path: path.to_owned(),
            identity: Identity::of(&metadata),
            modified: modified(&metadata),
            len: metadata.len(),
        })
    }

    /// Whether it is empty so far.
    pub(crate) fn is_empty(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|metadata| metadata.len() == 0)
    }

    /// Whether this may be a compressed form or a copy of another file.
    pub(crate) fn may_be_made_of(&self, other: &Self) -> bool {
        let is_younger = self.identity.born == 0 || self.identity.born > other.identity.born;
        let has_all = has_packed_name(&self.path) || self.len == other.len;
        is_younger && has_all && self.is_since(other.modified)
    }

    /// Whether it was created and written at `time` or later.
    pub(crate) fn is_new_since(&self, time: u64) -> bool {
        (self.identity.born == 0 || self.identity.born >= time) && self.is_since(time)
    }

    /// Whether it was written at `time` or later, as far as can be told: some compressors give a
    /// file the time of its original in whole seconds.
    pub(crate) fn is_since(&self, time: u64) -> bool {
        let is_whole = self.modified.is_multiple_of(SECOND);
        self.modified >= if is_whole { time / SECOND * SECOND } else { time }
    }
}

/// Finds the file of `position` among `candidates` (oldest first) and opens it there.
///
/// The same file is used if it still has the same bytes before the position. If not, a file that
/// was written since then and has these bytes is a copy of it: made by a rotation that truncates,
/// or compressed. Of several, the first is used: all of them may begin alike, and this one has the
/// data that follows that position.
pub(crate) fn find(
    position: &FilePosition,
    candidates: &[Candidate],
    unpacks: bool,
) -> Option<(usize, OpenFile)> {
    let same = candidates.iter().position(|candidate| candidate.identity == position.identity);
    if let Some(index) = same
        && let Some(file) = open_at(position, candidates.get(index)?, unpacks)
    {
        return Some((index, file));
    }
    if position.offset == 0 {
        return None;
    }
    let copies = candidates.iter().enumerate();
    copies
        .filter(|(index, candidate)| Some(*index) != same && candidate.is_since(position.modified))
        .find_map(|(index, candidate)| Some((index, open_at(position, candidate, unpacks)?)))
}

/// Returns copies of a file of which nothing was read at `position`, so that its contents are
/// unknown: the files created and written since that precede it.
pub(crate) fn new_copies<'a>(
    position: &FilePosition,
    candidates: &'a [Candidate],
) -> impl Iterator<Item = (usize, &'a Candidate)> {
    let same = candidates.iter().position(|candidate| candidate.identity == position.identity);
    let since = position.modified;
    candidates.iter().take(same.unwrap_or(0)).enumerate().filter(move |(_, file)| {
        // A compressed file has the time of its original.
        let since = if has_packed_name(&file.path) { since + 1 } else { since };
        file.is_new_since(since)
    })
}

/// Returns where to continue after a file that is gone because it was compressed, and of which
/// nothing was read at `position`: the first file since then that is none of `others`. It is the
/// compressed form, or a copy made before. Rotation deletes the oldest file, so it has been deleted
/// itself unless there is an older one.
pub(crate) fn packed_since<'a>(
    position: &FilePosition,
    candidates: &'a [Candidate],
    is_other: impl Fn(&Candidate) -> bool,
) -> Option<(usize, &'a Candidate)> {
    let born = position.identity.born;
    let since = candidates.iter().enumerate().filter(|(_, file)| {
        let is_younger = file.identity.born == 0 || file.identity.born > born;
        let is_after = !has_packed_name(&file.path) || is_younger;
        is_after && file.is_since(position.modified) && !file.is_empty() && !is_other(file)
    });
    let mut since = since.peekable();
    let first = since.peek().copied().filter(|(index, _)| *index > 0);
    first.filter(|_| since.any(|(_, file)| has_packed_name(&file.path)))
}

fn open_at(position: &FilePosition, candidate: &Candidate, unpacks: bool) -> Option<OpenFile> {
    let mut file = OpenFile::open(&candidate.path, position.offset, unpacks).ok()?;
    if file.identity() != candidate.identity || file.position().hash != position.hash {
        return None;
    }
    file.resume(position);
    if position.offset == 0 {
        // It may have been empty until later than its last change.
        file.set_modified(file.modified().max(position.modified));
    }
    Some(file)
}

/// Opens `candidate` at its beginning.
///
/// # Errors
/// Any I/O error; [`io::ErrorKind::NotFound`] if it has been replaced by another file.
pub(crate) fn open_first(candidate: &Candidate, unpacks: bool) -> io::Result<OpenFile> {
    let mut file = OpenFile::open(&candidate.path, 0, unpacks)?;
    if file.identity() == candidate.identity {
        // The time when it was found: later changes must still be noticed.
        file.set_modified(candidate.modified);
        Ok(file)
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}
