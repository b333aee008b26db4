// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compressed files: recognising them, by first bytes or name, and reading them.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Name suffixes of supported compressed files.
const ENDINGS: [&str; 4] = [".gz", ".xz", ".zst", ".bz2"];
/// Name suffixes of unsupported compressed files.
const FOREIGN: [&str; 5] = [".lz4", ".lz", ".lzma", ".Z", ".zip"];

const BLOCK: usize = 64 * 1024;
/// Memory limit for the dictionary of an xz file; its `-9` needs 65 MiB.
const XZ_MEMORY_KB: u32 = 256 * 1024;

/// The compression of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Gzip,
    Xz,
    Zstd,
    Bzip2,
}

const MAGIC: [(&[u8], Kind); 4] = [
    (&[0x1f, 0x8b], Kind::Gzip),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], Kind::Xz),
    (&[0x28, 0xb5, 0x2f, 0xfd], Kind::Zstd),
    (b"BZh", Kind::Bzip2),
];

/// The contents of a compressed file, read once from beginning to end.
pub(crate) struct Packed {
    file: File,
    reader: Box<dyn Read>,
}

impl Packed {
    /// Decompresses `file`.
    ///
    /// # Errors
    /// The file itself, if it is not compressed, or an I/O error.
    pub(crate) fn new(file: File) -> io::Result<Result<Self, File>> {
        let Some(kind) = kind_of(&file)? else { return Ok(Err(file)) };
        let packed = BufReader::with_capacity(BLOCK, file.try_clone()?);
        let reader: Box<dyn Read> = match kind {
            Kind::Gzip => Box::new(MultiGzDecoder::new(packed)),
            Kind::Xz => Box::new(XzReader::new_mem_limit(packed, true, XZ_MEMORY_KB)),
            Kind::Zstd => Box::new(Frames { packed: Some(packed), frame: None }),
            Kind::Bzip2 => Box::new(MultiBzDecoder::new(packed)),
        };
        Ok(Ok(Self { file, reader }))
    }

    /// Returns the compressed file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

impl Read for Packed {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.reader.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packed").field("file", &self.file).finish_non_exhaustive()
    }
}

/// Whether a file is compressed in a supported format, by its first bytes.
///
/// # Errors
/// Any I/O error.
pub(crate) fn is_packed(file: &File) -> io::Result<bool> {
    kind_of(file).map(|kind| kind.is_some())
}

fn kind_of(file: &File) -> io::Result<Option<Kind>> {
    let mut begin = [0; 6];
    let len = std::os::unix::fs::FileExt::read_at(file, &mut begin, 0)?;
    let begin = begin.get(..len).unwrap_or(&[]);
    Ok(MAGIC.iter().find(|(magic, _)| begin.starts_with(magic)).map(|(_, kind)| *kind))
}

/// Returns a name without the suffix of compression.
pub(crate) fn unpacked_name(name: &str) -> &str {
    ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}

/// Whether a file's name is that of a supported compressed file.
pub(crate) fn has_packed_name(path: &Path) -> bool {
    ends_with_one_of(path, &ENDINGS)
}

/// Whether a file's name is that of an unsupported compressed file.
pub(crate) fn has_foreign_name(path: &Path) -> bool {
    ends_with_one_of(path, &FOREIGN)
}

/// Returns the path of the file that the compressed file at `path` is made from, which is removed
/// when compression is complete.
pub(crate) fn source_of(path: &Path) -> Option<PathBuf> {
    has_packed_name(path).then(|| path.with_extension(""))
}

fn ends_with_one_of(path: &Path, endings: &[&str]) -> bool {
    let name = path.file_name().map_or(&b""[..], |name| name.as_encoded_bytes());
    endings.iter().any(|ending| name.len() > ending.len() && name.ends_with(ending.as_bytes()))
}

/// Consecutive Zstandard frames.
struct Frames {
    /// The data after the current frame, unless a frame is being read.
    packed: Option<BufReader<File>>,
    frame: Option<(BufReader<File>, FrameDecoder)>,
}

impl Frames {
    /// Begins the next frame; `false` at the end.
    fn begin(&mut self) -> io::Result<bool> {
        let Some(mut packed) = self.packed.take() else { return Ok(false) };
        while !packed.fill_buf()?.is_empty() {
            let mut decoder = FrameDecoder::new();
            match decoder.init(&mut packed) {
                Ok(()) => {
                    self.frame = Some((packed, decoder));
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let len = u64::from(length);
                    io::copy(&mut packed.by_ref().take(len), &mut io::sink())?;
                }
                Err(error) => return Err(invalid(error)),
            }
        }
        Ok(false)
    }
}

fn invalid(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

impl Read for Frames {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        while !room.is_empty() {
            let Some((packed, decoder)) = &mut self.frame else {
                if self.begin()? {
                    continue;
                }
                return Ok(0);
            };
            if decoder.can_collect() > 0 {
                return decoder.read(room);
            }
            if !decoder.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                decoder.decode_blocks(packed, one).map_err(invalid)?;
                continue;
            }
            let (stored, computed) =
                (decoder.get_checksum_from_data(), decoder.get_calculated_checksum());
            if stored.is_some() && stored != computed {
                return Err(invalid("wrong checksum"));
            }
            self.packed = self.frame.take().map(|(packed, _)| packed);
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_compressed_files() {
        assert_eq!(unpacked_name("app.log.1.zst"), "app.log.1");
        assert_eq!(unpacked_name("app.log.1"), "app.log.1");
        assert!(has_packed_name(Path::new("d/app.log.2.bz2")));
        assert!(!has_packed_name(Path::new("d/.gz")));
        assert!(has_foreign_name(Path::new("a.lz4")));
        assert_eq!(source_of(Path::new("d/a.1.xz")), Some(PathBuf::from("d/a.1")));
        assert_eq!(source_of(Path::new("d/a.1")), None);
    }

    #[test]
    fn zstandard_frames_in_a_row() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.zst");
        // Output of `printf hello | zstd -c` by zstd 1.5, and a skippable frame.
        let frame = b"\x28\xb5\x2f\xfd\x04\x58\x29\x00\x00hello\xa3\x6d\x9f\x88";
        let skipped = b"\x5f\x2a\x4d\x18\x03\0\0\0abc";
        std::fs::write(&path, [&frame[..], skipped, frame].concat()).unwrap();
        let mut text = String::new();
        let mut packed = Packed::new(File::open(&path).unwrap()).unwrap().unwrap();
        packed.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hellohello");
    }
}
