// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finding a file again, by identity and by content.

use std::io;
use std::path::{Path, PathBuf};

use crate::follow::file::OpenFile;
use crate::follow::identity::{Identity, modified};
use crate::follow::position::FilePosition;

/// A file that may be the one looked for.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Which file it is.
    pub(crate) identity: Identity,
    /// When it was last written; nanoseconds since 1970.
    pub(crate) modified: u64,
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && self.identity == other.identity
    }
}

impl Candidate {
    /// What is at `path` now, if that is there and no directory.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        (!metadata.is_dir()).then(|| Self {
            path: path.to_owned(),
            identity: Identity::of(&metadata),
            modified: modified(&metadata),
        })
    }
}

/// Finds the file that `position` speaks of among `candidates` (oldest first) and opens it there.
///
/// The same file is taken if it still has the same bytes before the position. If not, a file that
/// was written since then and has these bytes is a copy of it: made by a rotation that truncates,
/// or compressed. Of several the first is taken: all of them may begin alike, and this one has what
/// follows on that place.
pub(crate) fn find(
    position: &FilePosition,
    candidates: &[Candidate],
    gzip: bool,
) -> Option<(usize, OpenFile)> {
    let same = candidates.iter().position(|candidate| candidate.identity == position.identity);
    if let Some(index) = same
        && let Some(file) = open_at(position, candidates.get(index)?, gzip)
    {
        return Some((index, file));
    }
    if position.offset == 0 {
        return None;
    }
    let copies = candidates.iter().enumerate();
    copies
        .filter(|(index, candidate)| {
            Some(*index) != same && candidate.modified >= position.modified
        })
        .find_map(|(index, candidate)| Some((index, open_at(position, candidate, gzip)?)))
}

/// Copies of a file of which nothing was read at `position`, so that its content cannot be told:
/// what was made and written since and comes before it.
pub(crate) fn new_copies<'a>(
    position: &FilePosition,
    candidates: &'a [Candidate],
) -> impl Iterator<Item = (usize, &'a Candidate)> {
    let same = candidates.iter().position(|candidate| candidate.identity == position.identity);
    let since = position.modified;
    candidates.iter().take(same.unwrap_or(0)).enumerate().filter(move |(_, file)| {
        // A compressed file has the time of what it was made from.
        let is_gzip = file.path.extension().is_some_and(|extension| extension == "gz");
        let since = if is_gzip { since + 1 } else { since };
        file.identity.born >= since && file.modified >= since
    })
}

fn open_at(position: &FilePosition, candidate: &Candidate, gzip: bool) -> Option<OpenFile> {
    let mut file = OpenFile::open(&candidate.path, position.offset, gzip).ok()?;
    if file.identity() != candidate.identity || file.position().hash != position.hash {
        return None;
    }
    file.resume(position);
    Some(file)
}

/// Opens `candidate` at its beginning.
///
/// # Errors
/// The system's; [`io::ErrorKind::NotFound`] if another file is there by now.
pub(crate) fn open_first(candidate: &Candidate, gzip: bool) -> io::Result<OpenFile> {
    let mut file = OpenFile::open(&candidate.path, 0, gzip)?;
    if file.identity() == candidate.identity {
        // As of when it was found: what happens from then on is still to be seen.
        file.set_modified(candidate.modified);
        Ok(file)
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}
