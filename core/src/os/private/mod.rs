// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files and directories that only this user may change: checks of ownership, and safe opening and
//! creation where others may have put something in their place.

mod dir;
mod replacement;
mod secret;

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;

pub use dir::PrivateDir;
pub use replacement::{Replacement, is_named, target_of};
pub use secret::{Exposed, SecretBytes, append_secret, read_secret};

use crate::report::Refused;

/// Mode of files with messages, positions or secrets.
const FILE_MODE: u32 = 0o600;
/// Mode of directories with such files.
const DIR_MODE: u32 = 0o700;

const WRITABLE: u32 = 0o022;

/// Checks that nobody but this user and root can change a file.
fn check(metadata: &Metadata) -> Result<(), Refused> {
    check_owner(metadata.uid())?;
    if metadata.mode() & WRITABLE == 0 { Ok(()) } else { Err(Refused::Writable) }
}

/// Checks that a file belongs to this user or root.
///
/// # Errors
/// Any I/O error; [`Refused::Owner`].
pub fn check_owner_of(file: &File) -> io::Result<()> {
    Ok(check_owner(file.metadata()?.uid())?)
}

fn check_owner(owner: u32) -> Result<(), Refused> {
    let is_trusted = owner == 0 || owner == nix::unistd::geteuid().as_raw();
    if is_trusted { Ok(()) } else { Err(Refused::Owner) }
}
