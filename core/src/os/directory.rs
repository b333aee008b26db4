// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names of files that outlive a crash of the machine.

use std::fs::File;
use std::io;
use std::path::Path;

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
