// SPDX-License-Identifier: MIT OR Apache-2.0
//! The files of a queue: their names, and how much of a file is complete records.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use super::Place;
use heka_core::delivery::blocks::{Blocks, Piece};
use heka_core::os::PrivateDir;
use heka_core::report::{Explain as _, Refused, Stop};

/// Upper bound on the length of a line in `cursor` or `end`.
pub(super) const MAX_LINE: u64 = 4096;

/// Most files in a row that may be missing: a greater number is damaged, or of another file.
const MAX_MISSING: u64 = 1 << 16;

/// Greatest number of a file.
const GREATEST: u64 = u64::MAX / 2;

/// Returns the name of a file.
pub(super) fn name_of(file: u64) -> String {
    format!("{file}.log")
}

/// Whether a file, which may consist of blocks, contains messages.
fn has_messages(file: &File, has_blocks: bool, len: u64, limit: usize) -> io::Result<bool> {
    let mut blocks = Blocks::new(file.try_clone()?, 0, has_blocks, limit);
    while let Some(piece) = blocks.next(len)? {
        if matches!(piece, Piece::Frames { .. }) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The form of a file's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contents {
    Nothing,
    Blocks,
    Frames,
}

/// Returns what a file of a queue contains.
///
/// # Errors
/// Any I/O error; [`Refused::NotQueue`] if it is something else.
fn contents(file: &File, limit: usize) -> io::Result<Contents> {
    let len = file.metadata()?.len();
    if has_messages(file, true, len, limit)? {
        Ok(Contents::Blocks)
    } else if len == 0 {
        Ok(Contents::Nothing)
    } else if has_messages(file, false, len, limit)? {
        Ok(Contents::Frames)
    } else {
        Err(Refused::NotQueue.into())
    }
}

/// The existing files of a queue, open.
#[derive(Debug)]
pub(super) struct Files(BTreeMap<u64, File>);

impl Files {
    /// Opens all files.
    pub(super) fn open(dir: &PrivateDir) -> Result<Self, Stop> {
        let mut files = BTreeMap::new();
        for name in dir.names().at(dir.display())? {
            let Some(name) = name.to_str() else { continue };
            let number = name.strip_suffix(".log").and_then(|number| number.parse().ok());
            let is_ours = |number: &u64| *number <= GREATEST && name_of(*number) == name;
            if let Some(number) = number.filter(is_ours) {
                files.insert(number, dir.open_file(name).at(dir.path_of(name).display())?);
            }
        }
        Ok(Self(files))
    }

    /// Verifies that these are files of a queue: anything but messages would be removed. Returns
    /// the first file that consists of blocks.
    ///
    /// # Errors
    /// [`Refused::NotQueue`].
    pub(super) fn check(&self, dir: &PrivateDir, limit: usize) -> Result<u64, Stop> {
        let mut first = self.behind_last();
        for (number, file) in self.0.iter().rev() {
            let contents = contents(file, limit).at(dir.path_of(&name_of(*number)).display())?;
            if contents == Contents::Blocks {
                first = *number;
            }
        }
        Ok(first)
    }

    /// Verifies that the files that this queue is not known to have are files of a queue: those
    /// after number `known`, or, if that is not known, after a missing one.
    ///
    /// # Errors
    /// [`Refused::NotQueue`].
    pub(super) fn check_others(
        &self,
        first: u64,
        known: Option<u64>,
        dir: &PrivateDir,
        limit: usize,
    ) -> Result<(), Stop> {
        let mut last = known.unwrap_or(first);
        for (number, file) in self.0.range(first..) {
            if *number <= last || (known.is_none() && number - last == 1) {
                last = last.max(*number);
                continue;
            }
            let is_near = number - last <= MAX_MISSING;
            let found = if is_near { contents(file, limit) } else { Err(Refused::NotQueue.into()) };
            let _contents = found.at(dir.path_of(&name_of(*number)).display())?;
        }
        Ok(())
    }

    /// Whether this may be the number of the last file, some of which may be missing.
    pub(super) fn may_reach(&self, number: u64) -> bool {
        number.saturating_sub(self.behind_last()) <= MAX_MISSING
    }

    /// Returns the number of the next file.
    pub(super) fn behind_last(&self) -> u64 {
        let has_some = |number: u64| number.saturating_add(u64::from(self.len(number) > 0));
        self.last().map_or(0, has_some)
    }

    /// Returns a second handle of a file.
    pub(super) fn share(&self, number: u64) -> io::Result<Option<File>> {
        self.0.get(&number).map(File::try_clone).transpose()
    }

    pub(super) fn first(&self) -> Option<u64> {
        self.0.first_key_value().map(|(number, _)| *number)
    }

    pub(super) fn last(&self) -> Option<u64> {
        self.0.last_key_value().map(|(number, _)| *number)
    }

    /// Returns the length of a file; 0 if it does not exist.
    pub(super) fn len(&self, number: u64) -> u64 {
        let metadata = self.0.get(&number).and_then(|file| file.metadata().ok());
        metadata.map_or(0, |metadata| metadata.len())
    }

    /// Removes the files before `number`.
    pub(super) fn remove_before(&mut self, number: u64, dir: &PrivateDir) -> io::Result<()> {
        let left = self.0.split_off(&number);
        for number in std::mem::replace(&mut self.0, left).into_keys() {
            dir.remove_file(&name_of(number))?;
        }
        Ok(())
    }

    /// Truncates a file at a position.
    pub(super) fn cut(&self, place: Place) -> io::Result<()> {
        match self.0.get(&place.file) {
            Some(file) if file.metadata()?.len() > place.offset => file.set_len(place.offset),
            _ => Ok(()),
        }
    }

    /// Takes the file to write to, which is created if it does not exist.
    pub(super) fn take_writer(&mut self, number: u64, dir: &PrivateDir) -> io::Result<File> {
        self.0.remove(&number).map_or_else(|| dir.create_file(&name_of(number)), Ok)
    }

    /// Returns the other files with their numbers, in order.
    pub(super) fn into_iter(self) -> impl Iterator<Item = (u64, File)> {
        self.0.into_iter()
    }
}

/// Opens and locks the directory of a queue.
pub(super) fn open_locked(dir: &Path) -> Result<PrivateDir, Stop> {
    let subject = dir.display();
    let dir = PrivateDir::open(dir).at(&subject)?;
    match dir.as_file().try_lock() {
        Ok(()) => Ok(dir),
        Err(TryLockError::WouldBlock) => {
            Err(Stop::failed(format_args!("{subject}: in use by another process")))
        }
        Err(TryLockError::Error(error)) => Err(error).at(&subject),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    use std::path::Path;

    use heka_core::report::{Status, Stop};

    use crate::queue::{Limits, Queue};

    const LIMITS: Limits = Limits { size: 10_000, file_size: 1000, message_size: 65_536 };

    fn refusal(dir: &Path) -> String {
        match Queue::open(dir, LIMITS) {
            Err(Stop::Error { status: Status::Usage, text }) => {
                text.strip_prefix(dir.to_str().unwrap()).unwrap().to_owned()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_queue_is_for_us_alone() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("queue");
        drop(Queue::open(&dir, LIMITS).unwrap());
        // Created by an older version.
        std::fs::write(dir.join("1.log"), "").unwrap();
        drop(Queue::open(&dir, LIMITS).unwrap());
        assert_eq!(dir.metadata().unwrap().mode() & 0o7777, 0o700);
        let files: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap()).collect();
        assert!(files.len() >= 4, "{files:?}");
        for file in files {
            assert_eq!(file.metadata().unwrap().mode() & 0o7777, 0o600, "{file:?}");
        }
    }

    #[test]
    fn what_somebody_else_prepared_is_refused_and_nothing_is_overwritten() {
        for name in ["0.log", "7.log", "end", "cursor"] {
            let folder = tempfile::tempdir().unwrap();
            let (dir, victim) = (folder.path().join("queue"), folder.path().join("victim"));
            std::fs::create_dir(&dir).unwrap();
            std::fs::write(&victim, "precious\n").unwrap();
            symlink("../victim", dir.join(name)).unwrap();
            assert_eq!(refusal(&dir), format!("/{name}: symbolic link"));
            std::fs::remove_file(dir.join(name)).unwrap();
            // The user's own file is just as valuable.
            std::fs::rename(&victim, dir.join(name)).unwrap();
            assert_eq!(refusal(&dir), format!("/{name}: not a file of a queue"));
            assert_eq!(std::fs::read(dir.join(name)).unwrap(), b"precious\n");
            std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o777)).unwrap();
            assert_eq!(refusal(&dir), ": writable by other users (chmod go-w)");
        }
    }

    #[test]
    fn a_queue_of_a_later_version_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        drop(Queue::open(dir.path(), LIMITS).unwrap());
        let path = dir.path().join("cursor");
        let later = std::fs::read_to_string(&path).unwrap().replacen('2', "3", 1);
        std::fs::write(&path, &later).unwrap();
        assert_eq!(refusal(dir.path()), "/cursor: written by a later version");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), later);
    }
}
