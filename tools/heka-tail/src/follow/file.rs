// SPDX-License-Identifier: MIT OR Apache-2.0
//! One open file that is read as it grows.
//!
//! What was read last is kept at hand and compared with what stands in the file there before more
//! is read, so a file that was truncated and written anew is noticed even if it is longer than
//! before. What a consumer has not used up (an unfinished line) waits here for the rest.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, IoSliceMut, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::uio::preadv;

use super::Chunk;
use super::identity::{Identity, modified};
use super::position::{FilePosition, WINDOW, first_generation, next_generation, window_hash};
use heka_core::record::{More, Progress};
use heka_core::report::{Stop, stats};

/// Bytes asked for by one read.
const BLOCK: usize = 256 * 1024;
/// So many of a file's first bytes are remembered.
const HEAD: usize = 128;

/// The large buffer that all files are read through in turn.
#[derive(Debug, Default)]
pub(crate) struct Block(Vec<u8>);

/// Where the stream's other files stand, for the position after a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around<'a> {
    /// Positions of the other files, oldest first.
    pub(crate) others: &'a [FilePosition],
    /// How many of them are older than this file.
    pub(crate) rank: usize,
}

impl<'a> Around<'a> {
    /// This is the newest file.
    pub(crate) fn behind(others: &'a [FilePosition]) -> Self {
        Self { others, rank: others.len() }
    }

    /// This is the oldest file.
    pub(crate) fn before(others: &'a [FilePosition]) -> Self {
        Self { others, rank: 0 }
    }
}

/// What an attempt to read more came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pulled {
    /// Something; there may be more.
    Data,
    /// Something, up to the end for now.
    Rest,
    /// Nothing: this is the end for now.
    End,
    /// What stands before the position is not what was read there: the file was truncated or
    /// rewritten.
    Replaced,
}

/// A file, how far it has been read, and what was read last.
#[derive(Debug)]
pub(crate) struct OpenFile {
    path: PathBuf,
    source: Source,
    identity: Identity,
    generation: u64,
    /// Bytes used up by the consumer.
    offset: u64,
    /// Up to [`WINDOW`] bytes before `offset`, then what is not used up yet.
    tail: Vec<u8>,
    window_len: usize,
    /// What is known of the bytes that are not used up.
    progress: Progress,
    modified: u64,
    /// What it began with, if it was read from its beginning.
    head: Vec<u8>,
}

#[derive(Debug)]
enum Source {
    Plain(File),
    Gzip(Box<MultiGzDecoder<File>>),
}

impl OpenFile {
    /// Opens a file to be read from `offset`; a gzip file (by its first bytes) is read
    /// decompressed.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::UnexpectedEof`] if the file is shorter.
    pub(crate) fn open(path: &Path, offset: u64, gzip: bool) -> io::Result<Self> {
        let (file, metadata) = open_regular(path)?;
        let identity = Identity::of(&metadata);
        let source = if gzip && is_gzip(&file)? {
            Source::Gzip(Box::new(MultiGzDecoder::new(file)))
        } else {
            Source::Plain(file)
        };
        let mut open = Self {
            path: path.to_owned(),
            source,
            identity,
            generation: first_generation(identity),
            offset: 0,
            tail: Vec::new(),
            window_len: 0,
            progress: Progress::default(),
            modified: modified(&metadata),
            head: Vec::new(),
        };
        open.pass_over(offset)?;
        Ok(open)
    }

    /// Moves to `offset` and fetches the bytes before it.
    fn pass_over(&mut self, offset: u64) -> io::Result<()> {
        let len = usize::try_from(offset.min(WINDOW as u64)).unwrap_or(WINDOW);
        let mut window = vec![0; len];
        match &mut self.source {
            Source::Plain(file) => {
                std::os::unix::fs::FileExt::read_exact_at(file, &mut window, offset - len as u64)?;
            }
            Source::Gzip(decoder) => {
                let before = offset - len as u64;
                let passed = io::copy(&mut decoder.by_ref().take(before), &mut io::sink())?;
                if passed < before {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                decoder.read_exact(&mut window)?;
            }
        }
        self.window_len = window.len();
        self.tail = window;
        self.progress = Progress::at(offset);
        self.offset = offset;
        Ok(())
    }

    /// Where it was opened.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Which file it is.
    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// When it was last known to be written; nanoseconds since 1970.
    pub(crate) fn modified(&self) -> u64 {
        self.modified
    }

    /// Bytes that were read and wait for their record's end.
    pub(crate) fn held(&self) -> usize {
        self.tail.len() - self.window_len
    }

    /// Whether the file is a compressed one, which does not grow.
    pub(crate) fn is_gzip(&self) -> bool {
        matches!(self.source, Source::Gzip(_))
    }

    /// The position after everything used up.
    pub(crate) fn position(&self) -> FilePosition {
        FilePosition {
            identity: self.identity,
            generation: self.generation,
            offset: self.offset,
            hash: window_hash(self.tail.get(..self.window_len).unwrap_or(&[])),
            modified: self.modified,
            skips: self.progress.is_skipping(),
        }
    }

    /// Goes on as `position` says, which is where this stands.
    pub(crate) fn resume(&mut self, position: &FilePosition) {
        self.generation = position.generation;
        self.progress = Progress::at(self.offset).skipping(position.skips);
    }

    /// Goes on as the generation that `generation` names: this is a copy of that file.
    pub(crate) fn set_generation(&mut self, generation: u64) {
        self.generation = generation;
    }

    /// The number of this file's contents, that changes when it is truncated.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// How many bytes stand behind the position, as far as the file system tells.
    pub(crate) fn lag(&self) -> u64 {
        match &self.source {
            Source::Plain(file) => {
                let len = file.metadata().map_or(0, |metadata| metadata.len());
                len.saturating_sub(self.offset)
            }
            Source::Gzip(_) => 0,
        }
    }

    /// Whether nothing of it has been read yet.
    pub(crate) fn is_untouched(&self) -> bool {
        self.offset == 0 && self.tail.is_empty()
    }

    /// When it was last written, if that was after what is known.
    pub(crate) fn written_since(&self) -> Option<u64> {
        self.metadata().map(|metadata| modified(&metadata)).filter(|now| *now > self.modified)
    }

    /// Whether the file at `path` has the bytes that were read last of this one, at the same place.
    pub(crate) fn is_copied_to(&self, path: &Path, gzip: bool) -> bool {
        let end = self.offset + self.held() as u64;
        let last = &self.tail[self.tail.len().saturating_sub(WINDOW)..];
        match Self::open(path, end, gzip) {
            Ok(copy) => end > 0 && copy.tail == last,
            // It may be in the making.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                !self.head.is_empty()
                    && Self::open(path, 0, gzip).is_ok_and(|copy| self.starts_as(copy))
            }
            Err(_) => false,
        }
    }

    /// If this is a copy of `next`, which is to be truncated: that one, opened where this ends. A
    /// copy is younger than what it is made from, a file that was renamed is older than the next.
    pub(crate) fn original(&self, next: &Self) -> Option<Self> {
        let end = self.offset + self.held() as u64;
        if end == 0 || next.identity.born == 0 || self.identity.born <= next.identity.born {
            return None;
        }
        let mut original = Self::open(&next.path, end, false).ok()?;
        let last = &self.tail[self.tail.len().saturating_sub(WINDOW)..];
        if original.identity != next.identity || original.tail != last {
            return None;
        }
        original.generation = next.generation;
        original.modified = next.modified;
        Some(original)
    }

    /// Whether what is there of `copy` is what this file began with.
    fn starts_as(&self, mut copy: Self) -> bool {
        let mut rest = self.head.as_slice();
        let mut room = [0; HEAD];
        while let Some(room) = room.get_mut(..rest.len()).filter(|room| !room.is_empty()) {
            match copy.read(room) {
                Ok(Some(0)) => break,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Ok(Some(len)) if room[..len] == rest[..len] => rest = &rest[len..],
                _ => return false,
            }
            // A plain file is read at its offset, which this moves on.
            copy.offset = (self.head.len() - rest.len()) as u64;
        }
        true
    }

    /// Sets when it was last known to be written.
    pub(crate) fn set_modified(&mut self, modified: u64) {
        self.modified = modified;
    }

    /// Whether the last name of the file is gone.
    pub(crate) fn is_deleted(&self) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        self.metadata().is_some_and(|metadata| metadata.nlink() == 0)
    }

    fn metadata(&self) -> Option<Metadata> {
        match &self.source {
            Source::Plain(file) => file.metadata().ok(),
            Source::Gzip(decoder) => decoder.get_ref().metadata().ok(),
        }
    }

    /// Starts again at the beginning, after the file was truncated.
    pub(crate) fn rewind(&mut self) {
        self.generation = next_generation(self.generation);
        self.offset = 0;
        self.tail.clear();
        self.window_len = 0;
        self.progress = Progress::default();
    }

    /// Reads a block behind what is held and shows it to `consume`, which tells how much of it is
    /// used up.
    ///
    /// # Errors
    /// A read error as [`io::Error`] inside, or what `consume` says.
    pub(crate) fn pull(
        &mut self,
        block: &mut Block,
        around: Around<'_>,
        consume: &mut dyn FnMut(&mut Chunk<'_>) -> Result<usize, Stop>,
    ) -> Result<io::Result<Pulled>, Stop> {
        let held = self.tail.len();
        let buffer = &mut block.0;
        if buffer.len() < held + BLOCK {
            buffer.resize(held + BLOCK, 0);
        }
        let pulled = match self.read(&mut buffer[held..]) {
            Ok(Some(0)) => return Ok(Ok(Pulled::End)),
            Ok(None) => return Ok(Ok(Pulled::Replaced)),
            Ok(Some(len)) => len,
            Err(error) => return Ok(Err(error)),
        };
        stats::BYTES_IN.add(pulled as u64);
        buffer[..held].copy_from_slice(&self.tail);
        if self.is_untouched() {
            self.head = buffer[held..held + pulled.min(HEAD)].to_vec();
        }
        let end = self.offset + (held - self.window_len + pulled) as u64;
        let mut is_rest = false;
        if let Some(metadata) = self.metadata() {
            self.modified = modified(&metadata);
            // What is made up as it is read, as in /proc, has no length.
            is_rest = pulled < BLOCK && metadata.len() == end && !self.is_gzip();
        }
        let shown = &buffer[..held + pulled];
        let used = self.show(shown, More::Coming, around, consume)?;
        self.keep(&block.0[..held + pulled], used);
        Ok(Ok(if is_rest { Pulled::Rest } else { Pulled::Data }))
    }

    /// Shows what is held once more, given what may follow it.
    ///
    /// # Errors
    /// What `consume` says.
    pub(crate) fn press(
        &mut self,
        more: More,
        around: Around<'_>,
        consume: &mut dyn FnMut(&mut Chunk<'_>) -> Result<usize, Stop>,
    ) -> Result<(), Stop> {
        if self.held() == 0 {
            return Ok(());
        }
        let tail = std::mem::take(&mut self.tail);
        let used = self.show(&tail, more, around, consume)?;
        self.keep(&tail, used);
        Ok(())
    }

    fn show(
        &mut self,
        bytes: &[u8],
        more: More,
        around: Around<'_>,
        consume: &mut dyn FnMut(&mut Chunk<'_>) -> Result<usize, Stop>,
    ) -> Result<usize, Stop> {
        let mut chunk = Chunk {
            path: &self.path,
            identity: self.identity,
            generation: self.generation,
            modified: self.modified,
            bytes,
            start: self.window_len,
            offset: self.offset,
            progress: std::mem::take(&mut self.progress),
            more,
            around,
        };
        let used = consume(&mut chunk)?.min(bytes.len() - self.window_len);
        self.progress = chunk.progress;
        Ok(used)
    }

    /// Keeps the window and what is not used up of `bytes`.
    fn keep(&mut self, bytes: &[u8], used: usize) {
        let end = self.window_len + used;
        let start = end.saturating_sub(WINDOW);
        self.tail.clear();
        self.tail.extend_from_slice(&bytes[start..]);
        self.tail.shrink_to(4 * WINDOW);
        self.window_len = end - start;
        self.offset += used as u64;
    }

    /// Reads behind what is held; `None` if what is held is not what the file has there.
    fn read(&mut self, room: &mut [u8]) -> io::Result<Option<usize>> {
        let file = match &mut self.source {
            Source::Plain(file) => file,
            Source::Gzip(decoder) => loop {
                match decoder.read(room) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    read => return read.map(Some),
                }
            },
        };
        let mut before = [0; WINDOW];
        let overlap = self.tail.len().min(WINDOW);
        let known = &self.tail[self.tail.len() - overlap..];
        let end = self.offset + (self.tail.len() - self.window_len) as u64;
        let from = i64::try_from(end - overlap as u64).unwrap_or(i64::MAX);
        let mut parts = [IoSliceMut::new(&mut before[..overlap]), IoSliceMut::new(room)];
        let len = loop {
            match preadv(&*file, &mut parts, from) {
                Err(Errno::EINTR) => {}
                read => break read?,
            }
        };
        if len < overlap || before[..overlap] != *known {
            return Ok(None);
        }
        Ok(Some(len - overlap))
    }
}

/// Opens what can be read at any place, so no pipe; for one it does not wait either.
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

pub(crate) fn is_gzip(file: &File) -> io::Result<bool> {
    let mut magic = [0; 2];
    let len = std::os::unix::fs::FileExt::read_at(file, &mut magic, 0)?;
    Ok(len == 2 && magic == [0x1f, 0x8b])
}
