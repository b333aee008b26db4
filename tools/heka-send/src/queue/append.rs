// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of a queue that messages are appended to.
//!
//! Whatever is done to the last file, the line in `DIR/end` is true before and after it: when the
//! process is killed in between, at most what was being appended is missing, and nobody has been
//! told yet that this is queued.

use std::io;
use std::os::unix::fs::FileExt as _;

use super::batch::Batch;
use super::cursor::{Cursor, NO_BOOT};
use super::end::End;
use super::files::name_of;
use super::keeper::Job;
use super::{Mark, Place, Queue};
use heka_core::delivery::block::MAX_HEAD;
use heka_core::delivery::is_full;
use heka_core::report::{Explain as _, Stop, stats};

/// Frames in a block, unless one alone is longer.
const BLOCK_SIZE: u64 = 64 * 1024;
/// Blocks in one write.
const BATCH: usize = 8;
/// A file with this much in it is begun anew, if it can be.
const ENOUGH: u64 = 4 * 1024 * 1024;
/// A file that is begun anew keeps no more room on disk than that.
const SPARE: u64 = 16 * 1024 * 1024;

/// How far the cursor on disk is with saying that nothing in the last file is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clearing {
    /// It says something else.
    Nothing,
    /// It is being written.
    Begun,
    /// It says so.
    Done,
}

impl Queue {
    /// Behind the last message.
    pub(super) fn end(&self) -> Place {
        let file = self.cursor.place.file + (self.sizes.len() as u64).saturating_sub(1);
        Place { file, offset: self.sizes.back().copied().unwrap_or(0) }
    }

    /// Appends frames that end at `ends`, as many as the disk takes, and returns how many.
    ///
    /// # Errors
    /// The system's; what was not written whole is taken back.
    pub(crate) fn append(&mut self, frames: &[u8], ends: &[usize]) -> Result<usize, Stop> {
        stats::blocked_while(stats::On::Disk, || self.append_what_fits(frames, ends))
    }

    fn append_what_fits(&mut self, frames: &[u8], ends: &[usize]) -> Result<usize, Stop> {
        let is_enough = self.end().offset >= ENOUGH.min(self.limits.file_size / 2);
        if is_enough && self.can_begin_anew() && self.is_cleared()? {
            match self.begin_anew() {
                Err(error) if is_full(&error) => return Ok(0),
                begun => begun.at(self.dir.display())?,
            }
        }
        let (mut done, mut start, mut most) = (0, 0, BATCH);
        while let Some(ends) = ends.get(done..).filter(|ends| !ends.is_empty()) {
            match self.append_some(frames, start, ends, most) {
                Ok((count, end)) => (done, start) = (done + count, end),
                // One block may fit where many do not.
                Err(error) if is_full(&error) && most > 1 => most = 1,
                Err(error) if is_full(&error) => break,
                Err(error) => return Err(error).at(self.dir.display()),
            }
        }
        Ok(done)
    }

    /// Appends some of the frames from `start` on, which end at `ends`, with one write: as many as
    /// the last file has room for, in at most `blocks` blocks. Returns how many frames, and where
    /// they end.
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
        let written = batch.write(&self.writer, from.offset);
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

    /// How many of the frames from `start` on, which end at `ends`, go into the next block, behind
    /// `pending` bytes of others that are to be written with it; `None` if it has to wait for them.
    /// The next file is begun if this one has no room for the first.
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

    /// Bytes of frames for which there is room in the last file.
    fn room(&self) -> u64 {
        self.limits.file_size.saturating_sub(self.end().offset + MAX_HEAD as u64)
    }

    /// Whether nearly everything in the last file is acknowledged, nothing else is left, and what
    /// is not acknowledged has not been promised to outlive the machine.
    pub(super) fn can_begin_anew(&self) -> bool {
        let (place, end) = (self.cursor.place, self.end());
        place.file == end.file
            && place >= self.synced
            && self.cursor.boot != NO_BOOT
            && self.read_at == end
            && end.offset - place.offset <= end.offset / 8
    }

    /// Whether the cursor on disk says that nothing in the last file is promised, so that it may be
    /// written over: after a crash of the machine one could not tell what is old in it and what is
    /// new. If it does not, that is begun, to be done when this is asked again.
    fn is_cleared(&mut self) -> Result<bool, Stop> {
        if self.keeper.is_busy()? {
            return Ok(false);
        }
        if self.clearing == Clearing::Begun {
            self.clearing = Clearing::Done;
        }
        if self.clearing == Clearing::Nothing {
            let promised = Some(self.cursor.place);
            let cursor = Some(Cursor { promised, ..self.cursor.clone() });
            self.keeper.start_job(Job { cursor, ..Job::default() });
            self.clearing = Clearing::Begun;
        }
        Ok(self.clearing == Clearing::Done)
    }

    /// Begins the last file anew with what is not acknowledged in it.
    pub(super) fn begin_anew(&mut self) -> io::Result<()> {
        let Cursor { place, number, lost, .. } = self.cursor;
        let Place { file, offset: gone } = place;
        let left = self.end().offset - gone;
        let (start, end) = (Place { file, offset: 0 }, Place { file, offset: left });
        // The cursor on disk may still lie in what is going to be written over.
        let before = Mark { number, place, lost };
        self.end_file.store(self.end_of(self.end(), before))?;
        self.begun = before;
        self.reader = None;
        self.copy_to_front(gone, left)?;
        let begun = Mark { place: start, ..before };
        self.end_file.store(self.end_of(end, begun))?;

        self.begun = begun;
        (self.cursor.place, self.synced, self.read_at) = (start, start, end);
        self.is_unsaved = true;
        for mark in &mut self.marks {
            mark.place.offset = mark.place.offset.saturating_sub(gone);
        }
        self.set_end(left);
        let room = SPARE.max(8 * left);
        if self.extent > room { self.cut_at(room) } else { Ok(()) }
    }

    fn copy_to_front(&mut self, from: u64, len: u64) -> io::Result<()> {
        let mut rest = std::mem::take(&mut self.buffer);
        rest.resize(usize::try_from(len).map_err(io::Error::other)?, 0);
        let copied = self
            .writer
            .read_exact_at(&mut rest, from)
            .and_then(|()| self.writer.write_all_at(&rest, 0));
        self.buffer = rest;
        copied
    }

    /// Begins the next file.
    pub(super) fn begin_next(&mut self) -> io::Result<()> {
        self.cut_rest()?;
        let end = self.end();
        let next = Place { file: end.file + 1, offset: 0 };
        let writer = self.dir.create_file(&name_of(next.file))?;
        self.note_end(next)?;
        self.unsynced.push_back((end.file, std::mem::replace(&mut self.writer, writer)));
        self.sizes.push_back(0);
        self.extent = 0;
        Ok(())
    }

    /// Stores where the messages end.
    pub(super) fn note_end(&self, place: Place) -> io::Result<()> {
        self.end_file.store(self.end_of(place, self.begun))
    }

    fn end_of(&self, place: Place, begun: Mark) -> End {
        let Mark { place: begun, number, lost } = begun;
        End { place, begun, number, lost, last: self.appended }
    }

    fn set_end(&mut self, offset: u64) {
        if let Some(size) = self.sizes.back_mut() {
            *size = offset;
        }
        self.extent = self.extent.max(offset);
    }

    /// Cuts off the rest of messages behind the end of the last file.
    pub(super) fn cut_rest(&mut self) -> io::Result<()> {
        let end = self.end().offset;
        if self.extent > end { self.cut_at(end) } else { Ok(()) }
    }

    pub(super) fn cut_at(&mut self, len: u64) -> io::Result<()> {
        self.writer.set_len(len)?;
        self.extent = len;
        Ok(())
    }
}
