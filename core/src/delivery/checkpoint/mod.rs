// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checkpoints: the positions up to which sources have been read, in a file and in frame headers.
//!
//! A *source* is a name (e.g. the path of a log); a *position* is a byte string that only the
//! program that reads the source understands. A program that stores positions for others needs
//! nothing else: it takes both from a frame header ([`decode_header`]), [`CheckpointFile::set`]s
//! the one after the last message that is safe, and [`CheckpointFile::save`]s.
//!
//! The file has one JSON object per line and one line per source:
//!
//! ```text
//! {"version":1,"source":"/var/log/app.log","position_base64":"AQKA/gP…"}
//! {"version":1,"source":"ticks","position":"2026-11-21 1204"}
//! ```
//!
//! `position` is used where the bytes are printable text. Malformed lines are skipped with a
//! warning, and unknown members are ignored. A file without any position is refused, as it may be
//! something else; a writer also refuses a file with a line of a later version.
//!
//! The file is replaced atomically: temporary file, fsync, rename, fsync of the directory. Changes
//! to a large file are appended instead; of several lines for a source the last one counts, and
//! from time to time the whole file is replaced. Only one writer at a time holds a lock on it
//! (flock), which moves to the replacement.
//!
//! A checkpoint is the length of the source's key (1 byte), the key ([`source_key`]) and the
//! position. It travels in a header (member 103) if it has at most 128 bytes, otherwise in a mark
//! after its message ([`put_mark`](crate::wire::put_mark)).

mod file;
mod positions;

use std::borrow::Cow;

use data_encoding::HEXLOWER;
use sha1::{Digest as _, Sha1};

pub use file::CheckpointFile;
pub use positions::Positions;

use crate::wire::MAX_CHECKPOINT_SIZE;

/// Maximum length of a source's key, so that its position fits beside it in a header.
pub const MAX_KEY_SIZE: usize = 44;

/// Returns the key of a source in headers and files: `name` itself, or its end with a hash of the
/// whole name if that is long.
pub fn source_key(name: &str) -> Cow<'_, str> {
    if name.len() <= MAX_KEY_SIZE {
        return name.into();
    }
    let hash = short_hash(name.as_bytes());
    let mut start = name.len() + hash.len() + "…#".len() - MAX_KEY_SIZE;
    while !name.is_char_boundary(start) {
        start += 1;
    }
    format!("…{}#{hash}", name.get(start..).unwrap_or("")).into()
}

/// Returns twelve hexadecimal digits that distinguish names that are cut or written differently.
pub fn short_hash(name: &[u8]) -> String {
    HEXLOWER.encode(Sha1::digest(name).get(..6).unwrap_or(&[]))
}

/// Returns 32 hexadecimal digits, for names that an attacker may want to collide.
pub fn hash(name: &[u8]) -> String {
    HEXLOWER.encode(Sha1::digest(name).get(..16).unwrap_or(&[]))
}

/// Puts a checkpoint, of a source's key (see [`source_key`]) and a position, into `out`, which is
/// cleared first.
pub fn put(out: &mut Vec<u8>, key: &str, position: &[u8]) {
    out.clear();
    let Ok(key_len) = u8::try_from(key.len()) else { return };
    out.push(key_len);
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(position);
}

/// Like [`put`]; `false` if the checkpoint is too long for a header.
pub fn put_header(out: &mut Vec<u8>, key: &str, position: &[u8]) -> bool {
    put(out, key, position);
    !out.is_empty() && out.len() <= MAX_CHECKPOINT_SIZE
}

/// Returns the source key and the position of a checkpoint; `None` if it is malformed.
pub fn decode_header(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (&key_len, rest) = bytes.split_first()?;
    let (key, position) = rest.split_at_checked(usize::from(key_len))?;
    Some((std::str::from_utf8(key).ok()?, position))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_carry_source_and_position() {
        let mut header = Vec::new();
        assert!(put_header(&mut header, "/var/log/app.log", &[1, 2, 0]));
        assert_eq!(decode_header(&header), Some(("/var/log/app.log", &[1, 2, 0][..])));
        assert!(!put_header(&mut Vec::new(), "a", &[0; MAX_CHECKPOINT_SIZE - 1]));
        assert_eq!(decode_header(b""), None);
        assert_eq!(decode_header(b"\x05ab"), None);
        assert_eq!(decode_header(b"\x01\xff"), None);
    }

    #[test]
    fn long_names_become_keys_of_their_own() {
        let long = format!("/srv/{}/é/app.log", "x".repeat(200));
        let key = source_key(&long);
        assert!(key.len() <= MAX_KEY_SIZE && key.contains("/app.log#"), "{key}");
        assert_ne!(key, source_key(&long.replace("/srv", "/mnt")));
        assert_eq!(source_key("/var/log/app.log"), "/var/log/app.log");
    }
}
