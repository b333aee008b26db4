// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file that is written under a temporary name and then replaces another atomically.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use super::check_owner;

/// Maximum number of symbolic links, as in Linux.
const MAX_LINKS: usize = 40;

/// The new file. Unless it replaces the old one, it is removed.
#[derive(Debug)]
pub struct Replacement {
    path: PathBuf,
    temporary: PathBuf,
    file: File,
}

impl Replacement {
    /// Creates the new file for `path`, with the permissions and owner of the old one, or otherwise
    /// with `mode` within the umask.
    ///
    /// # Errors
    /// Any I/O error, or [`Refused`](crate::report::Refused).
    pub fn new(path: &Path, mode: u32) -> io::Result<Self> {
        let path = target_of(path)?;
        let mut temporary = path.clone().into_os_string();
        temporary.push(".new");
        let temporary = PathBuf::from(temporary);
        // Never write to an existing file: a link may lead anywhere.
        match std::fs::remove_file(&temporary) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let old = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file);
        let first_mode = if old.is_some() { super::FILE_MODE } else { mode };
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(first_mode);
        let new = Self { path, file: file.open(&temporary)?, temporary };
        if let Some(old) = old {
            // Only root can change the owner; other users only need to be able to write the file.
            let _ = fchown(&new.file, Some(old.uid()), Some(old.gid()));
            new.file.set_permissions(Permissions::from_mode(old.mode() & 0o7777))?;
        }
        Ok(new)
    }

    /// Returns the new file, for writing.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Syncs the contents and replaces the old file.
    ///
    /// # Errors
    /// Any I/O error; the old file is unchanged then.
    pub fn replace(self) -> io::Result<File> {
        self.file.sync_all()?;
        self.swap()?;
        self.file.try_clone()
    }

    /// Replaces the old file without syncing, for contents that are soon replaced again.
    ///
    /// # Errors
    /// Any I/O error; the old file is unchanged then.
    pub fn swap(&self) -> io::Result<()> {
        std::fs::rename(&self.temporary, &self.path)
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // It no longer exists if it has replaced the old file.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

/// Whether the open file is still the one at `path`.
pub fn is_named(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

/// Resolves a path that may be a symbolic link to the file to open or create.
///
/// # Errors
/// Any I/O error; `Refused` if a link belongs to another user, who may change it later.
pub fn target_of(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match std::fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_symlink() => {
                check_owner(metadata.uid())?;
                let target = std::fs::read_link(&path)?;
                path.pop();
                path.push(target);
            }
            Ok(_) => return std::fs::canonicalize(path),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(path),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::from(nix::Error::ELOOP))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::symlink;

    use super::*;

    fn put(path: &Path, text: &str) -> io::Result<()> {
        let new = Replacement::new(path, 0o600)?;
        new.file().write_all(text.as_bytes())?;
        new.replace().map(drop)
    }

    #[test]
    fn links_stay_and_what_they_lead_to_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("sub/real"), folder.path().join("link"));
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        symlink("second", &link).unwrap();
        symlink("sub/real", folder.path().join("second")).unwrap();
        put(&link, "first").unwrap();
        assert_eq!(std::fs::read(&real).unwrap(), b"first");
        assert_eq!(real.metadata().unwrap().mode() & 0o7777, 0o600);
        std::fs::set_permissions(&real, Permissions::from_mode(0o640)).unwrap();
        put(&link, "next").unwrap();
        assert_eq!(std::fs::read(&link).unwrap(), b"next");
        assert_eq!(real.metadata().unwrap().mode() & 0o7777, 0o640);
        assert!(link.symlink_metadata().unwrap().is_symlink());
        symlink("loop", folder.path().join("loop")).unwrap();
        assert!(put(&folder.path().join("loop"), "never").is_err());
    }

    #[test]
    fn what_is_in_the_way_is_not_written_to_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let (path, victim) = (folder.path().join("file"), folder.path().join("victim"));
        std::fs::write(&victim, "precious").unwrap();
        symlink(&victim, folder.path().join("file.new")).unwrap();
        drop(Replacement::new(&path, 0o666).unwrap());
        assert!(!path.exists() && !folder.path().join("file.new").exists());
        put(&path, "new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
    }
}
