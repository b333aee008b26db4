// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file to which records are appended: with a mode, reopened on HUP, rotated, synced.
//!
//! A file that has reached its size or age is renamed to `FILE.20060102T150405Z` (the time of the
//! rotation in UTC, followed by `.2`, `.3` … if that name exists), and a new one is started.
//! Periods begin at multiples of their length since 1970-01-01 UTC, so `1d` rotates at midnight
//! UTC.

use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::Ending;
use super::directory::sync_name;
use super::torn_end::{announce_writer, has_writer};
use crate::os::clock;
use crate::report::{self, Explain as _, Stop};

/// Default permissions of a new file before the umask, as in the examples of Heka's `FileOutput`.
const DEFAULT_MODE: u32 = 0o664;

/// When to rotate a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// Before the record that would exceed this size in bytes.
    Size(u64),
    /// At the end of each period.
    Time(Duration),
}

/// The file for records and its rotation.
#[derive(Debug)]
pub struct FileSink {
    path: PathBuf,
    /// The requested mode.
    mode: Option<u32>,
    rotation: Option<Rotation>,
    durable: bool,
    ending: Option<Ending>,
    len: u64,
    period: u128,
    /// Whether the file has been opened before, and may still be open.
    was_open: bool,
}

impl FileSink {
    /// Creates a sink for the file at `path`. A new file gets the permissions `mode`, or the
    /// default ones within the umask; it is rotated as `rotation` says, and synced after each write
    /// if `durable`.
    pub fn new(
        path: PathBuf,
        mode: Option<u32>,
        rotation: Option<Rotation>,
        durable: bool,
    ) -> Self {
        Self { path, mode, rotation, durable, ending: None, len: 0, period: 0, was_open: false }
    }

    /// Returns the name for messages.
    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Whether every write is followed by an fsync, and the directory entry is synced first.
    pub(super) fn is_durable(&self) -> bool {
        self.durable
    }

    /// Opens the file for appending, or creates it.
    pub(super) fn open(&mut self) -> Result<File, Stop> {
        let mut options = OpenOptions::new();
        let options = options.append(true).mode(self.mode.unwrap_or(DEFAULT_MODE));
        let (file, is_new) = match options.clone().create_new(true).open(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                (options.create(true).open(&self.path).at(self.name())?, false)
            }
            opened => (opened.at(self.name())?, true),
        };
        let metadata = file.metadata().at(self.name())?;
        if let Some(mode) = self.mode.filter(|_| is_new) {
            // Exactly the requested mode, whatever the umask.
            file.set_permissions(Permissions::from_mode(mode)).at(self.name())?;
        }
        if self.durable && metadata.is_file() {
            // Even for an existing file: the process that created it may have died before syncing.
            sync_name(&self.path).at(format_args!("{}: its folder", self.name()))?;
        }
        self.len = metadata.len();
        if !std::mem::replace(&mut self.was_open, true) && metadata.is_file() && has_writer(&file) {
            report::warning(format_args!("{}: another process writes to it", self.name()));
        }
        self.mend(&file)?;
        let since = u128::from(metadata.mtime().unsigned_abs()) * 1_000_000_000;
        self.period = self.period_of(if self.len > 0 { since } else { now() });
        Ok(file)
    }

    /// Sets how the end of the file is repaired before records are appended.
    pub(super) fn set_ending(&mut self, ending: Ending) {
        self.ending = Some(ending);
    }

    /// Repairs the end of the file, unless another heka tool is appending to it.
    pub(super) fn mend(&mut self, file: &File) -> Result<(), Stop> {
        if let Some(ending) = self.ending {
            ending.mend(file, &self.name()).at(self.name())?;
            self.len = file.metadata().at(self.name())?.len();
        }
        announce_writer(file);
        Ok(())
    }

    /// Counts written bytes.
    pub(super) fn wrote(&mut self, len: usize) {
        self.len += len as u64;
    }

    /// Whether the file must be rotated before `more` bytes are written. An empty file never has to
    /// be.
    pub(super) fn is_complete(&self, more: usize) -> bool {
        self.len > 0
            && match self.rotation {
                None => false,
                Some(Rotation::Size(size)) => self.len + more as u64 > size,
                Some(Rotation::Time(_)) => self.period_of(now()) != self.period,
            }
    }

    /// Returns the size limit, if there is one, for which record boundaries must be known.
    pub(super) fn limit(&self) -> Option<u64> {
        match self.rotation {
            Some(Rotation::Size(size)) => Some(size.saturating_sub(self.len)),
            _ => None,
        }
    }

    /// Renames the complete file and creates a new one.
    pub(super) fn rotate(&mut self) -> Result<File, Stop> {
        let stamp = Timestamp::from_nanosecond(i128::from(clock::now_ns())).unwrap_or_default();
        let stamp = stamp.strftime("%Y%m%dT%H%M%SZ").to_string();
        let target = free_name(&self.path, &stamp);
        match std::fs::rename(&self.path, &target) {
            // Another process has renamed it already.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            renamed => renamed.at(self.name())?,
        }
        self.open()
    }

    fn period_of(&self, nanoseconds: u128) -> u128 {
        match self.rotation {
            Some(Rotation::Time(period)) => nanoseconds / period.as_nanos(),
            _ => 0,
        }
    }
}

fn now() -> u128 {
    u128::from(clock::now_ns().unsigned_abs())
}

/// Returns `FILE.STAMP`, with a number if that exists.
fn free_name(path: &Path, stamp: &str) -> PathBuf {
    let named = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{stamp}{suffix}"));
        PathBuf::from(name)
    };
    let mut name = named("");
    let mut number = 2u64;
    while name.symlink_metadata().is_ok() {
        name = named(&format!(".{number}"));
        number += 1;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::super::Output;
    use super::*;

    fn open(path: &Path, rotate: Option<Rotation>) -> Output {
        Output::appended(FileSink::new(path.to_owned(), Some(0o640), rotate, false)).unwrap()
    }

    fn written(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
        names.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }

    #[test]
    fn a_new_file_has_the_mode_asked_for_and_an_old_one_is_appended_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        for text in ["one", "two"] {
            let mut out = open(&path, None);
            out.put(text.as_bytes());
            out.end_record().unwrap();
            out.flush().unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "onetwo");
        assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o640);
    }

    #[test]
    fn files_end_before_the_record_that_would_make_them_too_large() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let mut out = open(&path, Some(Rotation::Size(10)));
        for record in ["12345", "1234", "too large for a file", "1", "2"] {
            out.put(record.as_bytes());
            out.end_record().unwrap();
        }
        out.flush().unwrap();
        let mut files = written(folder.path());
        files.sort();
        assert_eq!(files, ["12", "123451234", "too large for a file"]);
    }

    #[test]
    fn a_file_that_was_moved_away_is_begun_anew_on_hup() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let mut out = open(&path, None);
        out.put(b"before");
        out.flush().unwrap();
        std::fs::rename(&path, folder.path().join("out.1")).unwrap();
        out.reopen().unwrap();
        out.put(b"after");
        out.flush().unwrap();
        assert_eq!(written(folder.path()), ["after", "before"]);
    }
}
