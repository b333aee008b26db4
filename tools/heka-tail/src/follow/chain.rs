// SPDX-License-Identifier: MIT OR Apache-2.0
//! The files of a stream in order: the current file, those left behind, those to come.

use std::io;
use std::slice::from_ref;
use std::time::Instant;

use super::chunk::Around;
use super::contents::{Contents, Likeness, original};
use super::file::{OpenFile, Pulled};
use super::files::Files;
use super::history::History;
use super::identity::just_before_now;
use super::late::Late;
use super::look::Look;
use super::loss;
use super::name::Name;
use super::options::Options;
use super::patience::Patience;
use super::position::{FilePosition, next_generation};
use super::queue::Queue;
use super::search::Search;
use super::trouble::Trouble;
use super::truncation;
use crate::numbers;
use crate::select::find::{Candidate, find, open_first};

use heka_core::record::More;
use heka_core::report::{self, Cause as _, Stop};

/// The files of a stream.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) files: Files,
    pub(crate) trouble: Trouble,
    pub(crate) current: Option<OpenFile>,
    pub(crate) late: Late,
    /// Files to read after the current one, oldest first.
    pub(crate) queue: Queue,
    pub(crate) history: History,
    /// Whether a file could not be opened, so that names must be checked again soon.
    pub(crate) recheck: bool,
    /// Since when no file has had the name of the current one.
    pub(crate) nameless: Option<Instant>,
    /// Whether the current file has the stream's name.
    pub(crate) is_live: bool,
    /// Whether the file read last was deleted.
    pub(crate) is_deleted: bool,
    /// Whether nothing has been rotated from it yet.
    pub(crate) is_alone: bool,
    /// Since when the stream has had no file, or only the last one; nanoseconds since 1970.
    since: u64,
    /// The position after which copies may have been missed.
    pub(super) unsure: Option<Box<FilePosition>>,
    patience: Patience,
}

impl Chain {
    /// Creates a stream without open files.
    pub(crate) fn new(name: Name, files: Files) -> Self {
        Self {
            files,
            trouble: Trouble::new(name),
            current: None,
            late: Late::default(),
            queue: Queue::default(),
            history: History::default(),
            recheck: false,
            nameless: None,
            is_live: true,
            is_deleted: false,
            is_alone: false,
            since: just_before_now(),
            unsure: None,
            patience: Patience::new(Instant::now()),
        }
    }

    /// Returns the positions of all open files, oldest first, and of some finished ones.
    pub(crate) fn positions(&self) -> Vec<FilePosition> {
        let current = self.current_position();
        let finished = self.history.finished_beside(current);
        self.late.positions().into_iter().chain(finished).chain(current).collect()
    }

    fn current_position(&self) -> Option<FilePosition> {
        self.current.as_ref().map(OpenFile::position)
    }

    /// Returns when a record has waited long enough for its end.
    pub(crate) fn deadline(&self, options: &Options) -> Option<Instant> {
        let held = self.current.as_ref().and_then(|file| self.patience.deadline(file, options));
        held.into_iter().chain(self.late.deadline(options)).min()
    }

    pub(crate) fn search<'a>(&'a mut self, options: &'a Options) -> Search<'a> {
        Search { files: &mut self.files, history: &self.history, late: &self.late, options }
    }

    /// Presents the held data of all files again.
    ///
    /// # Errors
    /// Errors of the consumer.
    pub(crate) fn press(&mut self, look: &mut Look<'_>, more: More) -> Result<(), Stop> {
        self.late.press(self.current_position(), look, more)?;
        self.press_current(look, more)
    }

    pub(super) fn press_current(&mut self, look: &mut Look<'_>, more: More) -> Result<(), Stop> {
        let before = self.late.positions();
        match &mut self.current {
            Some(file) => file.press(more, Around::behind(&before), look.consume),
            None => Ok(()),
        }
    }

    /// Reads a block of the current file.
    ///
    /// # Errors
    /// A read error inside, or errors of the consumer.
    pub(crate) fn pull(&mut self, look: &mut Look<'_>) -> Result<io::Result<Pulled>, Stop> {
        let before = self.late.positions();
        let Some(file) = &mut self.current else { return Ok(Ok(Pulled::End)) };
        let pulled = file.pull(look.block, Around::behind(&before), look.consume)?;
        if matches!(pulled, Ok(Pulled::Data | Pulled::Rest)) {
            look.grew = true;
            self.patience = Patience::new(look.now);
        }
        Ok(pulled)
    }

    /// Called when everything is read: handles records that wait for their end in vain.
    ///
    /// # Errors
    /// Errors of the consumer.
    pub(crate) fn settle(&mut self, look: &mut Look<'_>) -> Result<(), Stop> {
        let Some(current) = &self.current else { return Ok(()) };
        if self.patience.take_due(current, look.options, look.now) {
            self.press_current(look, More::Idle)?;
        }
        truncation::note_empty(self);
        self.current.iter_mut().for_each(OpenFile::rest_if_quiet);
        Ok(())
    }

    /// Reads late lines.
    ///
    /// # Errors
    /// Errors of the consumer.
    pub(crate) fn look_at_late(&mut self, look: &mut Look<'_>) -> Result<(), Stop> {
        if let Some(position) = self.unsure.take_if(|_| !self.is_alone) {
            return truncation::read_copies(self, &position, look);
        }
        self.look_at_open(look)
    }

    pub(super) fn look_at_open(&mut self, look: &mut Look<'_>) -> Result<(), Stop> {
        if !self.late.is_empty() {
            self.late.look(self.current_position(), &mut self.history, look)?;
        }
        self.let_go_of_deleted(look)
    }

    /// Closes a deleted file, which frees its space.
    fn let_go_of_deleted(&mut self, look: &mut Look<'_>) -> Result<(), Stop> {
        let wait = look.options.rotate_wait;
        if self.nameless.is_none_or(|since| since + wait > look.now) {
            return Ok(());
        }
        if self.files.newest().is_some() {
            // A file has appeared since the last check, and there may be more in between.
            self.nameless = None;
            look.names = true;
            return Ok(());
        }
        if self.current.as_ref().is_some_and(OpenFile::is_deleted)
            && matches!(self.pull(look)?, Ok(Pulled::End))
        {
            self.nameless = None;
            self.is_deleted = true;
            if let Some(file) = self.current.take() {
                self.since = file.position().beginning();
                self.close(file, look)?;
            }
        }
        Ok(())
    }

    /// Finishes a file.
    ///
    /// # Errors
    /// Errors of the consumer.
    pub(crate) fn close(&mut self, mut file: OpenFile, look: &mut Look<'_>) -> Result<(), Stop> {
        let others = self.positions();
        file.press(More::Ended, Around::before(&others), look.consume)?;
        self.history.close(&file);
        Ok(())
    }

    /// Queues the files that have appeared while there was none, even if already rotated.
    pub(crate) fn queue_new(&mut self, look: &mut Look<'_>) {
        if look.options.by_name && !self.is_alone {
            let since = self.since;
            self.queue = self.search(look.options).since(since).into_iter().collect();
        } else {
            self.queue.extend(self.files.newest());
        }
        self.tell_deleted(look);
    }

    /// Takes the first unread file off the queue and opens it. If it has been replaced, or cannot
    /// be opened, the queue is dropped and soon rebuilt.
    pub(crate) fn open_queued(&mut self, options: &Options) -> Option<OpenFile> {
        while let Some(next) = self.queue.pop() {
            // A file that was moved back to its name is continued where reading stopped.
            let at = self.history.take(next.identity);
            if let Some(file) = at.and_then(|at| find(&at, from_ref(&next), options.unpacks)) {
                return Some(file.1);
            }
            match self.likeness(&next, options) {
                Likeness::Other => return self.open_candidate(&next, options),
                Likeness::All(file) => return Some(*file),
                Likeness::Beginning => {}
            }
        }
        None
    }

    /// Compares a queued file with what was read. The current file may have been deleted when the
    /// queue was built, before it was read to its end: its copy could not be recognised then.
    fn likeness(&mut self, next: &Candidate, options: &Options) -> Likeness {
        let known = self.search(options).likeness(next);
        let is_live = next.path == *self.files.path();
        match self.current.as_ref().filter(|current| !is_live && current.is_deleted()) {
            Some(current) => known.or(Contents::of_left(current).likeness(next, options.unpacks)),
            None => known,
        }
    }

    fn open_candidate(&mut self, next: &Candidate, options: &Options) -> Option<OpenFile> {
        match open_first(next, options.unpacks) {
            Ok(mut file) => {
                self.is_deleted = false;
                file.share_path(self.files.shared_path());
                while self.knows(file.generation()) {
                    file.set_generation(next_generation(file.generation()));
                }
                self.trouble.tell_mended();
                Some(file)
            }
            Err(error) => {
                if error.kind() == io::ErrorKind::NotFound {
                    self.history.expect(std::iter::once(next.clone()).chain(self.queue.take()));
                } else {
                    self.trouble.tell(&error.cause());
                }
                self.queue = Queue::default();
                self.recheck = true;
                None
            }
        }
    }

    pub(super) fn knows(&self, generation: u64) -> bool {
        let mut open = self.late.files().chain(&self.current);
        self.history.knows(generation) || open.any(|file| file.generation() == generation)
    }

    /// Leaves the current file for the next one, if there is one.
    ///
    /// # Errors
    /// Errors of the consumer.
    pub(crate) fn advance(&mut self, look: &mut Look<'_>) -> Result<bool, Stop> {
        if self.is_replaced_by_copy(look) {
            return Ok(true);
        }
        if !look.options.by_name || self.queue.is_empty() {
            return Ok(false);
        }
        // Lines written between the last read and the rename, or since a truncation before it.
        let rest = loop {
            match self.pull(look)? {
                Ok(Pulled::Data) => {}
                rest => break rest,
            }
        };
        if matches!(rest, Ok(Pulled::Replaced)) {
            return truncation::replaced(self, look);
        }
        self.go_to_next(look)
    }

    pub(super) fn is_replaced_by_copy(&mut self, look: &mut Look<'_>) -> bool {
        let is_asked = self.queue.is_empty() && std::mem::take(&mut look.names);
        is_asked && self.look_at_names(look)
    }

    pub(super) fn go_to_next(&mut self, look: &mut Look<'_>) -> Result<bool, Stop> {
        let Some(next) = self.open_queued(look.options) else {
            // Files were renamed or deleted: find out where they are.
            look.names |= self.history.is_expecting();
            return Ok(self.history.is_expecting());
        };
        let original = self.current.as_ref().and_then(|copy| original(copy, &next));
        let is_original = original.is_some();
        if let Some(file) = self.current.replace(original.unwrap_or(next)) {
            numbers::ROTATIONS.add(1);
            report::note(format_args!("{}: rotated", self.trouble.name()));
            // A copy may be in progress: its rest must not be read twice, but must be found if the
            // original is truncated before it is read.
            if !is_original {
                self.leave(file, look)?;
            }
        }
        let newest = self.files.newest().map(|newest| newest.identity);
        self.is_live = newest.is_some() && newest == self.current.as_ref().map(OpenFile::identity);
        Ok(true)
    }

    /// Determines whether the current file has the stream's name, and otherwise which files come
    /// after it; `true` if a copy has replaced it.
    fn look_at_names(&mut self, look: &mut Look<'_>) -> bool {
        let Some(current) = &self.current else { return false };
        let newest = self.files.newest();
        let is_nameless = newest.is_none();
        self.is_live = newest.is_some_and(|newest| newest.identity == current.identity());
        // Its writer may still have it open, under another name.
        self.nameless = is_nameless.then(|| self.nameless.unwrap_or(look.now));
        if self.is_live {
            if current.is_outgrown() {
                self.reopen(look.options);
            }
            return false;
        }
        // For many short-lived files, nothing was rotated.
        let is_over = is_nameless && self.is_alone && current.is_deleted();
        if !look.options.by_name || is_over {
            return false;
        }
        // Its copy is recognised by the contents.
        drop(self.current.as_mut().map(OpenFile::wake));
        let Some(current) = &self.current else { return false };
        // Even if no file has the name: there may have been one that was rotated too.
        let (files, history, late) = (&mut self.files, &self.history, &self.late);
        let mut search = Search { files, history, late, options: look.options };
        let newer = search.newer(current);
        self.queue = newer.files.into_iter().collect();
        self.tell_deleted(look);
        if let Some(old) = newer.copy.and_then(|copy| self.current.replace(copy)) {
            report::note(format_args!("{}: replaced by a copy", self.trouble.name()));
            self.history.replaced(&old);
            self.is_live = true;
            return true;
        }
        false
    }

    /// Reports unread files that no longer exist.
    fn tell_deleted(&mut self, look: &mut Look<'_>) {
        if !self.history.is_expecting() {
            return;
        }
        let expected = self.history.take_expected();
        let list = self.files.settled_list(&look.options.rotated_directories);
        let found: Vec<&Candidate> = list.iter().chain(self.queue.iter()).collect();
        for file in loss::deleted(expected, &found) {
            let is_there = self.files.is_there(file.identity, &look.options.rotated_directories);
            if file.len > 0 && !is_there && !self.search(look.options).has_read(&file) {
                loss::tell(look, &file.path, "deleted before it was read", Some(file.len));
            }
        }
    }

    /// Opens the current file again, at its position.
    pub(crate) fn reopen(&mut self, options: &Options) {
        if let Some(position) = self.current_position()
            && let (_, Some((_, file))) = self.search(options).file_at(&position)
        {
            self.current = Some(file);
        }
    }

    /// Keeps a file open for late lines, or finishes it.
    fn leave(&mut self, file: OpenFile, look: &mut Look<'_>) -> Result<(), Stop> {
        // A run that does not follow reads the newest rotated file last.
        let is_last = look.options.goes_on && self.queue.is_empty();
        let grace = look.options.grace(file.modified());
        let grace = if is_last { look.options.rotate_wait } else { grace };
        if file.is_packed() || grace.is_zero() {
            return self.close(file, look);
        }
        let patience = std::mem::replace(&mut self.patience, Patience::new(look.now));
        self.late.push(file, look.now + grace, patience);
        if !look.options.follow {
            // Nothing more is waited for, so finish in order.
            self.late.press(self.current_position(), look, More::Idle)?;
        }
        Ok(())
    }
}
