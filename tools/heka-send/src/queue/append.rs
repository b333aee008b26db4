// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of a queue that messages are appended to.
//!
//! Whatever is done to the last file, the line in `DIR/end` is true before and after it: when the
//! process is killed in between, at most what was being appended is missing, and nobody has been
//! told yet that this is queued.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt as _;

use super::cursor::{Cursor, NO_BOOT};
use super::end::End;
use super::files::name_of;
use super::keeper::Job;
use super::{Mark, Place, Queue};
use heka_core::delivery::block::{self, MAX_HEAD};
use heka_core::delivery::is_full;
use heka_core::report::{Explain as _, Stop};
use nix::sys::uio::pwritev;

/// Frames in a block, unless one alone is longer.
const BLOCK_SIZE: u64 = 64 * 1024;
/// A file with so much in it is begun anew, if it can be.
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
        let is_enough = self.end().offset >= ENOUGH.min(self.limits.file_size / 2);
        if is_enough && self.can_begin_anew() && self.is_cleared()? {
            match self.begin_anew() {
                Err(error) if is_full(&error) => return Ok(0),
                begun => begun.at(self.dir.display())?,
            }
        }
        let (mut done, mut start) = (0, 0);
        while let Some(ends) = ends.get(done..).filter(|ends| !ends.is_empty()) {
            let block = self.next_block(start, ends);
            let block = block.and_then(|count| self.append_block(frames, start, ends, count));
            match block {
                Ok((count, end)) => (done, start) = (done + count, end),
                Err(error) if is_full(&error) => break,
                Err(error) => return Err(error).at(self.dir.display()),
            }
        }
        Ok(done)
    }

    /// How many of the frames from `start` on, which end at `ends`, go into one block. The next file
    /// is begun if this one has no room for the first.
    fn next_block(&mut self, start: usize, ends: &[usize]) -> io::Result<usize> {
        let fitting = |room: u64| ends.partition_point(|end| (end - start) as u64 <= room);
        let room = self.room();
        let mut count = fitting(room);
        if count == 0 && self.end().offset > 0 {
            self.begin_next()?;
            count = fitting(self.room());
        }
        Ok(count.min(fitting(BLOCK_SIZE)).max(1))
    }

    /// Bytes of frames for which there is room in the last file.
    fn room(&self) -> u64 {
        self.limits.file_size.saturating_sub(self.end().offset + MAX_HEAD as u64)
    }

    /// Appends the first `count` frames as a block, and tells where they end.
    fn append_block(
        &mut self,
        frames: &[u8],
        start: usize,
        ends: &[usize],
        count: usize,
    ) -> io::Result<(usize, usize)> {
        let until = count.checked_sub(1).and_then(|last| ends.get(last)).copied().unwrap_or(start);
        let frames = frames.get(start..until).unwrap_or_default();
        let number = u32::try_from(count).map_err(io::Error::other)?;
        let mut head = std::mem::take(&mut self.buffer);
        head.clear();
        block::put_head(&mut head, self.appended, number, frames);
        let from = self.end();
        let end = Place { offset: from.offset + (head.len() + frames.len()) as u64, ..from };
        self.appended += u64::from(number);
        let written = write_both_at(&self.writer, &head, frames, from.offset);
        self.buffer = head;
        if let Err(error) = written.and_then(|()| self.note_end(end)) {
            self.appended -= u64::from(number);
            // Half a record would damage the next one.
            let _ = self.cut_at(from.offset);
            return Err(error);
        }
        self.set_end(end.offset);
        self.is_unsynced = true;
        Ok((count, until))
    }

    /// Whether nearly everything in the last file is confirmed, nothing else is left, and what is
    /// not confirmed has not been promised to outlive the machine.
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

    /// Begins the last file anew with what is not confirmed in it.
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

    /// Tells where the messages end.
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

    /// Cuts off what is left of messages behind the end of the last file.
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

/// Writes what lies in two places, one behind the other.
fn write_both_at(file: &File, one: &[u8], other: &[u8], offset: u64) -> io::Result<()> {
    let both = [IoSlice::new(one), IoSlice::new(other)];
    let len = pwritev(file, &both, i64::try_from(offset).map_err(io::Error::other)?)?;
    let (one, rest) = (one.get(len..).unwrap_or_default(), len.saturating_sub(one.len()));
    file.write_all_at(one, offset + len as u64)?;
    let other = other.get(rest..).unwrap_or_default();
    file.write_all_at(other, offset + (len + one.len()) as u64)
}
