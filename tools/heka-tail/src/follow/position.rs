// SPDX-License-Identifier: MIT OR Apache-2.0
//! The position in a file, in a form that survives renames, copies and restarts.

use sha1::{Digest as _, Sha1};

use super::identity::Identity;
use heka_core::wire::varint::{Reader, put_varint};

/// Number of bytes before a position that verify it (as in Heka's journals).
pub(crate) const WINDOW: usize = 500;

/// The position in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FilePosition {
    /// The file.
    pub(crate) identity: Identity,
    /// The identifier of the contents: kept in copies, changed when a file is truncated.
    pub(crate) generation: u64,
    /// Number of bytes consumed.
    pub(crate) offset: u64,
    /// Hash of the bytes before `offset`: see [`window_hash`].
    pub(crate) hash: u64,
    /// Time of modification as of this position; nanoseconds since 1970.
    pub(crate) modified: u64,
    /// Whether the position is inside a record over the limit whose rest is skipped.
    pub(crate) skips: bool,
    /// Whether the file is finished, and only named so that a copy of it is recognised.
    pub(crate) is_done: bool,
}

impl FilePosition {
    /// Returns the time before which older files were last modified; nanoseconds since 1970. The
    /// modification time of the file itself is less useful: it may have received late lines when
    /// newer files were already complete.
    pub(crate) fn beginning(&self) -> u64 {
        match self.identity.born {
            0 => self.modified,
            born => born.min(self.modified),
        }
    }
}

/// Returns the first eight bytes of a SHA-1 over the last [`WINDOW`] bytes of `before`, padded with
/// leading zeros: the start of a Heka journal's `last_hash`.
pub(crate) fn window_hash(before: &[u8]) -> u64 {
    let window = &before[before.len().saturating_sub(WINDOW)..];
    let mut sha1 = Sha1::new();
    sha1.update(&[0; WINDOW][window.len()..]);
    sha1.update(window);
    first_eight(&sha1.finalize())
}

/// Returns the generation of a file that is read for the first time.
pub(crate) fn first_generation(identity: Identity) -> u64 {
    let mut sha1 = Sha1::new();
    for part in [identity.device, identity.inode, identity.born] {
        sha1.update(part.to_le_bytes());
    }
    first_eight(&sha1.finalize())
}

/// Returns the generation of a file after a truncation.
pub(crate) fn next_generation(generation: u64) -> u64 {
    let mut sha1 = Sha1::new();
    sha1.update(b"truncated");
    sha1.update(generation.to_le_bytes());
    first_eight(&sha1.finalize())
}

/// Returns the UUID (RFC 9562, version 8) of the record at `offset` in the contents `generation`:
/// always the same, after restarts, renames and in copies.
pub(crate) fn uuid(generation: u64, offset: u64, record: &[u8]) -> [u8; 16] {
    let mut sha1 = Sha1::new();
    sha1.update(generation.to_be_bytes());
    sha1.update(offset.to_be_bytes());
    sha1.update(record);
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(sha1.finalize()).for_each(|(byte, hash)| *byte = hash);
    uuid::Uuid::new_v8(bytes).into_bytes()
}

fn first_eight(digest: &[u8]) -> u64 {
    digest.iter().take(8).fold(0, |value, &byte| value << 8 | u64::from(byte))
}

/// Version of the format of [`encode`].
const VERSION: u8 = 1;
const SKIPS: u64 = 1;
const HAS_GENERATION: u64 = 2;
/// Flag: the stream was discovered by a pattern rather than named by the user.
const MET: u64 = 4;
const DONE: u64 = 8;

/// Appends the positions of a stream's files, oldest first.
///
/// The format is the version, then for each file: flags, device, inode, birth, last modification
/// after birth, offset (as varints), hash (8 bytes), and the generation (8 bytes) if it is not the
/// identity's first.
pub(crate) fn encode(out: &mut Vec<u8>, files: &[FilePosition], is_met: bool) {
    out.push(VERSION);
    for file in files {
        let has_generation = file.generation != first_generation(file.identity);
        let flag = |is_set: bool, flag: u64| if is_set { flag } else { 0 };
        let flags = flag(file.skips, SKIPS)
            | flag(has_generation, HAS_GENERATION)
            | flag(is_met, MET)
            | flag(file.is_done, DONE);
        // A compressed file seems older than its birth: it has the time of its original.
        let since = file.modified.wrapping_sub(file.identity.born);
        let Identity { device, inode, born } = file.identity;
        for value in [flags, device, inode, born, since, file.offset] {
            put_varint(out, value);
        }
        out.extend_from_slice(&file.hash.to_be_bytes());
        if has_generation {
            out.extend_from_slice(&file.generation.to_be_bytes());
        }
    }
}

/// Decodes the positions of [`encode`]; `None` if the bytes are something else.
pub(crate) fn decode(bytes: &[u8]) -> Option<Vec<FilePosition>> {
    let mut rest = bytes.strip_prefix(&[VERSION])?;
    // Most positions have one file.
    let mut files = Vec::with_capacity(1);
    while !rest.is_empty() {
        let mut values = [0; 6];
        let mut reader = Reader::new(rest);
        for value in &mut values {
            *value = reader.varint().ok()?;
        }
        rest = reader.rest();
        let [flags, device, inode, born, since, offset] = values;
        let identity = Identity { device, inode, born };
        let hash = take_eight(&mut rest)?;
        let generation = if flags & HAS_GENERATION == 0 {
            first_generation(identity)
        } else {
            take_eight(&mut rest)?
        };
        files.push(FilePosition {
            identity,
            generation,
            offset,
            hash,
            modified: born.wrapping_add(since),
            skips: flags & SKIPS != 0,
            is_done: flags & DONE != 0,
        });
    }
    Some(files)
}

/// Whether the encoded stream was discovered rather than named by the user.
pub(crate) fn is_met(bytes: &[u8]) -> bool {
    let flags = bytes.split_first().map(|(_, rest)| Reader::new(rest).varint());
    matches!(flags, Some(Ok(flags)) if flags & MET != 0)
}

fn take_eight(bytes: &mut &[u8]) -> Option<u64> {
    let (eight, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u64::from_be_bytes(*eight))
}

impl std::fmt::Display for FilePosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Identity { device, inode, .. } = self.identity;
        write!(f, "offset {} device {device} inode {inode} hash {:016x}", self.offset, self.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_start_of_the_one_in_heka_s_journal() {
        // `{"seek":15,…,"last_hash":"ee6fcd3709a34a969b02dbe67ba2c289a77fd7ad"}` by hekad 0.11.
        assert_eq!(window_hash(b""), 0xfc56_d4b3_c72a_8bfe);
    }

    #[test]
    fn two_files_and_a_key_fit_a_header() {
        let identity = Identity {
            device: u64::from(u16::MAX),
            inode: 1 << 34,
            born: 1_795_295_168_099_064_928,
        };
        let file = FilePosition {
            identity,
            generation: 7,
            offset: 1 << 34,
            hash: u64::MAX,
            modified: identity.born + 86_400_000_000_000,
            skips: true,
            is_done: false,
        };
        let other = FilePosition { generation: first_generation(identity), skips: false, ..file };
        let mut bytes = Vec::new();
        encode(&mut bytes, &[other, other], false);
        assert!(
            bytes.len() + 1 + heka_core::delivery::checkpoint::MAX_KEY_SIZE <= 128,
            "{}",
            bytes.len()
        );
        bytes.clear();
        let packed = FilePosition { modified: identity.born - 5, is_done: true, ..file };
        encode(&mut bytes, &[packed, other], true);
        assert!(is_met(&bytes));
        assert_eq!(decode(&bytes), Some(vec![packed, other]));
        assert_eq!(decode(&bytes[..bytes.len() - 1]), None);
        assert_eq!(decode(b""), None);
        assert_eq!(decode(b"12:5"), None);
    }
}
