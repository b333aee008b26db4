// SPDX-License-Identifier: MIT OR Apache-2.0
//! The names in a directory, read again only after it has changed.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::io;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::follow::identity::{Identity, is_settled, modified};

/// The names in one directory.
#[derive(Clone, Debug)]
pub(crate) struct Listing(Rc<Names>);

/// Concatenated names, and their sorted positions.
#[derive(Debug, Default)]
struct Names {
    text: Vec<u8>,
    places: Vec<Range<usize>>,
}

impl Names {
    fn read(directory: &Path) -> io::Result<Self> {
        let mut this = Self::default();
        for entry in std::fs::read_dir(directory)?.flatten() {
            let start = this.text.len();
            this.text.extend_from_slice(entry.file_name().as_encoded_bytes());
            this.places.push(start..this.text.len());
        }
        let text = &this.text;
        this.places.sort_unstable_by_key(|place| text.get(place.clone()));
        Ok(this)
    }

    fn at(&self, place: &Range<usize>) -> &OsStr {
        OsStr::from_bytes(self.text.get(place.clone()).unwrap_or(&[]))
    }
}

/// The directory that was listed last.
#[derive(Debug)]
struct Listed {
    directory: PathBuf,
    stamp: Stamp,
    names: Listing,
}

thread_local! {
    /// A thousand logs in one directory all need the same names.
    static LISTED: RefCell<Option<Listed>> = const { RefCell::new(None) };
}

impl Listing {
    /// Returns the names in `directory`, which is only read if it has, or may have, changed since
    /// the last call.
    ///
    /// # Errors
    /// Any I/O error.
    pub(crate) fn of(directory: &Path) -> io::Result<Self> {
        let stamp = Stamp::of(directory)?;
        LISTED.with_borrow_mut(|listed| {
            let is_same = |listed: &&Listed| listed.directory == directory && listed.stamp == stamp;
            if let Some(listed) = listed.as_ref().filter(is_same) {
                return Ok(listed.names.clone());
            }
            let can_keep = stamp.is_settled();
            let names = Self(Rc::new(Names::read(directory)?));
            let directory = directory.to_owned();
            *listed = can_keep.then(|| Listed { directory, stamp, names: names.clone() });
            Ok(names)
        })
    }

    /// Returns the names from `from` up to, but not including, `to`.
    pub(crate) fn between(&self, from: &str, to: &str) -> impl Iterator<Item = &OsStr> {
        let names = &self.0;
        let index = |text: &str| names.places.partition_point(|at| names.at(at) < OsStr::new(text));
        let places = names.places.get(index(from)..index(to)).unwrap_or(&[]);
        places.iter().map(|place| names.at(place))
    }
}

/// The attributes that show whether a directory has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp {
    identity: Identity,
    changed: u64,
}

impl Stamp {
    /// Returns the current stamp of a directory.
    ///
    /// # Errors
    /// Any I/O error.
    pub(crate) fn of(directory: &Path) -> io::Result<Self> {
        let metadata = std::fs::metadata(directory)?;
        Ok(Self { identity: Identity::of(&metadata), changed: modified(&metadata) })
    }

    /// Whether the directory may have changed at `time` or later.
    pub(crate) fn may_be_since(self, time: u64) -> bool {
        self.changed >= time || !self.is_settled()
    }

    /// Whether a future change will be visible.
    pub(crate) fn is_settled(self) -> bool {
        is_settled(self.changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_range() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b", "a.log", "a.log.1", "a", "ab.log"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let listing = Listing::of(dir.path()).unwrap();
        let found: Vec<_> = listing.between("a.", "a/").collect();
        assert_eq!(found, ["a.log", "a.log.1"]);
        assert_eq!(listing.between("c", "d").count(), 0);
        std::fs::write(dir.path().join("c"), "").unwrap();
        assert_eq!(Listing::of(dir.path()).unwrap().between("c", "d").count(), 1);
    }
}
