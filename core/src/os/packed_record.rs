// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records that are compressed individually: gzip (RFC 1952), zlib (RFC 1950) and Zstandard (RFC
//! 8878).

use std::borrow::Cow;
use std::io::Read;

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use ruzstd::decoding::StreamingDecoder;

use crate::report::Cause as _;

/// Decompresses a record of up to `limit` bytes, whatever its compression. zlib data cannot be told
/// from text by their first bytes, so the caller must say whether to expect them.
///
/// # Errors
/// The defect of the record.
pub fn unpack_record(
    record: Cow<'_, [u8]>,
    may_be_zlib: bool,
    limit: usize,
) -> Result<Cow<'_, [u8]>, String> {
    let unpacked = match *record {
        [0x1f, 0x8b, ..] => read(MultiGzDecoder::new(&*record), limit, "gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let decoder = StreamingDecoder::new(&*record).map_err(|error| format!("zstd: {error}"));
            read(decoder?, limit, "zstd")
        }
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] if may_be_zlib => {
            read(ZlibDecoder::new(&*record), limit, "zlib")
        }
        _ => return Ok(record),
    };
    unpacked.map(Cow::Owned)
}

fn read(packed: impl Read, limit: usize, what: &str) -> Result<Vec<u8>, String> {
    let mut record = Vec::new();
    let most = (limit as u64).saturating_add(1);
    packed
        .take(most)
        .read_to_end(&mut record)
        .map_err(|error| format!("{what}: {}", error.cause()))?;
    match record.len() > limit {
        true => Err(format!("{what}: unpacked to more than {limit} bytes (--max-record)")),
        false => Ok(record),
    }
}
