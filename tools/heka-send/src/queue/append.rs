// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of a queue that messages are appended to.
//!
//! Whatever is done to the last file, the line in `DIR/end` is true before and after it: when the
//! process is killed in between, at most what was being appended is missing, and nobody has been
//! told yet that this is queued.

use std::io;
use std::os::unix::fs::FileExt as _;

use super::cursor::{Cursor, NO_BOOT};
use super::end::End;
use super::files::{name_of, whole_records};
use super::keeper::Job;
use super::{Place, Queue};
use heka_core::delivery::is_full;
use heka_core::report::words::Count;
use heka_core::report::{self, Explain as _, Stop};

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

    /// Appends whole frames. `false` if the disk is full; nothing is appended then.
    ///
    /// # Errors
    /// The system's; what was not written whole is taken back.
    pub(crate) fn append(&mut self, frames: &[u8]) -> Result<bool, Stop> {
        let is_enough = self.end().offset >= ENOUGH.min(self.limits.file_size / 2);
        let begins_anew = is_enough && self.can_begin_anew() && self.is_cleared()?;
        match self.try_append(frames, begins_anew) {
            Ok(()) => Ok(true),
            Err(error) if is_full(&error) => Ok(false),
            Err(error) => Err(error).at(self.dir.display()),
        }
    }

    fn try_append(&mut self, frames: &[u8], begins_anew: bool) -> io::Result<()> {
        if begins_anew {
            self.begin_anew()?;
        }
        let size = frames.len() as u64;
        let limit = self.limits.file_size;
        let is_over = |end: Place| end.offset > 0 && end.offset + size > limit;
        if is_over(self.end()) {
            self.begin_next()?;
        }
        let start = self.end();
        let end = Place { offset: start.offset + size, ..start };
        let written = self.writer.write_all_at(frames, start.offset);
        if let Err(error) = written.and_then(|()| self.note_end(end)) {
            // Half a record would damage the next one.
            let _ = self.cut_at(start.offset);
            return Err(error);
        }
        self.set_end(end.offset);
        self.is_unsynced = true;
        Ok(())
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
        let (Place { file, offset: gone }, number) = (self.cursor.place, self.cursor.number);
        let left = self.end().offset - gone;
        let (start, end) = (Place { file, offset: 0 }, Place { file, offset: left });
        // The cursor on disk may still lie in what is going to be written over.
        let begun = self.cursor.place;
        self.end_file.store(End { place: self.end(), begun, number })?;
        self.begun = (begun, number);
        self.copy_to_front(gone, left)?;
        self.end_file.store(End { place: end, begun: start, number })?;

        self.begun = (start, number);
        (self.cursor.place, self.synced, self.read_at) = (start, start, end);
        self.is_unsaved = true;
        for (_, place) in &mut self.marks {
            place.offset = place.offset.saturating_sub(gone);
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
    fn begin_next(&mut self) -> io::Result<()> {
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
        let (begun, number) = self.begun;
        self.end_file.store(End { place, begun, number })
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

    /// Cuts off what stands behind the last whole record.
    pub(super) fn cut_torn_end(&mut self) -> Result<(), Stop> {
        let end = self.end();
        let start = if end.file == self.cursor.place.file { self.cursor.place.offset } else { 0 };
        let path = self.dir.path_of(&name_of(end.file));
        let whole = whole_records(&self.writer, start, self.limits.message_size);
        let whole = whole.at(path.display())?;
        if whole < end.offset {
            let (path, torn) = (path.display(), Count(end.offset - whole, "byte"));
            report::warning(format_args!("{path}: removed an incomplete record of {torn}"));
            self.cut_at(whole).at(path)?;
            self.set_end(whole);
        }
        Ok(())
    }
}
