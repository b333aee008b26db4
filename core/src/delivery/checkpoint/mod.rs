// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checkpoints: how far each source has been read, in a file and in the headers of frames.
//!
//! A *source* is a name (a log's path, say); a *position* is bytes that only the program which
//! reads that source understands. A program that stores positions for others needs nothing else:
//! it takes both from a frame's header ([`decode_header`]), [`CheckpointFile::set`]s the one
//! after the last message that is safe, and [`CheckpointFile::save`]s.
//!
//! The file holds one JSON object a line, one line a source:
//!
//! ```text
//! {"version":1,"source":"/var/log/app.log","position_base64":"AQKA/gP…"}
//! {"version":1,"source":"ticks","position":"2026-11-21 1204"}
//! ```
//!
//! `position` is used where the bytes are printable text. Lines that cannot be read are
//! skipped with a warning, and members that are not known are ignored. A file without a single
//! position, and for a writer one with a line of a later version, is somebody's and refused.
//!
//! The file is replaced as a whole: a temporary file beside it, fsync, rename, fsync of the
//! directory. If it is large, what has changed is added to it instead; of several lines for a source
//! the last one counts, and now and then all is replaced. One writer at a time holds a lock on it (flock), which goes along with the
//! replacement.
//!
//! A checkpoint is the length of the source's key (1 byte), the key ([`source_key`]) and the
//! position. It travels in a header (member 103) if it has at most 128 bytes, otherwise in a mark
//! behind its message ([`put_mark`](crate::wire::put_mark)).

mod file;
mod positions;

use std::borrow::Cow;

use data_encoding::HEXLOWER;
use sha1::{Digest as _, Sha1};

pub use file::CheckpointFile;
pub use positions::Positions;

use crate::wire::MAX_CHECKPOINT_SIZE;

/// Longest key of a source, so that its position fits beside it in a header.
pub const MAX_KEY_SIZE: usize = 44;

/// The name under which a source is known in headers and files: `name` itself, or its end with a
/// hash of the whole if it is long.
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

/// Distinguishes names that are cut or written in another way: twelve digits.
pub fn short_hash(name: &[u8]) -> String {
    HEXLOWER.encode(Sha1::digest(name).get(..6).unwrap_or(&[]))
}

/// The same where somebody may want two names to look alike: 32 digits.
pub fn hash(name: &[u8]) -> String {
    HEXLOWER.encode(Sha1::digest(name).get(..16).unwrap_or(&[]))
}

/// Puts the checkpoint of that source (see [`source_key`]) and position into `out`, which is cleared
/// first.
pub fn put(out: &mut Vec<u8>, key: &str, position: &[u8]) {
    out.clear();
    let Ok(key_len) = u8::try_from(key.len()) else { return };
    out.push(key_len);
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(position);
}

/// The same; `false` if it is too long for a header.
pub fn put_header(out: &mut Vec<u8>, key: &str, position: &[u8]) -> bool {
    put(out, key, position);
    !out.is_empty() && out.len() <= MAX_CHECKPOINT_SIZE
}

/// Source key and position of a checkpoint; `None` if it is none of ours.
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
