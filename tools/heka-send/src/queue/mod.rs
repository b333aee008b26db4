// SPDX-License-Identifier: MIT OR Apache-2.0
//! A queue of messages on disk, for sources that cannot be read again.
//!
//! ```text
//! DIR/0.log  1.log  2.log …    framed messages in blocks (heka-stream(5))
//! DIR/end                      where they end in the last file
//! DIR/cursor                   how far the far end has acknowledged them
//! ```
//!
//! Messages are appended to the last file with one write(2) a block; a file that has reached its
//! size is followed by the next number, and removed once everything in it is acknowledged. While
//! the far end keeps up, the only file is begun anew where it lies as soon as nearly everything in
//! it is acknowledged: the same few pages are written again and again, which costs much less than
//! new ones and keeps the disk quiet.
//!
//! What is appended survives the death of the process at once, and that of the machine after
//! [`Queue::sync`] or the end of what [`Queue::sync_soon`] began, which is called about once a
//! second. After a restart of the machine a file that was begun anew counts as far as it was
//! synced.
//!
//! Messages are numbered as they are handed out. The numbers and the name of the stream are the
//! same after a restart, so that a receiver that has them already recognises them. After a restart
//! of the machine the end of the queue may be missing and its numbers would be given to other
//! messages: then the stream gets another name. So it does if something of the queue is missing,
//! and in a copy of the directory.
//!
//! Messages have another number in their block, of which none is ever used twice: what is missing
//! is noticed by these.

mod append;
mod batch;
mod cursor;
mod end;
mod files;
mod found;
mod keeper;
mod read;
mod survey;

use std::collections::VecDeque;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use append::Clearing;
use cursor::Cursor;
use end::EndFile;
use files::name_of;
use found::Found;
use keeper::{Job, Keeper};
use survey::{Gap, blocks_of};

use heka_core::delivery::blocks::{Blocks, Piece};
use heka_core::delivery::is_full;
use heka_core::os::PrivateDir;
use heka_core::report::{Explain as _, Stop, stats};

/// How large a queue may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes that wait to be acknowledged.
    pub(crate) size: u64,
    /// Bytes of one file.
    pub(crate) file_size: u64,
    /// Longest message.
    pub(crate) message_size: usize,
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    file: u64,
    offset: u64,
}

/// What was handed out is on disk up to a place.
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
    /// Its descriptor holds the lock.
    dir: Arc<PrivateDir>,
    limits: Limits,
    cursor: Cursor,
    /// Sizes of the files from `cursor.place.file` on; the last one is written to.
    sizes: VecDeque<u64>,
    writer: File,
    end_file: EndFile,
    /// Where a file was begun anew last, and the number of the message before.
    begun: Mark,
    /// Number of the last message in its block.
    appended: u64,
    /// What was missing when the queue was opened, and is not passed yet.
    gaps: VecDeque<Gap>,
    /// Whether something was.
    has_lost: bool,
    /// What is before has been synced, or will be by the sync that is under way.
    synced: Place,
    /// How long the last file is on disk; what is behind its end does not count.
    extent: u64,
    clearing: Clearing,
    /// Complete files that were not synced yet, with their numbers.
    unsynced: VecDeque<(u64, File)>,
    /// Files that are acknowledged and can go once the cursor says so.
    acknowledged: Vec<String>,
    keeper: Keeper,
    /// What is handed out next.
    read_at: Place,
    reader: Option<(u64, Blocks)>,
    /// Number of the last message handed out, and by how much that in its block is ahead.
    last: u64,
    lost: u64,
    /// Up to there an earlier process may have sent what is queued, and the number of the last
    /// message before, once it is handed out.
    inherited: Result<u64, Place>,
    /// For what is handed out and not acknowledged.
    marks: VecDeque<Mark>,
    /// Number of the last message that is safe with the far end, and of the last that was handed
    /// out and is no longer on disk.
    delivered: u64,
    dropped: u64,
    buffer: Vec<u8>,
    is_unsaved: bool,
    is_unsynced: bool,
}

impl Queue {
    /// Opens the queue in `dir`, which is made if it is not there. A record that a crash has torn
    /// is cut off and reported.
    ///
    /// # Errors
    /// `DIR: in use by another process`, or the system's, status 1. Status 2 if others can write to
    /// the directory, or something else than a file of a queue is in the place of one.
    pub(crate) fn open(dir: &Path, limits: Limits) -> Result<Self, Stop> {
        let subject = dir.display();
        let found = Found::open(dir, &limits)?;
        let Found { dir, files, cursor, end_file, end, survey, sizes, writer } = found;
        let last = cursor.place.file + (sizes.len() as u64).saturating_sub(1);
        let mut queue = Self {
            dir: Arc::clone(&dir),
            limits,
            read_at: cursor.place,
            last: cursor.number,
            lost: cursor.lost,
            inherited: Ok(cursor.number),
            extent: sizes.back().copied().unwrap_or(0),
            sizes,
            writer,
            end_file,
            begun: Mark { number: end.number, place: end.begun, lost: end.lost },
            appended: survey.last,
            gaps: survey.gaps,
            has_lost: survey.has_lost,
            cursor,
            synced: Place::default(),
            clearing: Clearing::Nothing,
            // An earlier process may not have come to it.
            unsynced: files.into_iter().collect(),
            acknowledged: Vec::new(),
            keeper: Keeper::start(dir),
            reader: None,
            marks: VecDeque::new(),
            delivered: 0,
            dropped: 0,
            buffer: Vec::new(),
            is_unsaved: true,
            is_unsynced: true,
        };
        queue.synced = queue.end();
        if queue.has_unread() {
            queue.inherited = Err(queue.end());
        }
        // From now on the line counts, so it has to be true.
        match queue.note_end(queue.end()) {
            Err(error) if is_full(&error) => queue.end_file.clear().at(&subject)?,
            other => other.at(&subject)?,
        }
        if last < queue.cursor.first_file {
            // What is appended goes into blocks.
            queue.begin_next().at(&subject)?;
        }
        queue.sync()?;
        Ok(queue)
    }

    /// Whether messages are missing that no crash of the machine can have taken.
    pub(crate) fn has_lost(&self) -> bool {
        self.has_lost
    }

    /// Name of the stream that the numbers belong to.
    pub(crate) fn stream_id(&self) -> [u8; 16] {
        self.cursor.stream_id
    }

    /// What the key of the stream is made of.
    pub(crate) fn seed(&self) -> [u8; 32] {
        self.cursor.seed
    }

    /// Number of the last message that an earlier process may have sent; `None` if that is not
    /// known yet.
    pub(crate) fn inherited(&self) -> Option<u64> {
        self.inherited.ok()
    }

    /// Number of the last message that is acknowledged.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.cursor.number
    }

    /// Bytes that wait to be acknowledged.
    pub(crate) fn len(&self) -> u64 {
        self.sizes.iter().sum::<u64>().saturating_sub(self.cursor.place.offset)
    }

    /// Whether everything is acknowledged.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether more may be appended.
    pub(crate) fn has_room(&self) -> bool {
        self.len() < self.limits.size
    }

    /// Whether there is something to hand out.
    pub(crate) fn has_unread(&self) -> bool {
        self.read_at < self.end()
    }

    /// Everything up to this number is safe with the far end. Files that are done with are removed
    /// soon.
    ///
    /// # Errors
    /// As [`Queue::sync_soon`].
    pub(crate) fn acknowledge(&mut self, number: u64) -> Result<(), Stop> {
        self.delivered = number;
        while self.marks.front().is_some_and(|mark| mark.number <= number)
            && let Some(mark) = self.marks.pop_front()
        {
            (self.cursor.number, self.cursor.lost) = (mark.number, mark.lost);
            self.advance_to(mark.place);
        }
        if self.acknowledged.is_empty() { Ok(()) } else { self.sync_soon() }
    }

    fn advance_to(&mut self, place: Place) {
        self.is_unsaved |= place != self.cursor.place;
        for file in self.cursor.place.file..place.file {
            self.sizes.pop_front();
            self.acknowledged.push(name_of(file));
            if self.unsynced.front().is_some_and(|(number, _)| *number <= file) {
                self.unsynced.pop_front();
            }
            // A removed file takes room on the disk as long as somebody has it open.
            self.reader.take_if(|(open, _)| *open <= file);
        }
        self.cursor.place = place;
    }

    /// Drops the oldest file and returns how many messages were lost by that; `None` if there is
    /// only the one that is written to. What has been handed out already is not lost as long as the
    /// process lives ([`Queue::unkept`]).
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn drop_oldest(&mut self) -> Result<Option<u64>, Stop> {
        let oldest = self.cursor.place.file;
        if oldest == self.end().file {
            return Ok(None);
        }
        let mut dropped = 0;
        let before = self.last;
        while self.read_at.file == oldest && self.read_at.offset < self.size_of(oldest) {
            self.read(&mut |_, _| {
                dropped += 1;
                Ok(())
            })?;
            if self.read_at.file != oldest {
                break;
            }
        }
        // Nobody has seen the numbers of those.
        self.lost += self.last - before;
        self.last = before;
        let start = Place { file: oldest + 1, offset: 0 };
        let is_gone = |mark: &&Mark| mark.place <= start && mark.number <= before;
        let gone = self.marks.iter().filter(is_gone).map(|mark| mark.number).max();
        self.dropped = self.dropped.max(gone.unwrap_or(0));
        self.marks.retain(|mark| mark.place > start && mark.number <= before);
        self.read_at = self.read_at.max(start);
        // What this process has numbered keeps its numbers, and its name with the peers. The next
        // one counts without what is dropped here: it needs another name.
        self.cursor.rename_stream();
        self.cursor.lost = self.number_before(start)?.saturating_sub(self.cursor.number);
        self.advance_to(start);
        // The room is wanted now.
        self.sync()?;
        Ok(Some(dropped))
    }

    /// Number of the message before the first of a file, in its block.
    fn number_before(&self, start: Place) -> Result<u64, Stop> {
        let (name, end) = (name_of(start.file), self.size_of(start.file));
        let (path, limit) = (self.dir.path_of(&name), self.limits.message_size);
        if start.file >= self.cursor.first_file && end > 0 {
            let mut blocks = blocks_of(self.dir.open_file(&name), &path, 0, true, limit)?;
            while let Some(piece) = blocks.next(end).at(path.display())? {
                if let Piece::Frames { before: Some(before), .. } = piece {
                    return Ok(before);
                }
            }
        }
        Ok(if start == self.end() { self.appended } else { self.last + self.lost })
    }

    /// How many messages were handed out and dropped and are not acknowledged: they are lost with
    /// this process.
    pub(crate) fn unkept(&self) -> u64 {
        self.dropped.saturating_sub(self.delivered)
    }

    /// Leaves the files with nothing but messages in them, none if all are acknowledged, and syncs
    /// them.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn close(&mut self) -> Result<(), Stop> {
        self.sync()?;
        if self.is_empty() && self.cursor.place.file == self.end().file {
            // First, so that a full disk has room for the rest.
            self.cut_at(0).at(self.dir.display())?;
            self.begin_anew().at(self.dir.display())?;
        }
        self.cut_rest().at(self.dir.display())
    }

    /// Makes what was appended and is not acknowledged, and how far that is, outlive the machine.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn sync(&mut self) -> Result<(), Stop> {
        stats::blocked_while(stats::On::Disk, || {
            self.keeper.finish()?;
            self.sync_soon()?;
            self.keeper.finish()
        })
    }

    /// The same, without waiting for the disk; nothing if it is still busy with the last time.
    ///
    /// # Errors
    /// The system's, also those of the last time.
    pub(crate) fn sync_soon(&mut self) -> Result<(), Stop> {
        if self.keeper.is_busy()? || !self.is_dirty() {
            return Ok(());
        }
        self.clearing = Clearing::Nothing;
        let mut sync: Vec<File> = self.unsynced.drain(..).map(|(_, file)| file).collect();
        if std::mem::take(&mut self.is_unsynced) && !self.is_empty() {
            sync.push(self.writer.try_clone().at(self.dir.display())?);
            self.synced = self.end();
            self.cursor.stored = self.appended;
            self.is_unsaved = true;
        }
        let promised = Some(self.end()).filter(|end| self.extent > end.offset);
        let cursor = std::mem::take(&mut self.is_unsaved)
            .then(|| Cursor { promised, ..self.cursor.clone() });
        let remove = std::mem::take(&mut self.acknowledged);
        self.keeper.start_job(Job { sync, cursor, remove });
        Ok(())
    }

    /// Whether [`Queue::sync`] has something to do.
    pub(crate) fn is_dirty(&self) -> bool {
        self.is_unsynced || self.is_unsaved
    }
}

#[cfg(test)]
mod tests;
