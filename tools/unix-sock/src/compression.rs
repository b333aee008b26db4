// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records that are compressed individually.

use std::io::Write as _;

use clap::ValueEnum;
use flate2::Compression as Level;
use flate2::write::{GzEncoder, ZlibEncoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// Compression formats.
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
        // Writing into memory cannot fail.
        packed.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use heka_core::os::unpack_record;

    use super::*;

    #[test]
    fn what_was_packed_is_unpacked_within_the_limit() {
        let record = b"a record ".repeat(100);
        for compression in [Compression::Gzip, Compression::Zlib, Compression::Zstd] {
            let is_zlib = compression == Compression::Zlib;
            let packed = compression.pack(&record);
            assert!(packed.len() < record.len(), "{compression:?}");
            assert_eq!(unpack_record((&packed).into(), is_zlib, 900).unwrap(), record);
            let cause = unpack_record((&packed).into(), is_zlib, 899).unwrap_err();
            assert!(cause.ends_with("more than 899 bytes (--max-record)"), "{cause}");
            assert!(
                unpack_record(packed[..packed.len() / 2].into(), is_zlib, 900).is_err(),
                "{compression:?}"
            );
            assert_eq!(unpack_record(compression.pack(b"").into(), is_zlib, 9).unwrap().len(), 0);
        }
        for plain in [&b"plain"[..], b"x^2"] {
            assert_eq!(&*unpack_record(plain.into(), false, 1).unwrap(), plain);
        }
    }
}
