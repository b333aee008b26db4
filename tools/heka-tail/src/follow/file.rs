// SPDX-License-Identifier: MIT OR Apache-2.0
//! One open file that is read as it grows.
//!
//! What was read last is kept at hand and compared with what the file has there before more
//! is read, so a file that was truncated and written anew is noticed even if it is longer than
//! before. What a consumer has not used up (an unfinished line) waits here for the rest.

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

/// A file that was not written to for this long lets go of what it can; nanoseconds.
const QUIET_NS: u64 = 1_000_000_000;

/// What an attempt to read more came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pulled {
    /// Something; there may be more.
    Data,
    /// Something, up to the end for now.
    Rest,
    /// Nothing: this is the end for now.
    End,
    /// What precedes the position is not what was read there: the file was truncated or
    /// rewritten.
    Replaced,
}

/// A file, how far it has been read, and what was read last.
#[derive(Debug)]
pub(crate) struct OpenFile {
    path: Arc<Path>,
    source: Source,
    identity: Identity,
    generation: u64,
    held: Held,
    modified: u64,
    /// How long the file was when it was read last.
    len: u64,
    /// Whether its descriptor was not asked for yet.
    is_new: bool,
    fingerprint: Fingerprint,
}

impl OpenFile {
    /// Opens a file to be read from `offset`; a compressed file (by its first bytes) is unpacked if
    /// `unpacks`.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::UnexpectedEof`] if the file is shorter.
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

    /// Lets go of what is known of the contents if nothing has come for a while and nothing is
    /// held: it is there to be read again.
    pub(crate) fn rest_if_quiet(&mut self) {
        let is_quiet = self.modified.saturating_add(QUIET_NS) < just_before_now();
        if is_quiet && !self.is_packed() && self.held.rest() {
            self.fingerprint = Fingerprint::default();
        }
    }

    fn is_unchanged(&self) -> bool {
        let is_same = |now: &Metadata| now.len() == self.end() && modified(now) == self.modified;
        self.source.metadata().as_ref().is_some_and(is_same)
    }

    /// Reads again what was let go of; `false` if something else is there.
    ///
    /// # Errors
    /// The system's.
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
    /// The system's.
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

    /// Fills `room` with what is at `offset`, as far as there is something. What is compressed is
    /// read forwards only, and not before [`OpenFile::pull`].
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn peek(&mut self, offset: u64, room: &mut [u8]) -> io::Result<usize> {
        self.source.read_at(offset, room)
    }

    /// Goes on behind what `other`, whose contents it has, was read to, without a record held.
    pub(crate) fn go_on_as(&mut self, fingerprint: &Fingerprint, end: u64, last: &[u8]) {
        self.fingerprint = fingerprint.clone();
        self.held = Held::at(end, last.to_vec());
    }

    /// What shows that a file is a copy of what has been read of this one.
    pub(crate) fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The last bytes that were read, as many as vouch for a position.
    pub(crate) fn last(&self) -> &[u8] {
        self.held.last()
    }

    /// The offset behind all that was read.
    pub(crate) fn end(&self) -> u64 {
        self.held.end()
    }

    /// Where it was opened.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The same, to be kept.
    pub(crate) fn shared_path(&self) -> Arc<Path> {
        Arc::clone(&self.path)
    }

    /// Shares the memory of an equal path.
    pub(crate) fn share_path(&mut self, path: &Arc<Path>) {
        if self.path == *path {
            self.path = Arc::clone(path);
        }
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
        self.held.len()
    }

    /// Whether the file is a compressed one, which does not grow.
    pub(crate) fn is_packed(&self) -> bool {
        self.source.is_packed()
    }

    /// The position after everything used up.
    pub(crate) fn position(&self) -> FilePosition {
        FilePosition {
            identity: self.identity,
            generation: self.generation,
            offset: self.held.offset(),
            hash: self.held.hash(),
            modified: self.modified,
            skips: self.held.is_skipping(),
        }
    }

    /// Goes on as `position` says, which is where this stands.
    pub(crate) fn resume(&mut self, position: &FilePosition) {
        self.generation = position.generation;
        self.held.set_skipping(position.skips);
    }

    /// Goes on as the generation that `generation` names: this is a copy of that file.
    pub(crate) fn set_generation(&mut self, generation: u64) {
        self.generation = generation;
    }

    /// The number of this file's contents, that changes when it is truncated.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// How many bytes are behind the position, as far as the file system tells.
    pub(crate) fn lag(&self) -> u64 {
        if self.is_packed() {
            return 0;
        }
        self.source
            .metadata()
            .map_or(0, |metadata| metadata.len().saturating_sub(self.held.offset()))
    }

    /// How many bytes there are that cannot be read, if that is known.
    pub(crate) fn unread(&self) -> Option<u64> {
        Some(self.lag()).filter(|lag| *lag > 0)
    }

    /// How many bytes there were behind what was read when that was.
    pub(crate) fn was_behind(&self) -> u64 {
        if self.is_packed() { 0 } else { self.len.saturating_sub(self.end()) }
    }

    /// Which file it is, and how far it is read.
    pub(crate) fn place(&self) -> (Identity, u64) {
        (self.identity(), self.held.offset())
    }

    /// Whether the file ends before what was read of it: it was truncated.
    pub(crate) fn is_cut(&self) -> bool {
        self.source.metadata().is_some_and(|metadata| metadata.len() < self.end())
    }

    /// Whether nothing of it has been read yet.
    pub(crate) fn is_untouched(&self) -> bool {
        self.held.is_untouched()
    }

    /// When it was last written, as the file system says now.
    pub(crate) fn written(&self) -> u64 {
        self.source.metadata().map_or(self.modified, |metadata| modified(&metadata))
    }

    /// The same, if that was after what is known.
    pub(crate) fn written_since(&self) -> Option<u64> {
        Some(self.written()).filter(|now| *now > self.modified)
    }

    /// Whether the file at its path is longer than this one, though it seems to be the same: in an
    /// overlay a file is another one once it was written to.
    pub(crate) fn is_outgrown(&self) -> bool {
        let named = std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        !self.is_packed() && self.source.metadata().is_some_and(|open| open.len() < named)
    }

    /// Sets when it was last known to be written.
    pub(crate) fn set_modified(&mut self, modified: u64) {
        self.modified = modified;
    }

    /// Its descriptor, once, unless it is a compressed file.
    pub(crate) fn take_new(&mut self) -> Option<BorrowedFd<'_>> {
        let is_new = std::mem::take(&mut self.is_new);
        match &self.source {
            Source::Plain(file) if is_new => Some(file.as_fd()),
            _ => None,
        }
    }

    /// Whether the last name of the file is gone.
    pub(crate) fn is_deleted(&self) -> bool {
        self.source.metadata().is_some_and(|metadata| metadata.nlink() == 0)
    }

    /// Starts again at the beginning, after the file was truncated.
    pub(crate) fn rewind(&mut self) {
        self.generation = next_generation(self.generation);
        self.held = Held::default();
        self.fingerprint = Fingerprint::default();
    }

    /// Reads a block behind what is held and shows it to `consume`, which returns how much of it is
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

    /// Shows a block of which the last `fresh` bytes have just been read.
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
        // What is made up as it is read, as in /proc, has no length.
        self.len = metadata.map_or(0, |metadata| metadata.len());
        self.show(shown, More::Coming, around, consume)
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
