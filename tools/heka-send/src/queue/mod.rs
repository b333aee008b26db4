// SPDX-License-Identifier: MIT OR Apache-2.0
//! A queue of messages on disk, for sources that cannot be read again.
//!
//! ```text
//! DIR/0.log  1.log  2.log …    framed messages in blocks (heka-stream(5))
//! DIR/end                      the end of the messages in the last file
//! DIR/cursor                   how far the far end has acknowledged them
//! ```
//!
//! Messages are appended to the last file with one write(2) per block. A file that has reached its
//! size is followed by the next number, and removed once everything in it is acknowledged. While
//! the far end keeps up, the only file is started over in place as soon as nearly everything in it
//! is acknowledged: the same few pages are written again and again, which is much cheaper than new
//! ones and keeps the disk quiet.
//!
//! Appended messages survive the death of the process at once. They survive a crash of the system
//! after [`Queue::sync`], or after two ticks ([`Queue::tick`]), that is, a second, unless they are
//! acknowledged by then. After a restart of the system, a file that was started over is valid up to
//! the point where it was synced.
//!
//! Messages are numbered as they are read from the queue. The numbers and the name of the stream
//! are the same after a restart, so that a receiver that has them already recognises them. After a
//! restart of the system, the end of the queue may be missing and its numbers would be given to
//! other messages: then the stream gets another name. The same happens if something of the queue is
//! missing, and in a copy of the directory.
//!
//! Messages have other numbers in their blocks, none of which is ever used twice: missing messages
//! are noticed by these.

mod batch;
mod cursor;
mod end;
mod files;
mod found;
mod keeper;
mod log;
mod reader;
mod safety;
mod survey;

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;

use cursor::Cursor;
use files::name_of;
use found::Found;
use log::Log;
use reader::Reader;
use safety::Safety;
pub(crate) use safety::TICK;

use heka_core::delivery::claim::Seed;
use heka_core::delivery::is_full;
use heka_core::delivery::queue_end::{NO_BOOT, Place};
use heka_core::os::PrivateDir;
use heka_core::report::{Explain as _, Stop, stats};
use heka_core::wire::Frame;

/// A file of at least this size, a block of input, is started over, if possible: a small part of it
/// stays in the cache of a processor.
const ENOUGH: u64 = 64 * 1024;

/// Limits of a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Maximum number of unacknowledged bytes.
    pub(crate) size: u64,
    /// Maximum size of a file in bytes.
    pub(crate) file_size: u64,
    /// Maximum length of a message in bytes.
    pub(crate) message_size: usize,
}

/// A position up to which messages have been read, with their numbers.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// Number of the last message.
    number: u64,
    place: Place,
    /// See [`Cursor::lost`].
    lost: u64,
}

/// Messages on disk. See the module.
#[derive(Debug)]
pub(crate) struct Queue {
    /// Holds the lock.
    dir: Arc<PrivateDir>,
    limits: Limits,
    cursor: Cursor,
    log: Log,
    reader: Reader,
    /// Whether something was missing when the queue was opened.
    has_lost: bool,
    safety: Safety,
    /// Position up to which an earlier process may have sent messages, or the number of the last
    /// message before it, once that has been read.
    inherited: Result<u64, Place>,
    /// Messages that have been read and not acknowledged.
    marks: VecDeque<Mark>,
    /// Number of the last message that is safe with the far end, and of the last one that was read
    /// and is no longer on disk.
    delivered: u64,
    dropped: u64,
}

impl Queue {
    /// Opens the queue in `dir`, which is created if it does not exist. An incomplete record after
    /// a crash is removed and reported.
    ///
    /// # Errors
    /// `DIR: in use by another process`, or any I/O error, status 1. Status 2 if others can write
    /// to the directory, or a file in it is not one of a queue.
    pub(crate) fn open(dir: &Path, limits: Limits) -> Result<Self, Stop> {
        let subject = dir.display();
        let Found { dir, cursor, log, survey } = Found::open(dir, &limits)?;
        let Cursor { place, number, lost, first_file, .. } = cursor;
        let begin = Mark { number, place, lost };
        let has_unread = place < log.end();
        let mut queue = Self {
            dir: Arc::clone(&dir),
            limits,
            reader: Reader::new(
                Arc::clone(&dir),
                limits.message_size,
                first_file,
                begin,
                survey.gaps,
            ),
            inherited: if has_unread { Err(log.end()) } else { Ok(number) },
            safety: Safety::new(dir, log.end()),
            log,
            has_lost: survey.has_lost,
            cursor,
            marks: VecDeque::new(),
            delivered: 0,
            dropped: 0,
        };
        queue.begin().at(&subject)?;
        if queue.cursor.is_fresh {
            // Not synced: a crash of the system can only destroy what nobody has been told.
            queue.cursor.put(&queue.dir).at(&subject)?;
            queue.safety.sync_soon(&mut queue.cursor, &mut queue.log)?;
        } else {
            queue.sync()?;
        }
        Ok(queue)
    }

    /// Prepares the files for appending.
    fn begin(&mut self) -> io::Result<()> {
        // The line is valid from now on, so it has to be true.
        match self.log.note_end(self.log.end()) {
            Err(error) if is_full(&error) => self.log.end_file.clear()?,
            other => other?,
        }
        // Messages are appended in blocks.
        let is_old = self.log.end().file < self.cursor.first_file;
        if is_old { self.log.begin_next() } else { Ok(()) }
    }

    /// Whether messages are missing that a crash of the system cannot have destroyed.
    pub(crate) fn has_lost(&self) -> bool {
        self.has_lost
    }

    /// Returns the name of the stream that the numbers belong to.
    pub(crate) fn stream_id(&self) -> [u8; 16] {
        self.cursor.stream_id
    }

    /// Returns the seed of the stream's key.
    pub(crate) fn seed(&self) -> &Seed {
        &self.cursor.seed
    }

    /// Returns the number of the last message that an earlier process may have sent; `None` if that
    /// is not known yet.
    pub(crate) fn inherited(&self) -> Option<u64> {
        self.inherited.ok()
    }

    /// Returns the number of the last acknowledged message.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.cursor.number
    }

    /// Returns the number of unacknowledged bytes.
    pub(crate) fn len(&self) -> u64 {
        self.log.len_behind(self.cursor.place)
    }

    /// Whether everything is acknowledged.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether more may be appended.
    pub(crate) fn has_room(&self) -> bool {
        self.len() < self.limits.size
    }

    /// Whether the last file is to be started over, if possible.
    pub(crate) fn has_enough(&self) -> bool {
        self.log.end().offset >= ENOUGH.min(self.limits.file_size / 2)
    }

    /// Whether there are messages to read.
    pub(crate) fn has_unread(&self) -> bool {
        self.reader.at < self.log.end()
    }

    /// Notes that everything up to this number is safe with the far end. Files that are no longer
    /// needed are removed soon.
    ///
    /// # Errors
    /// As [`Queue::tick`].
    pub(crate) fn acknowledge(&mut self, number: u64) -> Result<(), Stop> {
        self.delivered = number;
        while self.marks.front().is_some_and(|mark| mark.number <= number)
            && let Some(mark) = self.marks.pop_front()
        {
            (self.cursor.number, self.cursor.lost) = (mark.number, mark.lost);
            self.advance_to(mark.place);
        }
        if self.is_empty() {
            // What is missing at the end is passed, too.
            self.cursor.lost = self.log.appended.saturating_sub(self.cursor.number);
            self.reader.pass(0, &self.log);
        }
        if self.safety.acknowledged.is_empty() {
            return Ok(());
        }
        self.safety.sync_soon(&mut self.cursor, &mut self.log)
    }

    fn advance_to(&mut self, place: Place) {
        self.safety.is_unsaved |= place != self.cursor.place;
        self.safety.acknowledged.extend((self.cursor.place.file..place.file).map(name_of));
        self.log.forget_before(place.file);
        self.reader.forget_before(place.file);
        self.cursor.place = place;
    }

    /// Appends frames that end at `ends`, as many as fit on the disk; returns their number.
    ///
    /// # Errors
    /// Any I/O error; incomplete writes are undone.
    pub(crate) fn append(&mut self, frames: &[u8], ends: &[usize]) -> Result<usize, Stop> {
        stats::blocked_while(stats::On::Disk, || {
            if self.has_enough()
                && self.can_begin_anew()
                && self.safety.keeper.is_cleared(&self.cursor)?
            {
                match self.begin_anew() {
                    Err(error) if is_full(&error) => return Ok(0),
                    begun => begun.at(self.dir.display())?,
                }
            }
            self.log.append(frames, ends).at(self.dir.display())
        })
    }

    /// Whether nearly everything in the last file is acknowledged, there are no other files, and
    /// the rest has not been promised to survive a crash of the system.
    fn can_begin_anew(&self) -> bool {
        let (place, end) = (self.cursor.place, self.log.end());
        place.file == end.file
            && place >= self.safety.synced
            && self.cursor.boot != NO_BOOT
            && self.reader.at == end
            && end.offset - place.offset <= end.offset / 8
    }

    /// Starts the last file over with its unacknowledged messages.
    fn begin_anew(&mut self) -> io::Result<()> {
        let Cursor { place, number, lost, .. } = self.cursor;
        self.log.begin_anew(Mark { number, place, lost })?;
        self.reader.begin_anew(&self.log);
        let start = Place { offset: 0, ..place };
        self.cursor.place = start;
        (self.safety.synced, self.safety.is_unsaved) = (start, true);
        for mark in &mut self.marks {
            mark.place.offset = mark.place.offset.saturating_sub(place.offset);
        }
        self.log.cut_surplus()
    }

    /// Skips the last `count` messages appended, which the caller has in memory, and gives them the
    /// next numbers; all messages before them must have been read.
    pub(crate) fn pass(&mut self, count: u64) {
        self.reader.pass(count, &self.log);
        self.marks.push_back(self.reader.mark());
    }

    /// Reads some messages in order. Each gets the next number and is passed to `receive` with it.
    ///
    /// # Errors
    /// Any I/O error, and any error of `receive`; a block that was damaged after the queue was
    /// opened.
    pub(crate) fn read(
        &mut self,
        receive: &mut impl FnMut(u64, &Frame<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        self.reader.read(&self.log, receive)?;
        if self.inherited.is_err_and(|end| self.reader.at >= end) {
            self.inherited = Ok(self.reader.last);
        }
        self.marks.push_back(self.reader.mark());
        Ok(())
    }

    /// Drops the oldest file and returns how many messages were lost by that; `None` if there is
    /// only the file being written. Messages that have been read already are not lost as long as
    /// the process lives ([`Queue::unkept`]).
    ///
    /// # Errors
    /// Any I/O error.
    pub(crate) fn drop_oldest(&mut self) -> Result<Option<u64>, Stop> {
        let oldest = self.cursor.place.file;
        if oldest == self.log.end().file {
            return Ok(None);
        }
        let dropped = self.reader.skip(oldest, &self.log)?;
        let start = Place { file: oldest + 1, offset: 0 };
        let is_gone = |mark: &&Mark| mark.place <= start;
        let gone = self.marks.iter().filter(is_gone).map(|mark| mark.number).max();
        self.dropped = self.dropped.max(gone.unwrap_or(0));
        self.marks.retain(|mark| mark.place > start);
        // Messages numbered by this process keep their numbers, and the stream its name with the
        // peers. The next process will count without the dropped messages, so it needs another
        // name.
        self.cursor.rename_stream();
        let number = self.reader.number_before(start.file, &self.log)?;
        self.cursor.lost = number.saturating_sub(self.cursor.number);
        self.advance_to(start);
        // The space is needed now.
        self.sync()?;
        Ok(Some(dropped))
    }

    /// Returns how many messages were read, dropped and not acknowledged: they are lost with this
    /// process.
    pub(crate) fn unkept(&self) -> u64 {
        self.dropped.saturating_sub(self.delivered)
    }

    /// Removes everything but messages from the files (all files if everything is acknowledged),
    /// and syncs them. If no message is left, and the disk promises none, nothing is synced: the next
    /// process finds in `DIR/end` how much is acknowledged.
    ///
    /// # Errors
    /// Any I/O error.
    pub(crate) fn close(&mut self) -> Result<(), Stop> {
        let file = self.log.end().file;
        let is_done = self.is_empty() && self.cursor.place.file == file;
        if !is_done || !self.safety.promises_nothing(file)? {
            self.sync()?;
        }
        if is_done {
            let mut begun = self.begin_anew();
            if begun.as_ref().is_err_and(is_full) {
                // The files have the room for it.
                begun = self.log.cut_at(0).and_then(|()| self.begin_anew());
            }
            begun.at(self.dir.display())?;
        }
        self.log.cut_rest().at(self.dir.display())
    }

    /// Syncs unacknowledged messages and the cursor.
    ///
    /// # Errors
    /// Any I/O error.
    pub(crate) fn sync(&mut self) -> Result<(), Stop> {
        self.safety.sync(&mut self.cursor, &mut self.log)
    }

    /// To be called every [`TICK`]: begins to sync messages queued before the previous call that
    /// are still unacknowledged.
    ///
    /// # Errors
    /// Any I/O error, including those of earlier calls.
    pub(crate) fn tick(&mut self) -> Result<(), Stop> {
        self.safety.tick(&mut self.cursor, &mut self.log)
    }

    /// Whether [`Queue::sync`] has something to do.
    pub(crate) fn is_dirty(&self) -> bool {
        self.safety.is_dirty(&self.log)
    }
}

#[cfg(test)]
mod tests;
