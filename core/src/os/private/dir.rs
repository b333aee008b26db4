// SPDX-License-Identifier: MIT OR Apache-2.0
//! A directory of files that only this user may change.
//!
//! All operations use one descriptor of the directory, so that it stays the one that was checked,
//! whatever happens to its name.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::{DIR_MODE, FILE_MODE, check, check_owner};
use crate::report::Refused;

/// A directory that others cannot write to.
#[derive(Debug)]
pub struct PrivateDir {
    path: PathBuf,
    dir: File,
}

impl PrivateDir {
    /// Opens the directory at `path`. If it does not exist, it is created, including its parents,
    /// with access only for this user.
    ///
    /// # Errors
    /// Any I/O error, or [`Refused`].
    pub fn open(path: &Path) -> io::Result<Self> {
        match make(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                std::fs::create_dir_all(path.parent().unwrap_or(path))?;
                make(path)?;
            }
            made => made?,
        }
        let link = std::fs::symlink_metadata(path)?;
        if link.is_symlink() {
            check_owner(link.uid())?;
        }
        let dir = File::open(path)?;
        let metadata = dir.metadata()?;
        if !metadata.is_dir() {
            return Err(ErrorKind::NotADirectory.into());
        }
        check(&metadata)?;
        Ok(Self { path: path.to_owned(), dir })
    }

    /// Returns the name for messages.
    pub fn display(&self) -> std::path::Display<'_> {
        self.path.display()
    }

    /// Returns the path of a file in the directory, for messages.
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Returns the directory itself, for locking or syncing.
    pub fn as_file(&self) -> &File {
        &self.dir
    }

    /// Returns the names of the directory's entries.
    ///
    /// # Errors
    /// Any I/O error.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut dir = Dir::openat(&self.dir, ".", flags, Mode::empty())?;
        let mut names = Vec::new();
        for entry in dir.iter() {
            names.push(std::ffi::OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned());
        }
        Ok(names)
    }

    /// Opens a file of the directory for reading and writing. A file that others can read, as older
    /// versions created, is made private.
    ///
    /// # Errors
    /// Any I/O error, or [`Refused`].
    pub fn open_file(&self, name: &str) -> io::Result<File> {
        // Opening something other than a regular file must not block before it is rejected.
        let file = self.open_with(name, OFlag::O_RDWR | OFlag::O_NONBLOCK)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(Refused::Kind.into());
        }
        check_owner(metadata.uid())?;
        if metadata.nlink() > 1 {
            return Err(Refused::Shared.into());
        }
        if metadata.mode() & 0o7777 & !FILE_MODE != 0 {
            file.set_permissions(Permissions::from_mode(FILE_MODE))?;
        }
        Ok(file)
    }

    /// Creates a file that must not exist.
    ///
    /// # Errors
    /// Any I/O error.
    pub fn create_file(&self, name: &str) -> io::Result<File> {
        self.open_with(name, OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL)
    }

    /// Opens a file, or creates it if it does not exist.
    ///
    /// # Errors
    /// Any I/O error, or [`Refused`].
    pub fn open_or_create_file(&self, name: &str) -> io::Result<File> {
        match self.open_file(name) {
            Err(error) if error.kind() == ErrorKind::NotFound => self.create_file(name),
            opened => opened,
        }
    }

    fn open_with(&self, name: &str, flags: OFlag) -> io::Result<File> {
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
        match openat(&self.dir, name, flags, Mode::from_bits_truncate(FILE_MODE)) {
            Err(nix::Error::ELOOP) => Err(Refused::Link.into()),
            Err(nix::Error::EISDIR | nix::Error::ENXIO) => Err(Refused::Kind.into()),
            opened => Ok(opened?.into()),
        }
    }

    /// Replaces a file atomically: temporary file, fsync, rename, fsync of the directory.
    ///
    /// # Errors
    /// Any I/O error; the file is unchanged then.
    pub fn replace_file(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let temporary = format!("{name}.new");
        match self.remove_file(&temporary) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = self.create_file(&temporary)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        renameat(&self.dir, temporary.as_str(), &self.dir, name)?;
        self.dir.sync_all()
    }

    /// Removes a file.
    ///
    /// # Errors
    /// Any I/O error.
    pub fn remove_file(&self, name: &str) -> io::Result<()> {
        Ok(unlinkat(&self.dir, name, UnlinkatFlags::NoRemoveDir)?)
    }
}

/// Creates a private directory, unless the path exists.
fn make(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(DIR_MODE).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn why<T: std::fmt::Debug>(result: io::Result<T>) -> String {
        result.unwrap_err().to_string()
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn what_is_made_is_for_us_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let dir = PrivateDir::open(&path).unwrap();
        drop(dir.create_file("file").unwrap());
        dir.replace_file("other", b"text").unwrap();
        assert_eq!((mode(&path), mode(&path.join("file"))), (0o700, 0o600));
        assert_eq!(mode(&path.join("other")), 0o600);
        assert_eq!(dir.create_file("file").unwrap_err().kind(), ErrorKind::AlreadyExists);
        let mut names = dir.names().unwrap();
        names.sort();
        assert_eq!(names, [".", "..", "file", "other"]);
    }

    #[test]
    fn what_an_old_version_made_is_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "text").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o664)).unwrap();
        drop(PrivateDir::open(folder.path()).unwrap().open_file("file").unwrap());
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn directories_that_others_can_write_to_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o777, 0o1777, 0o770, 0o702] {
            std::fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            let error = PrivateDir::open(folder.path()).unwrap_err();
            assert!(error.get_ref().unwrap().is::<Refused>(), "{mode:o}: {error}");
        }
        let path = folder.path().join("file");
        std::fs::write(&path, "text").unwrap();
        assert_eq!(PrivateDir::open(&path).unwrap_err().kind(), ErrorKind::NotADirectory);
    }

    #[test]
    fn nothing_in_the_place_of_a_file_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        let path = folder.path().join("dir");
        let dir = PrivateDir::open(&path).unwrap();
        symlink(&victim, path.join("link")).unwrap();
        symlink(folder.path().join("new"), path.join("dangling")).unwrap();
        symlink(&victim, path.join("replaced.new")).unwrap();
        std::fs::hard_link(&victim, path.join("hard")).unwrap();
        std::fs::create_dir(path.join("folder")).unwrap();
        nix::unistd::mkfifo(&path.join("pipe"), Mode::S_IRWXU).unwrap();
        for name in ["link", "dangling"] {
            assert_eq!(why(dir.open_or_create_file(name)), "symbolic link");
            assert!(dir.create_file(name).is_err());
        }
        assert_eq!(why(dir.open_file("hard")), "hard link to another file");
        assert_eq!(why(dir.open_file("folder")), "not a regular file");
        assert_eq!(why(dir.open_file("pipe")), "not a regular file");
        dir.replace_file("replaced", b"text").unwrap();
        assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
        assert!(!folder.path().join("new").exists());
    }
}
