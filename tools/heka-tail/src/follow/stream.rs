// SPDX-License-Identifier: MIT OR Apache-2.0
//! One log: the file being read, files left behind that may still get late lines, and the way from
//! one to the next (see `succession`).

use std::collections::{HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use super::file::{Around, Block, OpenFile, Pulled};
use super::identity::Identity;
use super::left_behind::{Done, Left, Patience};
use super::position::FilePosition;
use super::rotated::files_of;
use super::{Chunk, Options};
use crate::select::find::Candidate;
use crate::select::logstreamer::Selection;
use heka_core::record::More;
use nix::errno::Errno;

use heka_core::report::{self, Cause as _, Stop};

/// Blocks read from one stream before others get their turn.
const TURN: u32 = 16;

/// What a stream is looked at with.
pub(crate) struct Look<'a> {
    /// How streams are followed.
    pub(crate) options: &'a Options,
    /// What files are read through.
    pub(crate) block: &'a mut Block,
    /// Whether names may have changed, not only contents.
    pub(crate) names: bool,
    /// Whether there was something new.
    pub(crate) grew: bool,
    /// Whether something of a file was left out for good.
    pub(crate) lost: bool,
    /// The time.
    pub(crate) now: Instant,
    /// Takes the bytes and tells how many of them are used up.
    pub(crate) consume: &'a mut dyn FnMut(&mut Chunk<'_>) -> Result<usize, Stop>,
}

impl std::fmt::Debug for Look<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Look").field("names", &self.names).finish_non_exhaustive()
    }
}

/// What looking at a stream came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// There is more to read now.
    More,
    /// Everything there is has been read.
    Idle,
    /// There is no file, or it cannot be read; words on that were said.
    Missing,
}

/// What a stream has to do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// Nothing.
    None,
    /// It reads it, whatever its name is by now.
    Reads,
    /// It has read it so far.
    HasRead(FilePosition),
}

/// One log and how far it has been read.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(crate) files: Files,
    pub(crate) current: Option<OpenFile>,
    pub(crate) left: Vec<Left>,
    /// Files to read after the current one, oldest first.
    pub(crate) queue: VecDeque<Candidate>,
    /// Files that are not to be read (again), unless they are written to.
    pub(crate) done: VecDeque<Done>,
    /// Generations that a file read from its beginning must not get again.
    pub(crate) generations: VecDeque<u64>,
    /// Where to go on; used up by the first look.
    pub(crate) resume: Option<Vec<FilePosition>>,
    /// Where it went on, until something could be opened.
    pub(crate) origin: Option<Vec<FilePosition>>,
    pub(crate) is_new: bool,
    /// Whether [`Options::start`] is not for it.
    pub(crate) is_late: bool,
    /// A file could not be opened: names are to be looked at again soon.
    pub(crate) recheck: bool,
    trouble: Option<String>,
    /// The current file could not be read.
    is_unreadable: bool,
    pub(crate) late_at: Instant,
    pub(crate) patience: Patience,
    /// Since when no file has had the name of the current one.
    pub(crate) nameless: Option<Instant>,
}

/// Where the files of a stream are found.
#[derive(Debug)]
pub(crate) enum Files {
    /// A name, and the rotated files beside it.
    Named(PathBuf),
    /// What a selection puts into the stream of that name; the newest that was there.
    Selected { selection: Rc<Selection>, newest: PathBuf },
}

impl Stream {
    /// The log at `path`; `name` is for people.
    pub(crate) fn named(name: impl Into<String>, path: PathBuf) -> Self {
        Self::new(name.into(), Files::Named(path))
    }

    /// The stream of that name in `selection`, whose newest file is `newest`.
    pub(crate) fn selected(
        name: impl Into<String>,
        selection: Rc<Selection>,
        newest: PathBuf,
    ) -> Self {
        Self::new(name.into(), Files::Selected { selection, newest })
    }

    fn new(name: String, files: Files) -> Self {
        let now = Instant::now();
        Self {
            name,
            files,
            current: None,
            left: Vec::new(),
            queue: VecDeque::new(),
            done: VecDeque::new(),
            generations: VecDeque::new(),
            resume: None,
            origin: None,
            is_new: true,
            is_late: false,
            recheck: false,
            trouble: None,
            is_unreadable: false,
            late_at: now,
            patience: Patience::new(now),
            nameless: None,
        }
    }

    /// Goes on where `position` says, which is what [`Stream::position`] was.
    #[must_use]
    pub(crate) fn resume(mut self, position: Vec<FilePosition>) -> Self {
        self.resume = Some(position);
        self
    }

    /// Starts at its beginning: it has appeared while others were followed.
    pub(crate) fn appear_late(&mut self) {
        self.is_late = true;
    }

    /// What people call it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The path under which new data is expected.
    pub(crate) fn path(&self) -> &Path {
        match &self.files {
            Files::Named(path) | Files::Selected { newest: path, .. } => path,
        }
    }

    /// What it has to do with a file.
    pub(crate) fn relation(&self, identity: Identity) -> Relation {
        let left = self.left.iter().map(|left| &left.file);
        if left.chain(&self.current).any(|file| file.identity() == identity) {
            return Relation::Reads;
        }
        // Without times of birth another file may have got the inode.
        let mut done = self.done.iter().filter(|_| identity.born != 0);
        let done = done.rfind(|done| done.identity == identity).and_then(|done| done.position);
        done.map_or(Relation::None, Relation::HasRead)
    }

    /// Whether it is one of a selection.
    pub(crate) fn is_selected(&self) -> bool {
        matches!(self.files, Files::Selected { .. })
    }

    /// Whether a file of it is open.
    pub(crate) fn is_open(&self) -> bool {
        self.current.is_some()
    }

    /// Where it stands: the positions of its files, oldest first. Empty if there is none.
    pub(crate) fn position(&self) -> Vec<FilePosition> {
        if let Some(resume) = &self.resume {
            return resume.clone();
        }
        self.open_positions()
    }

    pub(crate) fn open_positions(&self) -> Vec<FilePosition> {
        let mut files = self.left_positions();
        files.extend(self.current.as_ref().map(OpenFile::position));
        files
    }

    pub(crate) fn left_positions(&self) -> Vec<FilePosition> {
        self.left.iter().map(|left| left.file.position()).collect()
    }

    /// Closes all files; what is left is the position.
    pub(crate) fn close_files(&mut self) {
        let position = self.position();
        self.resume = Some(position).filter(|position| !position.is_empty());
        self.current = None;
        self.left.clear();
    }

    /// Bytes that stand behind the position.
    pub(crate) fn lag(&self) -> u64 {
        let queued = self.queue.iter().filter_map(|next| std::fs::metadata(&next.path).ok());
        let left = self.left.iter().map(|left| left.file.lag()).sum::<u64>();
        self.current.as_ref().map_or(0, OpenFile::lag)
            + left
            + queued.map(|metadata| metadata.len()).sum::<u64>()
    }

    /// When it has to be looked at even if nothing happens.
    pub(crate) fn deadline(&self, options: &Options) -> Option<Instant> {
        let is_late = !self.left.is_empty() || self.nameless.is_some() || self.recheck;
        let late = is_late.then_some(self.late_at);
        let left = self.left.iter().map(|left| left.patience.deadline(&left.file, options));
        let current = self.current.as_ref().map(|current| self.patience.deadline(current, options));
        late.into_iter().chain(left.chain(current).flatten()).min()
    }

    /// Reads what there is, for a while.
    ///
    /// # Errors
    /// What the consumer says.
    pub(crate) fn look(&mut self, look: &mut Look<'_>) -> Result<Seen, Stop> {
        look.names |= std::mem::take(&mut self.recheck);
        if self.is_new {
            self.begin(look);
            if self.is_new {
                return Ok(Seen::Missing);
            }
        }
        self.look_at_left(look)?;
        for _ in 0..TURN {
            if self.current.is_none() && !self.open_next(look) {
                return Ok(Seen::Missing);
            }
            let untouched = self.current.as_ref().filter(|file| file.is_untouched());
            let untouched = untouched.map(OpenFile::position);
            match self.pull(look)? {
                Ok(pulled @ (Pulled::Data | Pulled::Rest)) => {
                    // Unchanged since it was found, it was not truncated.
                    let now = self.current.as_ref().map_or(0, OpenFile::modified);
                    if let Some(position) = untouched.filter(|before| now > before.modified) {
                        self.look_for_copies(&position, look);
                        self.look_at_left(look)?;
                    }
                    if pulled == Pulled::Rest && !self.advance(look)? {
                        return self.settle(look);
                    }
                }
                Ok(Pulled::End) => {
                    if let Some(position) = untouched
                        && let Some(file) = &mut self.current
                        && let Some(written) = file.written_since()
                    {
                        file.set_modified(written);
                        self.look_for_copies(&position, look);
                        self.look_at_left(look)?;
                    }
                    if !self.advance(look)? {
                        return self.settle(look);
                    }
                }
                Ok(Pulled::Replaced) => self.replaced(look)?,
                Err(error) => {
                    if !self.unreadable(look, &error)? {
                        self.settle(look)?;
                        return Ok(Seen::Missing);
                    }
                }
            }
        }
        Ok(Seen::More)
    }

    /// Shows what is held of all files once more, at the very end or because time is up.
    ///
    /// # Errors
    /// What the consumer says.
    pub(crate) fn press(&mut self, look: &mut Look<'_>, more: More) -> Result<(), Stop> {
        for index in 0..self.left.len() {
            self.press_left(index, look, more)?;
        }
        self.press_current(look, more)
    }

    pub(crate) fn press_current(&mut self, look: &mut Look<'_>, more: More) -> Result<(), Stop> {
        let before = self.left_positions();
        match &mut self.current {
            Some(file) => file.press(more, Around::behind(&before), look.consume),
            None => Ok(()),
        }
    }

    pub(crate) fn tell_missing(&mut self, options: &Options) {
        let error = std::fs::metadata(self.path()).err();
        let cause = error.map_or_else(|| "Is a directory".to_owned(), |error| error.cause());
        if !options.follow || !options.wait_for_files {
            return self.tell(&cause);
        }
        if self.trouble.is_none() {
            report::warning(format_args!("{}: {cause}; waiting for it", self.name));
            self.trouble = Some(cause);
        }
    }

    /// Says what is wrong, once.
    pub(crate) fn tell(&mut self, cause: &str) {
        if self.trouble.as_deref() != Some(cause) {
            report::error(format_args!("{}: {cause}", self.name));
            self.trouble = Some(cause.to_owned());
        }
    }

    /// What was wrong is over.
    pub(crate) fn tell_mended(&mut self) {
        if self.trouble.take().is_some() {
            report::note(format_args!("{}: can be read now", self.name));
        }
    }

    /// All files of the stream, oldest first.
    pub(crate) fn list(&mut self) -> Vec<Candidate> {
        let mut files = match &mut self.files {
            Files::Named(path) => files_of(path),
            Files::Selected { selection, newest } => {
                let files = selection.files_of(&self.name);
                if let Some(last) = files.last() {
                    newest.clone_from(&last.path);
                }
                files
            }
        };
        // One that is just being renamed may be met under both names.
        let mut met = HashSet::new();
        files.retain(|file| met.insert(file.identity));
        files
    }

    pub(crate) fn pull(&mut self, look: &mut Look<'_>) -> Result<io::Result<Pulled>, Stop> {
        let before = self.left_positions();
        let Some(file) = &mut self.current else { return Ok(Ok(Pulled::End)) };
        let pulled = file.pull(look.block, Around::behind(&before), look.consume)?;
        if matches!(pulled, Ok(Pulled::Data | Pulled::Rest)) {
            look.grew = true;
            self.patience = Patience::new(look.now);
        }
        if pulled.is_ok() && std::mem::take(&mut self.is_unreadable) {
            self.tell_mended();
        }
        Ok(pulled)
    }

    /// Everything is read: time for records that wait for their end in vain.
    fn settle(&mut self, look: &mut Look<'_>) -> Result<Seen, Stop> {
        if let Some(current) = &self.current
            && self.patience.take_due(current, look)
        {
            self.press_current(look, More::Idle)?;
        }
        Ok(Seen::Idle)
    }

    /// Deals with a read error; `true` if there is something else to read.
    fn unreadable(&mut self, look: &mut Look<'_>, error: &io::Error) -> Result<bool, Stop> {
        let Some(file) = self.current.take_if(|file| file.is_gzip()) else {
            return self.endure(look, error);
        };
        let path = file.path().display();
        report::error(format_args!("{path}: {}; the rest is left out", error.cause()));
        look.lost = true;
        self.close(file, look)?;
        Ok(!self.queue.is_empty())
    }

    /// As [`Stream::unreadable`], for a file that may be readable later.
    fn endure(&mut self, look: &mut Look<'_>, error: &io::Error) -> Result<bool, Stop> {
        self.tell(&error.cause());
        self.is_unreadable = true;
        self.recheck = true;
        look.names = true;
        let unread = self.current.as_ref().map(OpenFile::identity);
        if self.advance(look)? {
            look.lost = true;
            if let Some(left) = self.left.pop_if(|left| Some(left.file.identity()) == unread) {
                self.close(left.file, look)?;
            }
            return Ok(true);
        }
        // A file server that was started anew knows old descriptors no more.
        if error.raw_os_error() == Some(Errno::ESTALE as i32) && look.options.by_name {
            self.reopen(look.options.gzip);
        }
        Ok(false)
    }
}
