// SPDX-License-Identifier: MIT OR Apache-2.0
//! The writer of a checkpoint file.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::OFlag;

use super::Positions;
use super::positions::{MAX_FILE, Parsed};
use crate::os::{Replacement, check_owner_of, is_named, sync_name, target_of};
use crate::report::{Explain as _, Refused, Stop, stats};

/// A checkpoint file that this process maintains.
#[derive(Debug)]
pub struct CheckpointFile {
    /// Its path as given, for messages.
    name: PathBuf,
    /// The path that is replaced, which is not a symbolic link.
    path: PathBuf,
    positions: Positions,
    is_changed: bool,
    /// Sources set since the last save.
    changed: BTreeSet<Arc<str>>,
    /// Number of sources in the file that were removed.
    forgotten: usize,
    /// Size of the file when it was last replaced, and its current size; `None` if it must be
    /// replaced.
    size: Option<(u64, u64)>,
    /// The file at `path`, which holds the lock.
    locked: File,
}

/// A file with more sources is appended to instead of being replaced each time.
const MANY: usize = 64;
/// The file is replaced after this many bytes have been appended beyond its own size.
const ADDED: u64 = 64 << 10;

impl CheckpointFile {
    /// Locks the file at `name` for writing, creates it if it does not exist, and reads it.
    ///
    /// # Errors
    /// `PATH: in use by another process`, or `PATH: CAUSE`, status 1; status 2 if it is not a
    /// checkpoint file, or belongs to another user, who decides what it says.
    pub fn open(name: &Path) -> Result<Self, Stop> {
        let shown = name.display();
        // A symlink is kept: its target is replaced.
        let path = target_of(name).at(&shown)?;
        loop {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
            let file = options.custom_flags(flags.bits()).open(&path).at(&shown)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(Stop::failed(format_args!("{shown}: in use by another process")));
                }
                Err(TryLockError::Error(error)) => return Err(error).at(&shown),
            }
            if is_named(&file, &path) {
                check_owner_of(&file).at(&shown)?;
                let found = Parsed::read(&file).at(&shown)?;
                if found.has_later() {
                    // The lines of the later version would be lost.
                    return Err(io::Error::from(Refused::Later)).at(&shown);
                }
                let positions = found.warn(name);
                return Ok(Self {
                    name: name.to_owned(),
                    path,
                    positions,
                    is_changed: false,
                    changed: BTreeSet::new(),
                    forgotten: 0,
                    size: None,
                    locked: file,
                });
            }
            // The writer replaced the file between open and lock: use the new file.
        }
    }

    /// Returns the path as given, for messages.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// Returns all current positions.
    pub fn positions(&self) -> &Positions {
        &self.positions
    }

    /// Returns the position of a source.
    pub fn get(&self, source: &str) -> Option<&[u8]> {
        self.positions.get(source)
    }

    /// Sets the position of a source; [`CheckpointFile::save`] stores it.
    pub fn set(&mut self, source: &str, position: &[u8]) {
        let known = self.positions.0.get_key_value(source);
        if known.is_some_and(|(_, known)| **known == *position) {
            return;
        }
        self.is_changed = true;
        let source = known.map_or_else(|| source.into(), |(source, _)| Arc::clone(source));
        if !self.changed.contains(&source) {
            self.changed.insert(Arc::clone(&source));
        }
        match self.positions.0.get_mut(&source) {
            Some(known) if known.len() == position.len() => known.copy_from_slice(position),
            _ => drop(self.positions.0.insert(source, position.into())),
        }
    }

    /// Removes a source; [`CheckpointFile::save`] removes it from the file when there are many.
    pub fn remove(&mut self, source: &str) {
        if self.positions.0.remove(source).is_some() {
            self.changed.remove(source);
            self.is_changed = true;
            self.forgotten += 1;
        }
    }

    /// Whether there are changes to save.
    pub fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// Stores the positions, if any has changed. They survive a crash of the system afterwards.
    ///
    /// # Errors
    /// Any I/O error. The file is unchanged then, and a later call tries again.
    pub fn save(&mut self) -> io::Result<()> {
        if !self.is_changed {
            return Ok(());
        }
        stats::blocked_while(stats::On::Disk, || self.save_changes())
    }

    fn save_changes(&mut self) -> io::Result<()> {
        if self.append()? {
            self.is_changed = false;
            return Ok(());
        }
        // Whatever happens, nothing must be appended to the old file.
        self.size = None;
        self.locked = self.replace()?;
        match sync_name(&self.path) {
            // A directory may be writable but not readable: sync its whole file system instead.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                nix::unistd::syncfs(&self.locked)?;
            }
            synced => synced?,
        }
        let size = self.locked.metadata()?.len();
        self.size = Some((size, size));
        self.changed.clear();
        self.forgotten = 0;
        self.is_changed = false;
        Ok(())
    }

    /// Appends the changes to the file, if it is large and they are few; of several lines for a
    /// source the last one counts.
    fn append(&mut self) -> io::Result<bool> {
        let Some((replaced, size)) = self.size else { return Ok(false) };
        let sources = self.positions.0.len();
        if sources <= MANY || self.forgotten > sources / 4 || !is_named(&self.locked, &self.path) {
            return Ok(false);
        }
        let (most, mut added) = ((2 * replaced + ADDED).min(MAX_FILE), size);
        // After an incomplete line, the file is replaced rather than appended to.
        self.size = None;
        self.positions.put_lines(self.changed.iter(), |text| {
            let at = added;
            added += text.len() as u64;
            if added > most { Ok(()) } else { self.locked.write_all_at(text, at) }
        })?;
        if added > most {
            return Ok(false);
        }
        if added > size {
            self.locked.sync_data()?;
        }
        self.size = Some((replaced, added));
        self.changed.clear();
        Ok(true)
    }

    /// Replaces the file. The lock moves to the new file, which must be held from then on, whatever
    /// follows.
    fn replace(&self) -> io::Result<File> {
        let new = Replacement::new(&self.path, 0)?;
        new.file().lock()?;
        let mut len = 0;
        self.positions.put(|text| {
            len += text.len() as u64;
            if len > MAX_FILE {
                // The file would be too large to read.
                return Err(Refused::TooLarge.into());
            }
            new.file().write_all(text)
        })?;
        new.replace()
    }

    /// Whether the file at `path` is this one.
    pub fn is_at(&self, path: &Path) -> bool {
        is_named(&self.locked, path)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn scratch() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.pos");
        (dir, path)
    }

    #[test]
    fn what_was_saved_is_read() {
        let (_dir, path) = scratch();
        let mut file = CheckpointFile::open(&path).unwrap();
        file.set("/var/log/app.log", &[0, 1, 0xff]);
        file.set("ticks", "12 €".as_bytes());
        file.save().unwrap();
        let inode = std::fs::metadata(&path).unwrap().ino();
        file.set("ticks", "12 €".as_bytes());
        file.save().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().ino(), inode, "not written without need");
        let positions = Positions::read(&path).unwrap();
        assert_eq!(&positions, file.positions());
        assert_eq!(positions.get("/var/log/app.log"), Some(&[0, 1, 0xff][..]));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(r#""position":"12 €""#), "{text}");
        assert!(!path.with_extension("pos.new").exists());
    }

    #[test]
    fn there_is_one_writer_also_after_a_replacement() {
        let (_dir, path) = scratch();
        let mut file = CheckpointFile::open(&path).unwrap();
        assert!(CheckpointFile::open(&path).is_err());
        file.set("a", b"1");
        file.save().unwrap();
        let Err(Stop::Error { text, .. }) = CheckpointFile::open(&path) else {
            panic!("two writers")
        };
        assert!(text.ends_with("app.pos: in use by another process"), "{text}");
        assert_eq!(Positions::read(&path).unwrap().get("a"), Some(&b"1"[..]));
        drop(file);
        assert!(CheckpointFile::open(&path).is_ok());
    }

    #[test]
    fn damaged_lines_cost_only_themselves() {
        let (_dir, path) = scratch();
        std::fs::write(
            &path,
            "{\"version\":1,\"source\":\"a\",\"position\":\"1\",\"more\":[]}\nrubbish\n\n\
             {\"version\":9,\"source\":\"b\",\"position\":\"1\"}\n{\"source\":\"c\"}\n\
             {\"source\":\"d\",\"position\":\"2\"}",
        )
        .unwrap();
        let positions = Positions::read(&path).unwrap();
        let sources: Vec<_> = positions.iter().map(|(source, _)| source).collect();
        assert_eq!(sources, ["a", "d"]);
    }

    #[test]
    fn a_failed_save_leaves_the_file_and_is_tried_again() {
        let (dir, path) = scratch();
        let mut file = CheckpointFile::open(&path).unwrap();
        file.set("a", b"1");
        file.save().unwrap();
        // A directory with the name of the temporary file: even root cannot write to it.
        let blocker = dir.path().join("app.pos.new");
        std::fs::create_dir(&blocker).unwrap();
        file.set("a", b"2");
        assert!(file.save().is_err());
        assert_eq!(Positions::read(&path).unwrap().get("a"), Some(&b"1"[..]));
        std::fs::remove_dir(&blocker).unwrap();
        file.save().unwrap();
        assert_eq!(Positions::read(&path).unwrap().get("a"), Some(&b"2"[..]));
    }

    #[test]
    fn what_stands_in_the_way_is_not_written_to() {
        let (dir, path) = scratch();
        let far = dir.path().join("far");
        std::fs::write(&far, "precious").unwrap();
        std::os::unix::fs::symlink(&far, dir.path().join("app.pos.new")).unwrap();
        let mut file = CheckpointFile::open(&path).unwrap();
        file.set("a", b"1");
        file.save().unwrap();
        assert_eq!(std::fs::read(far).unwrap(), b"precious");
        assert_eq!(Positions::read(&path).unwrap().get("a"), Some(&b"1"[..]));
    }

    #[test]
    fn a_large_file_is_added_to_and_replaced_now_and_then() {
        let (_dir, path) = scratch();
        let mut file = CheckpointFile::open(&path).unwrap();
        for number in 0..1000 {
            file.set(&format!("source {number}"), b"0");
        }
        file.save().unwrap();
        let stat = || std::fs::metadata(&path).unwrap();
        let (inode, size) = (stat().ino(), stat().len());
        file.set("source 7", b"1");
        file.remove("source 9");
        file.save().unwrap();
        assert_eq!(stat().ino(), inode);
        assert!((size + 1..size + 200).contains(&stat().len()));
        assert_eq!(Positions::read(&path).unwrap().get("source 7"), Some(&b"1"[..]));
        // An incomplete line costs only itself.
        let whole = std::fs::read(&path).unwrap();
        let torn = path.with_extension("torn");
        std::fs::write(&torn, whole.get(..whole.len() - 9).unwrap()).unwrap();
        assert_eq!(Positions::read(&torn).unwrap().get("source 7"), Some(&b"0"[..]));
        // In the end the file may have the inode of the first one again.
        let mut is_replaced = false;
        for round in 0..50u32 {
            for number in 0..100 {
                file.set(&format!("source 7{number:02}"), &round.to_be_bytes());
            }
            file.set("source 7", &round.to_be_bytes());
            file.save().unwrap();
            is_replaced |= stat().ino() != inode;
        }
        assert!(is_replaced);
        assert!(stat().len() < 3 * size + 2 * ADDED);
        let positions = Positions::read(&path).unwrap();
        assert_eq!(positions.get("source 7"), Some(&49u32.to_be_bytes()[..]));
        assert_eq!(positions.get("source 9"), None);
        // Another file with this name is replaced.
        std::fs::remove_file(&path).unwrap();
        file.set("source 7", b"x");
        file.save().unwrap();
        assert_eq!(Positions::read(&path).unwrap().iter().count(), 999);
    }

    fn refusal(path: &Path) -> String {
        match CheckpointFile::open(path) {
            Err(Stop::Error { status: crate::report::Status::Usage, text }) => {
                text.strip_prefix(path.to_str().unwrap()).unwrap().to_owned()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_of_somebody_else_is_left_alone() {
        let (_dir, path) = scratch();
        for text in ["important\n", "{\"a\":1}\n", "\0", "[]"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(refusal(&path), ": not a checkpoint file");
            assert!(Positions::read(&path).is_err());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        File::create(&path).unwrap().set_len(MAX_FILE + 1).unwrap();
        assert_eq!(refusal(&path), ": too large");
    }

    #[test]
    fn positions_of_a_later_version_are_left_alone() {
        let (_dir, path) = scratch();
        let text = "{\"version\":1,\"source\":\"a\",\"position\":\"1\"}\n\
                    {\"version\":2,\"source\":\"b\",\"place\":[1]}\n";
        std::fs::write(&path, text).unwrap();
        assert_eq!(refusal(&path), ": written by a later version");
        assert_eq!(Positions::read(&path).unwrap().get("a"), Some(&b"1"[..]));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }

    #[test]
    fn a_new_file_is_told_from_one_that_lost_what_it_had() {
        let (_dir, path) = scratch();
        let is_emptied = || Parsed::read(&File::open(&path).unwrap()).unwrap().is_emptied;
        drop(CheckpointFile::open(&path).unwrap());
        assert!(!is_emptied());
        let emptied = File::create(&path).unwrap();
        let modified = emptied.metadata().unwrap().modified().unwrap();
        emptied.set_modified(modified + std::time::Duration::from_secs(1)).unwrap();
        assert!(is_emptied());
    }

    #[test]
    fn a_link_that_leads_to_nothing_yet_stays() {
        let (dir, path) = scratch();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("app.pos", &link).unwrap();
        let mut file = CheckpointFile::open(&link).unwrap();
        file.set("a", b"1");
        file.save().unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(Positions::read(&path).unwrap().get("a"), Some(&b"1"[..]));
        assert!(file.is_at(&link) && !file.is_at(dir.path()));
    }
}
