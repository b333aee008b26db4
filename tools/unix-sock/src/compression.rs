// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records that are compressed, each on its own.

use std::borrow::Cow;
use std::io::{Read, Write as _};

use clap::ValueEnum;
use flate2::Compression as Level;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};
use heka_core::report::Cause as _;
use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// Ways to compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Compression {
    /// RFC 1952.
    Gzip,
    /// RFC 1950.
    Zlib,
    /// RFC 8878.
    Zstd,
}

impl Compression {
    /// What `record` begins like. What zlib makes begins like text, so it must be expected.
    fn of(record: &[u8], expected: Self) -> Option<Self> {
        match record {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => {
                Some(expected).filter(|how| *how == Self::Zlib)
            }
            _ => None,
        }
    }

    /// Compresses a record.
    pub(crate) fn pack(self, record: &[u8]) -> Vec<u8> {
        let packed = match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Level::default());
                encoder.write_all(record).and_then(|()| encoder.finish())
            }
            Self::Zlib => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Level::default());
                encoder.write_all(record).and_then(|()| encoder.finish())
            }
            Self::Zstd => Ok(compress_to_vec(record, CompressionLevel::Fastest)),
        };
        // Writing into memory does not fail.
        packed.unwrap_or_default()
    }
}

/// A record as it was before it was compressed, in whatever way; of up to `limit` bytes.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn unpack(
    record: Cow<'_, [u8]>,
    expected: Compression,
    limit: usize,
) -> Result<Cow<'_, [u8]>, String> {
    let unpacked = match Compression::of(&record, expected) {
        None => return Ok(record),
        Some(Compression::Gzip) => read(MultiGzDecoder::new(&*record), limit, "gzip"),
        Some(Compression::Zlib) => read(ZlibDecoder::new(&*record), limit, "zlib"),
        Some(Compression::Zstd) => {
            let decoder = StreamingDecoder::new(&*record).map_err(|error| format!("zstd: {error}"));
            read(decoder?, limit, "zstd")
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_unpacked_within_the_limit() {
        let record = b"a record ".repeat(100);
        for compression in [Compression::Gzip, Compression::Zlib, Compression::Zstd] {
            let packed = compression.pack(&record);
            assert_eq!(Compression::of(&packed, compression), Some(compression));
            assert!(packed.len() < record.len(), "{compression:?}");
            assert_eq!(unpack((&packed).into(), compression, 900).unwrap(), record);
            let cause = unpack((&packed).into(), compression, 899).unwrap_err();
            assert!(cause.ends_with("more than 899 bytes (--max-record)"), "{cause}");
            assert!(
                unpack(packed[..packed.len() / 2].into(), compression, 900).is_err(),
                "{compression:?}"
            );
            assert_eq!(unpack(compression.pack(b"").into(), compression, 9).unwrap().len(), 0);
        }
        for plain in [&b"plain"[..], b"x^2"] {
            assert_eq!(&*unpack(plain.into(), Compression::Gzip, 1).unwrap(), plain);
        }
    }
}
