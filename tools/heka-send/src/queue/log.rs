// SPDX-License-Identifier: MIT OR Apache-2.0
//! The files of a queue; messages are appended to the last one.
//!
//! Whatever happens to the last file, the line in `DIR/end` is true before and after it. If the
//! process is killed in between, at most the messages being appended are missing, and nobody has
//! been told yet that they are queued.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use super::batch::Batch;
use super::end::EndFile;
use super::files::name_of;
use super::{Mark, Place};
use heka_core::delivery::block::MAX_HEAD;
use heka_core::delivery::is_full;
use heka_core::delivery::queue_end::End;
use heka_core::os::PrivateDir;

/// Maximum size of the frames in a block, unless a single one is longer.
const BLOCK_SIZE: u64 = 64 * 1024;
/// Maximum number of blocks per write.
const BATCH: usize = 8;
/// Maximum space on disk that a file keeps when it is started over.
const SPARE: u64 = 16 * 1024 * 1024;

/// A file that is no longer appended to.
#[derive(Debug)]
pub(super) struct Complete {
    pub(super) size: u64,
    /// The open file, until it is synced.
    pub(super) unsynced: Option<File>,
}

/// The file that is appended to.
#[derive(Debug)]
pub(super) struct Last {
    pub(super) file: File,
    /// Position after the last message.
    pub(super) end: Place,
    /// Its length on disk; data after `end` is not valid.
    pub(super) extent: u64,
}

/// The files from the first one needed. See the module.
#[derive(Debug)]
pub(super) struct Log {
    dir: Arc<PrivateDir>,
    /// Maximum size of a file in bytes.
    file_size: u64,
    complete: VecDeque<Complete>,
    pub(super) last: Last,
    pub(super) end_file: EndFile,
    /// Position at which a file was last started over, and the number of the message before it.
    begun: Mark,
    /// Number of the last message, in its block.
    pub(super) appended: u64,
    /// Whether the last file has been appended to since it was synced.
    pub(super) is_unsynced: bool,
    buffer: Vec<u8>,
}

impl Log {
    /// Takes over the files of an earlier process, up to message `appended`, with the line that
    /// contains `told`.
    pub(super) fn new(
        dir: Arc<PrivateDir>,
        file_size: u64,
        (complete, last): (VecDeque<Complete>, Last),
        (end_file, told): (EndFile, &End),
        appended: u64,
    ) -> Self {
        // Some of the files may have been lost.
        let begun = told.begun.min(last.end);
        let begun = Mark { number: told.number, place: begun, lost: told.lost };
        Self {
            dir,
            file_size,
            complete,
            last,
            end_file,
            begun,
            appended,
            // That process may not have synced it.
            is_unsynced: true,
            buffer: Vec::new(),
        }
    }

    /// Returns the position after the last message.
    pub(super) fn end(&self) -> Place {
        self.last.end
    }

    /// Returns the number of the first file.
    fn first(&self) -> u64 {
        self.end().file - self.complete.len() as u64
    }

    /// Returns the valid length of a file; 0 if it does not exist.
    pub(super) fn size_of(&self, file: u64) -> u64 {
        if file == self.end().file {
            return self.end().offset;
        }
        let index = file.checked_sub(self.first()).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.complete.get(index)).map_or(0, |file| file.size)
    }

    /// Returns the number of bytes after a position in the first file.
    pub(super) fn len_behind(&self, place: Place) -> u64 {
        let all = self.complete.iter().map(|file| file.size).sum::<u64>() + self.end().offset;
        all.saturating_sub(place.offset)
    }

    /// Forgets the files before `file`.
    pub(super) fn forget_before(&mut self, file: u64) {
        let count = file.saturating_sub(self.first());
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(self.complete.len());
        self.complete.drain(..count);
    }

    /// Takes the complete files that were not synced.
    pub(super) fn take_unsynced(&mut self) -> Vec<File> {
        self.complete.iter_mut().filter_map(|file| file.unsynced.take()).collect()
    }

    /// Appends frames that end at `ends`, as many as fit on the disk; returns their number.
    ///
    /// # Errors
    /// Any I/O error; incomplete writes are undone.
    pub(super) fn append(&mut self, frames: &[u8], ends: &[usize]) -> io::Result<usize> {
        let (mut done, mut start, mut most) = (0, 0, BATCH);
        while let Some(ends) = ends.get(done..).filter(|ends| !ends.is_empty()) {
            match self.append_some(frames, start, ends, most) {
                Ok((count, end)) => (done, start) = (done + count, end),
                // One block may fit where many do not.
                Err(error) if is_full(&error) && most > 1 => most = 1,
                Err(error) if is_full(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Appends some of the frames from `start` on, which end at `ends`, with one write: as many as
    /// fit into the last file, in at most `most` blocks. Returns the number of frames and their
    /// end.
    fn append_some(
        &mut self,
        frames: &[u8],
        start: usize,
        ends: &[usize],
        most: usize,
    ) -> io::Result<(usize, usize)> {
        let before = self.appended;
        let mut batch = Batch::new(std::mem::take(&mut self.buffer), frames, start);
        while batch.blocks() < most
            && let Some(left) = ends.get(batch.count..).filter(|left| !left.is_empty())
            && let Some(count) = self.next_block(batch.until, left, batch.len())?
        {
            let until = count.checked_sub(1).and_then(|last| left.get(last)).copied();
            let count = u32::try_from(count).map_err(io::Error::other)?;
            batch.push(self.appended, count, until.unwrap_or(start));
            self.appended += u64::from(count);
        }
        let from = self.end();
        let end = Place { offset: from.offset + batch.len(), ..from };
        let written = batch.write(&self.last.file, from.offset);
        let done = (batch.count, batch.until);
        self.buffer = batch.into_buffer();
        if let Err(error) = written.and_then(|()| self.note_end(end)) {
            self.appended = before;
            // Half a record would damage the next one.
            let _ = self.cut_at(from.offset);
            return Err(error);
        }
        self.set_end(end.offset);
        self.is_unsynced = true;
        Ok(done)
    }

    /// Returns how many of the frames from `start` on, which end at `ends`, go into the next block,
    /// after `pending` bytes of other blocks of the same write; `None` if it has to wait for those.
    /// Begins the next file if this one has no room for the first frame.
    fn next_block(
        &mut self,
        start: usize,
        ends: &[usize],
        pending: u64,
    ) -> io::Result<Option<usize>> {
        let fitting = |room: u64| ends.partition_point(|end| (end - start) as u64 <= room);
        let mut count = fitting(self.room().saturating_sub(pending));
        if count == 0 && pending > 0 {
            return Ok(None);
        }
        if count == 0 && self.end().offset > 0 {
            self.begin_next()?;
            count = fitting(self.room());
        }
        Ok(Some(count.min(fitting(BLOCK_SIZE)).max(1)))
    }

    /// Returns how many bytes of frames fit into the last file.
    fn room(&self) -> u64 {
        self.file_size.saturating_sub(self.end().offset + MAX_HEAD as u64)
    }

    /// Starts the last file over with the data after a position, before which everything is
    /// acknowledged.
    pub(super) fn begin_anew(&mut self, before: Mark) -> io::Result<()> {
        let gone = before.place.offset;
        let left = self.end().offset - gone;
        let (start, end) = (Place { offset: 0, ..before.place }, self.end());
        if left > 0 {
            // The cursor on disk may still be inside the part that is about to be overwritten.
            self.end_file.store(self.end_of(end, before))?;
            self.begun = before;
            self.copy_to_front(gone, left)?;
        }
        let begun = Mark { place: start, ..before };
        self.end_file.store(self.end_of(Place { offset: left, ..end }, begun))?;
        self.begun = begun;
        self.set_end(left);
        Ok(())
    }

    fn copy_to_front(&mut self, from: u64, len: u64) -> io::Result<()> {
        let mut rest = std::mem::take(&mut self.buffer);
        rest.resize(usize::try_from(len).map_err(io::Error::other)?, 0);
        let file = &self.last.file;
        let copied = file.read_exact_at(&mut rest, from);
        let copied = copied.and_then(|()| file.write_all_at(&rest, 0));
        self.buffer = rest;
        copied
    }

    /// Begins the next file.
    pub(super) fn begin_next(&mut self) -> io::Result<()> {
        self.cut_rest()?;
        let Place { file, offset: size } = self.end();
        let end = Place { file: file + 1, offset: 0 };
        let next = Last { file: self.dir.create_file(&name_of(end.file))?, end, extent: 0 };
        self.note_end(end)?;
        let unsynced = Some(std::mem::replace(&mut self.last, next).file);
        self.complete.push_back(Complete { size, unsynced });
        Ok(())
    }

    /// Stores the end of the messages.
    pub(super) fn note_end(&self, place: Place) -> io::Result<()> {
        self.end_file.store(self.end_of(place, self.begun))
    }

    fn end_of(&self, place: Place, begun: Mark) -> End {
        let Mark { place: begun, number, lost } = begun;
        End { place, begun, number, lost, last: self.appended }
    }

    fn set_end(&mut self, offset: u64) {
        self.last.end.offset = offset;
        self.last.extent = self.last.extent.max(offset);
    }

    /// Frees space after the end of the last file that is not worth keeping.
    pub(super) fn cut_surplus(&mut self) -> io::Result<()> {
        let room = SPARE.max(8 * self.end().offset);
        if self.last.extent > room { self.cut_at(room) } else { Ok(()) }
    }

    /// Truncates the last file at its end.
    pub(super) fn cut_rest(&mut self) -> io::Result<()> {
        let end = self.end().offset;
        if self.last.extent > end { self.cut_at(end) } else { Ok(()) }
    }

    pub(super) fn cut_at(&mut self, len: u64) -> io::Result<()> {
        self.last.file.set_len(len)?;
        self.last.extent = len;
        Ok(())
    }
}
