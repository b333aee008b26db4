// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whole files, and names of files that outlive a crash of the machine.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use nix::sys::stat::{FileStat, SFlag};

use crate::report::Refused;

/// Waits until the disk has the name of the file at `path`: one that is new, or was renamed, may
/// be gone after a crash though its contents were synchronized. Behind symbolic links it is the
/// folder of the file itself that counts.
///
/// # Errors
/// The system's; a folder that may not be read among them.
pub fn sync_name(path: &Path) -> io::Result<()> {
    let path = path.canonicalize()?;
    File::open(path.parent().unwrap_or(&path))?.sync_all()
}

/// Reads a file of at most `limit` bytes: a mistaken name must not fill the memory.
///
/// # Errors
/// The system's, or [`Refused::TooLarge`].
pub fn read_file(file: &File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(Refused::TooLarge.into()) } else { Ok(bytes) }
}

/// Whether both are one regular file.
pub(super) fn is_same_file(one: &FileStat, other: &FileStat) -> bool {
    SFlag::from_bits_truncate(one.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG
        && (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}
