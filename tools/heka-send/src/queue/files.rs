// SPDX-License-Identifier: MIT OR Apache-2.0
//! The files of a queue: their names, and how much of one is whole records.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::{BLOCK, Place};
use heka_core::os::PrivateDir;
use heka_core::record::{Found, More, Progress, Splitter};
use heka_core::report::{Explain as _, Refused, Stop};

/// More than one line of `cursor` or `end` is long.
pub(super) const MAX_LINE: u64 = 4096;

/// Where the last whole record of a file ends, looking from `start` on.
pub(super) fn whole_records(file: &File, start: u64, limit: usize) -> io::Result<u64> {
    let splitter = Splitter::frames(limit);
    let mut progress = Progress::at(start);
    let mut buffer = Vec::new();
    let mut end = start;
    let mut offset = start;
    loop {
        let kept = buffer.len();
        buffer.resize(kept + BLOCK, 0);
        let len = file.read_at(buffer.get_mut(kept..).unwrap_or_default(), offset)?;
        buffer.truncate(kept + len);
        offset += len as u64;
        let more = if len == 0 { More::Ended } else { More::Coming };
        let mut records = splitter.records(&buffer, &mut progress, more);
        for found in records.by_ref() {
            if let Found::Frame(frame) = found {
                end = frame.offset + frame.bytes.len() as u64;
            }
        }
        let done = records.done();
        buffer.drain(..done);
        if len == 0 {
            return Ok(end);
        }
    }
}

/// The name of the file of that number.
pub(super) fn name_of(file: u64) -> String {
    format!("{file}.log")
}

/// The files of a queue that are there, open.
#[derive(Debug)]
pub(super) struct Files(BTreeMap<u64, File>);

impl Files {
    /// Opens all of them.
    pub(super) fn open(dir: &PrivateDir) -> Result<Self, Stop> {
        let mut files = BTreeMap::new();
        for name in dir.names().at(dir.display())? {
            let Some(name) = name.to_str() else { continue };
            let number = name.strip_suffix(".log").and_then(|number| number.parse().ok());
            if let Some(number) = number.filter(|number| name_of(*number) == name) {
                files.insert(number, dir.open_file(name).at(dir.path_of(name).display())?);
            }
        }
        Ok(Self(files))
    }

    /// Whether they are files of a queue, which nothing else says: what is no message would be cut
    /// off.
    ///
    /// # Errors
    /// [`Refused::NotQueue`].
    pub(super) fn check(&self, dir: &PrivateDir, limit: usize) -> Result<(), Stop> {
        for (number, file) in &self.0 {
            let path = dir.path_of(&name_of(*number));
            let is_empty = file.metadata().at(path.display())?.len() == 0;
            if !is_empty && whole_records(file, 0, limit).at(path.display())? == 0 {
                return Err(io::Error::from(Refused::NotQueue)).at(path.display());
            }
        }
        Ok(())
    }

    pub(super) fn first(&self) -> Option<u64> {
        self.0.first_key_value().map(|(number, _)| *number)
    }

    pub(super) fn last(&self) -> Option<u64> {
        self.0.last_key_value().map(|(number, _)| *number)
    }

    /// How long one is; 0 if it is not there.
    pub(super) fn len(&self, number: u64) -> u64 {
        let metadata = self.0.get(&number).and_then(|file| file.metadata().ok());
        metadata.map_or(0, |metadata| metadata.len())
    }

    /// Removes those that are done with.
    pub(super) fn remove_before(&mut self, number: u64, dir: &PrivateDir) -> io::Result<()> {
        let left = self.0.split_off(&number);
        for number in std::mem::replace(&mut self.0, left).into_keys() {
            dir.remove_file(&name_of(number))?;
        }
        Ok(())
    }

    /// Cuts off what stands behind a place in its file.
    pub(super) fn cut(&self, place: Place) -> io::Result<()> {
        match self.0.get(&place.file) {
            Some(file) if file.metadata()?.len() > place.offset => file.set_len(place.offset),
            _ => Ok(()),
        }
    }

    /// Takes out the file that is written to; it is made if it is not there.
    pub(super) fn take_writer(&mut self, number: u64, dir: &PrivateDir) -> io::Result<File> {
        self.0.remove(&number).map_or_else(|| dir.create_file(&name_of(number)), Ok)
    }

    /// The others and their numbers, in order.
    pub(super) fn into_iter(self) -> impl Iterator<Item = (u64, File)> {
        self.0.into_iter()
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
        // One that an older version made.
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
            // The user's own file is as dear.
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
        let later = std::fs::read_to_string(&path).unwrap().replacen('1', "2", 1);
        std::fs::write(&path, &later).unwrap();
        assert_eq!(refusal(dir.path()), "/cursor: written by a later version");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), later);
    }
}
