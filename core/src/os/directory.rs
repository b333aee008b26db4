// SPDX-License-Identifier: MIT OR Apache-2.0
//! Durable file names, and reading of whole files.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use nix::sys::stat::{FileStat, SFlag};

use crate::report::Refused;

/// Syncs the directory entry of the file at `path`: a new or renamed file may disappear in a crash
/// even if its contents were synced. Symbolic links are followed to the directory of the file
/// itself.
///
/// # Errors
/// Any I/O error, including a directory that may not be read.
pub fn sync_name(path: &Path) -> io::Result<()> {
    let path = path.canonicalize()?;
    File::open(path.parent().unwrap_or(&path))?.sync_all()
}

/// Reads a file of at most `limit` bytes: a mistaken name must not exhaust memory.
///
/// # Errors
/// Any I/O error, or [`Refused::TooLarge`].
pub fn read_file(file: &File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(Refused::TooLarge.into()) } else { Ok(bytes) }
}

/// Whether both are the same regular file.
pub(super) fn is_same_file(one: &FileStat, other: &FileStat) -> bool {
    SFlag::from_bits_truncate(one.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG
        && (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}
