// SPDX-License-Identifier: MIT OR Apache-2.0
//! How far a file has been read, in a form that outlives renames, copies and restarts.

use sha1::{Digest as _, Sha1};

use super::identity::Identity;

/// How many bytes before a position vouch for it (as in Heka's journals).
pub const WINDOW: usize = 500;

/// How far one file has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FilePosition {
    /// Which file.
    pub identity: Identity,
    /// Names the contents: goes along into copies, changes when a file is truncated.
    pub generation: u64,
    /// Bytes used up.
    pub offset: u64,
    /// Of the bytes before `offset`: see [`window_hash`].
    pub hash: u64,
    /// When the file was last written, as of this position; nanoseconds since 1970.
    pub modified: u64,
}

/// The first eight bytes of a SHA-1 over the last [`WINDOW`] bytes of `before`, with zeros in
/// front if there are fewer: the start of a Heka journal's `last_hash`.
pub fn window_hash(before: &[u8]) -> u64 {
    let window = &before[before.len().saturating_sub(WINDOW)..];
    let mut sha1 = Sha1::new();
    sha1.update(&[0; WINDOW][window.len()..]);
    sha1.update(window);
    first_eight(&sha1.finalize())
}

/// The generation of a file that is read for the first time.
pub fn first_generation(identity: Identity) -> u64 {
    let mut sha1 = Sha1::new();
    for part in [identity.device, identity.inode, identity.born] {
        sha1.update(part.to_le_bytes());
    }
    first_eight(&sha1.finalize())
}

/// The generation of a file after it was truncated.
pub fn next_generation(generation: u64) -> u64 {
    let mut sha1 = Sha1::new();
    sha1.update(b"truncated");
    sha1.update(generation.to_le_bytes());
    first_eight(&sha1.finalize())
}

fn first_eight(digest: &[u8]) -> u64 {
    digest.iter().take(8).fold(0, |value, &byte| value << 8 | u64::from(byte))
}
