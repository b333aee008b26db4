// SPDX-License-Identifier: MIT OR Apache-2.0
//! One open file that is read as it grows.
//!
//! The bytes read last are kept and compared with the file before more is read. So a file that was
//! truncated and rewritten is noticed even if it is longer than before. Bytes that a consumer has
//! not consumed (an incomplete line) are held here until the rest arrives.

use std::fs::Metadata;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use super::chunk::{Around, Chunk};
use super::fingerprint::Fingerprint;
use super::held::{BLOCK, Block, Held};
use super::identity::{Identity, just_before_now, modified};
use super::position::{FilePosition, first_generation, next_generation, window_hash};
use super::source::{Source, open_regular};
use heka_core::record::More;
use heka_core::report::{Stop, stats};

/// A file that has not been written to for this time releases its memory; nanoseconds.
const QUIET_NS: u64 = 1_000_000_000;

/// The result of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pulled {
    /// Data; there may be more.
    Data,
    /// Data, up to the current end.
    Rest,
    /// No data: the current end.
    End,
    /// The bytes before the position have changed: the file was truncated or rewritten.
    Replaced,
}

/// A file, the position in it, and the bytes read last.
#[derive(Debug)]
pub(crate) struct OpenFile {
    path: Arc<Path>,
    source: Source,
    identity: Identity,
    generation: u64,
    held: Held,
    modified: u64,
    /// Length of the file at the last read.
    len: u64,
    /// Whether its descriptor has not been requested yet.
    is_new: bool,
    fingerprint: Fingerprint,
}

impl OpenFile {
    /// Opens a file to be read from `offset`; a compressed file (by its first bytes) is
    /// decompressed if `unpacks`.
    ///
    /// # Errors
    /// Any I/O error; [`io::ErrorKind::UnexpectedEof`] if the file is shorter.
    pub(crate) fn open(path: &Path, offset: u64, unpacks: bool) -> io::Result<Self> {
        let mut open = Self::open_anew(path, unpacks)?;
        if offset > 0 {
            let (head, window) = open.source.read_marks(offset)?;
            open.know(offset, &head, window);
        }
        Ok(open)
    }

    fn know(&mut self, offset: u64, head: &[u8], window: Vec<u8>) {
        self.fingerprint.note(head.len() as u64, head, head.len());
        self.fingerprint.note(offset, &window, 0);
        self.held = Held::at(offset, window);
    }

    /// Releases the bytes kept in memory if nothing has come for a while and no data is held: they
    /// can be read again, and if the file is as long as the system says.
    pub(crate) fn rest_if_quiet(&mut self) {
        let is_old = self.modified.saturating_add(QUIET_NS) < just_before_now();
        let is_quiet = is_old && self.len == self.end();
        if is_quiet && !self.is_packed() && self.held.rest() {
            self.fingerprint = Fingerprint::default();
        }
    }

    fn is_unchanged(&self) -> bool {
        let is_same = |now: &Metadata| now.len() == self.end() && modified(now) == self.modified;
        self.source.metadata().as_ref().is_some_and(is_same)
    }

    /// Reads released bytes again; `false` if they have changed.
    ///
    /// # Errors
    /// Any I/O error.
    pub(crate) fn wake(&mut self) -> io::Result<bool> {
        let Some(hash) = self.held.resting() else { return Ok(true) };
        let end = self.end();
        match self.source.read_marks(end) {
            Ok((head, window)) if window_hash(&window) == hash => {
                self.know(end, &head, window);
                Ok(true)
            }
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
            _ => Ok(false),
        }
    }

    /// Opens a file to be read from its beginning.
    ///
    /// # Errors
    /// Any I/O error.
    pub(crate) fn open_anew(path: &Path, unpacks: bool) -> io::Result<Self> {
        let (file, metadata) = open_regular(path)?;
        let identity = Identity::of(&metadata);
        Ok(Self {
            path: path.into(),
            source: Source::new(file, unpacks)?,
            identity,
            generation: first_generation(identity),
            held: Held::default(),
            modified: modified(&metadata),
            len: metadata.len(),
            is_new: true,
            fingerprint: Fingerprint::default(),
        })
    }

    /// Fills `room` with the bytes at `offset`, as far as they exist. Compressed files are read
    /// only forwards, and not before [`OpenFile::pull`].
    ///
    /// # Errors
    /// Any I/O error.
    pub(crate) fn peek(&mut self, offset: u64, room: &mut [u8]) -> io::Result<usize> {
        self.source.read_at(offset, room)
    }

    /// Continues after the part of another file with the same contents that was read, without a
    /// held record.
    pub(crate) fn go_on_as(&mut self, fingerprint: &Fingerprint, end: u64, last: &[u8]) {
        self.fingerprint = fingerprint.clone();
        self.held = Held::at(end, last.to_vec());
    }

    /// Returns the fingerprint by which copies of this file are recognised.
    pub(crate) fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Returns the last bytes read, as many as verify a position.
    pub(crate) fn last(&self) -> &[u8] {
        self.held.last()
    }

    /// Returns the offset after everything that was read.
    pub(crate) fn end(&self) -> u64 {
        self.held.end()
    }

    /// Returns the path at which the file was opened.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path as a shared value.
    pub(crate) fn shared_path(&self) -> Arc<Path> {
        Arc::clone(&self.path)
    }

    /// Shares the memory of an equal path.
    pub(crate) fn share_path(&mut self, path: &Arc<Path>) {
        if self.path == *path {
            self.path = Arc::clone(path);
        }
    }

    /// Returns the identity of the file.
    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// Returns the last known time of modification; nanoseconds since 1970.
    pub(crate) fn modified(&self) -> u64 {
        self.modified
    }

    /// Returns the number of bytes that are held for the end of their record.
    pub(crate) fn held(&self) -> &[u8] {
        self.held.left()
    }

    /// Whether the file is compressed, and so does not grow.
    pub(crate) fn is_packed(&self) -> bool {
        self.source.is_packed()
    }

    /// Returns the position after everything consumed.
    pub(crate) fn position(&self) -> FilePosition {
        FilePosition {
            identity: self.identity,
            generation: self.generation,
            offset: self.held.offset(),
            hash: self.held.hash(),
            modified: self.modified,
            skips: self.held.is_skipping(),
            is_done: false,
        }
    }

    /// Adopts the state in `position`, which is the position of this file.
    pub(crate) fn resume(&mut self, position: &FilePosition) {
        self.generation = position.generation;
        self.held.set_skipping(position.skips);
    }

    /// Adopts a generation: this is a copy of that file.
    pub(crate) fn set_generation(&mut self, generation: u64) {
        self.generation = generation;
    }

    /// Returns the generation of the contents, which changes when the file is truncated.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns the number of bytes after the position, as far as the file system says.
    pub(crate) fn lag(&self) -> u64 {
        if self.is_packed() {
            return 0;
        }
        let len = self.source.metadata().map_or(0, |metadata| metadata.len());
        len.saturating_sub(self.held.offset())
    }

    /// Returns the number of bytes that cannot be read, if known.
    pub(crate) fn unread(&self) -> Option<u64> {
        Some(self.lag()).filter(|lag| *lag > 0)
    }

    /// Returns how many bytes followed the data at the time of the last read.
    pub(crate) fn was_behind(&self) -> u64 {
        if self.is_packed() { 0 } else { self.len.saturating_sub(self.end()) }
    }

    /// Returns the identity of the file, and the position in it.
    pub(crate) fn place(&self) -> (Identity, u64) {
        (self.identity(), self.held.offset())
    }

    /// Whether the file is shorter than the part that was read: it was truncated.
    pub(crate) fn is_cut(&self) -> bool {
        self.source.metadata().is_some_and(|metadata| metadata.len() < self.end())
    }

    /// Whether nothing has been read.
    pub(crate) fn is_untouched(&self) -> bool {
        self.held.is_untouched()
    }

    /// Returns the current time of modification in the file system.
    pub(crate) fn written(&self) -> u64 {
        self.source.metadata().map_or(self.modified, |metadata| modified(&metadata))
    }

    /// Returns the time of modification, if it is later than the known one.
    pub(crate) fn written_since(&self) -> Option<u64> {
        Some(self.written()).filter(|now| *now > self.modified)
    }

    /// Whether the file at its path is longer than this one, although it seems to be the same: in
    /// an overlay, a file becomes another one when it is written to.
    pub(crate) fn is_outgrown(&self) -> bool {
        let named = std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        !self.is_packed() && self.source.metadata().is_some_and(|open| open.len() < named)
    }

    /// Sets the last known time of modification.
    pub(crate) fn set_modified(&mut self, modified: u64) {
        self.modified = modified;
    }

    /// Returns its descriptor, once, unless the file is compressed.
    pub(crate) fn take_new(&mut self) -> Option<BorrowedFd<'_>> {
        let is_new = std::mem::take(&mut self.is_new);
        match &self.source {
            Source::Plain(file) if is_new => Some(file.as_fd()),
            _ => None,
        }
    }

    /// Whether the last name of the file has been removed.
    pub(crate) fn is_deleted(&self) -> bool {
        self.source.metadata().is_some_and(|metadata| metadata.nlink() == 0)
    }

    /// Starts over at the beginning, after the file was truncated.
    pub(crate) fn rewind(&mut self) {
        self.generation = next_generation(self.generation);
        self.held = Held::default();
        self.fingerprint = Fingerprint::default();
    }

    /// Reads a block after the held bytes and presents it to `consume`, which returns how many
    /// bytes it consumed.
    ///
    /// # Errors
    /// A read error as [`io::Error`] inside, or errors of `consume`.
    pub(crate) fn pull(
        &mut self,
        block: &mut Block,
        around: Around<'_>,
        consume: &mut dyn FnMut(&mut Chunk<'_>) -> Result<usize, Stop>,
    ) -> Result<io::Result<Pulled>, Stop> {
        if self.held.resting().is_some() && self.is_unchanged() {
            return Ok(Ok(Pulled::End));
        }
        match self.wake() {
            Ok(true) => {}
            woken => return Ok(woken.map(|_| Pulled::Replaced)),
        }
        let end = self.end();
        let held = self.held.lend(block);
        let (known, room) = block.0.split_at_mut(held);
        let read = self.source.read_behind(known, end, room);
        let len = *read.as_ref().ok().and_then(Option::as_ref).unwrap_or(&0);
        let shown = block.0.get(..held + len).unwrap_or(&[]);
        let used = if len > 0 { self.show_more(shown, len, around, consume) } else { Ok(0) };
        self.held.take_back(block, held + len, *used.as_ref().unwrap_or(&0));
        used?;
        Ok(read.map(|read| match read {
            None => Pulled::Replaced,
            Some(0) => Pulled::End,
            Some(len) if len < BLOCK && self.len == self.end() && !self.is_packed() => Pulled::Rest,
            Some(_) => Pulled::Data,
        }))
    }

    /// Presents a block whose last `fresh` bytes have just been read.
    fn show_more(
        &mut self,
        shown: &[u8],
        fresh: usize,
        around: Around<'_>,
        consume: &mut dyn FnMut(&mut Chunk<'_>) -> Result<usize, Stop>,
    ) -> Result<usize, Stop> {
        stats::BYTES_IN.add(fresh as u64);
        let end = self.held.offset() + (shown.len() - self.held.window_len()) as u64;
        self.fingerprint.note(end, shown, fresh);
        let metadata = self.source.metadata();
        self.modified = metadata.as_ref().map_or(self.modified, modified);
        // Files that are generated when read, as in /proc, have no length.
        self.len = metadata.map_or(0, |metadata| metadata.len());
        self.show(shown, More::Coming, around, consume)
    }

    /// Presents the held bytes again, with what may follow them.
    ///
    /// # Errors
    /// Errors of `consume`.
    pub(crate) fn press(
        &mut self,
        more: More,
        around: Around<'_>,
        consume: &mut dyn FnMut(&mut Chunk<'_>) -> Result<usize, Stop>,
    ) -> Result<(), Stop> {
        if self.held().is_empty() {
            return Ok(());
        }
        let mut bytes = self.held.take();
        let used = self.show(&bytes.0, more, around, consume);
        let len = bytes.0.len();
        self.held.take_back(&mut bytes, len, *used.as_ref().unwrap_or(&0));
        used.map(|_| ())
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
            head: self.fingerprint.head(),
            identity: self.identity,
            generation: self.generation,
            modified: self.modified,
            bytes,
            start: self.held.window_len(),
            offset: self.held.offset(),
            progress: self.held.take_progress(),
            more,
            around,
        };
        let used = consume(&mut chunk)?.min(bytes.len() - self.held.window_len());
        self.held.set_progress(chunk.progress);
        Ok(used)
    }
}
