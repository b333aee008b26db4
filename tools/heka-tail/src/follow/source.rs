// SPDX-License-Identifier: MIT OR Apache-2.0
//! The source of an open file's bytes: the file itself, or its decompressed contents.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, IoSliceMut, Read as _};
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::statfs::{FsType, fstatfs};
use nix::sys::uio::preadv;

use super::fingerprint::HEAD;
use super::packed::Packed;
use super::position::WINDOW;

/// An open file.
#[derive(Debug)]
pub(crate) enum Source {
    Plain(File),
    /// Decompressed, with the current offset.
    Packed(Box<Packed>, u64),
}

impl Source {
    /// Wraps an open file; a compressed one (by its first bytes) is decompressed if `unpacks`.
    ///
    /// # Errors
    /// Any I/O error.
    pub(crate) fn new(file: File, unpacks: bool) -> io::Result<Self> {
        if !unpacks {
            return Ok(Self::Plain(file));
        }
        Ok(match Packed::new(file)? {
            Ok(packed) => Self::Packed(Box::new(packed), 0),
            Err(file) => Self::Plain(file),
        })
    }

    /// Whether it is compressed, and so does not grow.
    pub(crate) fn is_packed(&self) -> bool {
        matches!(self, Self::Packed(..))
    }

    /// Returns the metadata of the file.
    pub(crate) fn metadata(&self) -> Option<Metadata> {
        match self {
            Self::Plain(file) => file.metadata().ok(),
            Self::Packed(packed, _) => packed.file().metadata().ok(),
        }
    }

    /// Fills `room` with the bytes at `offset`, as far as they exist. Compressed files are read
    /// only forwards.
    ///
    /// # Errors
    /// Any I/O error.
    pub(crate) fn read_at(&mut self, offset: u64, room: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        if let Self::Packed(packed, at) = self {
            let before = offset.saturating_sub(*at);
            *at += io::copy(&mut packed.by_ref().take(before), &mut io::sink())?;
            if *at != offset {
                return Ok(0);
            }
        }
        while done < room.len() {
            let rest = room.get_mut(done..).unwrap_or(&mut []);
            let len = match self {
                Self::Plain(file) => match file.read_at(rest, offset + done as u64) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    read => read?,
                },
                Self::Packed(packed, at) => {
                    let len = packed.read(rest)?;
                    *at += len as u64;
                    len
                }
            };
            if len == 0 {
                break;
            }
            done += len;
        }
        Ok(done)
    }

    /// Reads the first bytes of the file, and the bytes before `offset`.
    ///
    /// # Errors
    /// Any I/O error; [`io::ErrorKind::UnexpectedEof`] if the file is shorter.
    pub(crate) fn read_marks(&mut self, offset: u64) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let len = usize::try_from(offset).unwrap_or(usize::MAX);
        let mut head = vec![0; len.min(HEAD)];
        let mut window = vec![0; len.min(WINDOW)];
        let begin = offset - window.len() as u64;
        if begin >= head.len() as u64 {
            self.read_exact_at(0, &mut head)?;
            self.read_exact_at(begin, &mut window)?;
        } else {
            // The two overlap, and compressed files are read only once.
            let mut both = vec![0; len];
            self.read_exact_at(0, &mut both)?;
            head = both.get(..head.len()).unwrap_or(&[]).to_vec();
            window = both.get(len - window.len()..).unwrap_or(&[]).to_vec();
        }
        Ok((head, window))
    }

    fn read_exact_at(&mut self, offset: u64, room: &mut [u8]) -> io::Result<()> {
        match self.read_at(offset, room)? {
            len if len == room.len() => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Reads once at `offset`, after verifying that `known` (or its last [`WINDOW`] bytes) precedes
    /// it; `None` if not, except in files that differ each time they are read.
    ///
    /// # Errors
    /// Any I/O error.
    pub(crate) fn read_behind(
        &mut self,
        known: &[u8],
        offset: u64,
        room: &mut [u8],
    ) -> io::Result<Option<usize>> {
        let file = match self {
            Self::Plain(file) => file,
            Self::Packed(packed, at) => {
                let len = packed.read(room)?;
                *at += len as u64;
                return Ok(Some(len));
            }
        };
        let mut before = [0; WINDOW];
        let overlap = known.len().min(WINDOW);
        let known = known.get(known.len() - overlap..).unwrap_or(&[]);
        let from = i64::try_from(offset - overlap as u64).unwrap_or(i64::MAX);
        let (before, _) = before.split_at_mut(overlap);
        let len = loop {
            let mut parts = [IoSliceMut::new(before), IoSliceMut::new(room)];
            match preadv(&*file, &mut parts, from) {
                Err(Errno::EINTR) => {}
                read => break read?,
            }
        };
        let is_same = len >= overlap && before == known;
        Ok((is_same || is_generated(file)).then(|| len.saturating_sub(overlap)))
    }
}

/// File systems that generate the contents of a file each time it is read: cgroup (two), debugfs, proc,
/// sysfs and tracefs.
pub(crate) const GENERATED: [i64; 6] =
    [0x27_e0eb, 0x6367_7270, 0x6462_6720, 0x9fa0, 0x6265_6572, 0x7472_6163];

fn is_generated(file: &File) -> bool {
    let kind = fstatfs(file).map(|found| found.filesystem_type());
    kind.is_ok_and(|FsType(kind)| GENERATED.contains(&kind))
}

/// Opens a seekable file; rejects a pipe without waiting for it.
///
/// # Errors
/// Any I/O error.
pub(crate) fn open_regular(path: &Path) -> io::Result<(File, Metadata)> {
    let nonblock = OFlag::O_NONBLOCK.bits();
    let file = OpenOptions::new().read(true).custom_flags(nonblock).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(Errno::EISDIR.into());
    }
    if metadata.file_type().is_fifo() {
        return Err(io::Error::other("a pipe, not a file; heka-encode reads pipes"));
    }
    Ok((file, metadata))
}
