// SPDX-License-Identifier: MIT OR Apache-2.0
//! One log: the file being read, files left behind that may still get late lines, and the way from
//! one to the next.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::file::{Around, Block, OpenFile, Pulled};
use super::find::{Candidate, find, open_first};
use super::identity::Identity;
use super::position::{FilePosition, next_generation};
use super::rotated::files_of;
use super::{Chunk, Options, Reason};
use crate::diag;
use crate::exit::{Cause as _, Stop};

/// Blocks read from one stream before others get their turn.
const TURN: u32 = 16;
/// How many files that are done with are remembered.
const DONE: usize = 64;
/// How often files left behind are looked at for late lines.
const LATE_PERIOD: Duration = Duration::from_millis(250);

/// What a stream is looked at with.
pub struct Look<'a> {
    /// How streams are followed.
    pub options: &'a Options,
    /// What files are read through.
    pub block: &'a mut Block,
    /// Whether names may have changed, not only contents.
    pub names: bool,
    /// The time.
    pub now: Instant,
    /// Takes the bytes and tells how many of them are used up.
    pub consume: &'a mut dyn FnMut(&mut Chunk<'_>) -> Result<usize, Stop>,
}

impl std::fmt::Debug for Look<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Look").field("names", &self.names).finish_non_exhaustive()
    }
}

/// What looking at a stream came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// There is more to read now.
    More,
    /// Everything there is has been read.
    Idle,
    /// There is no file, or it cannot be read; words on that were said.
    Missing,
}

/// One log and how far it has been read.
#[derive(Debug)]
pub struct Stream {
    name: String,
    files: Files,
    current: Option<OpenFile>,
    left: Vec<Left>,
    queue: VecDeque<Candidate>,
    done: VecDeque<Identity>,
    is_new: bool,
    trouble: Option<String>,
    late_at: Instant,
    last_data: Instant,
    pressed: bool,
    /// Since when no file has had the name of the current one.
    nameless: Option<Instant>,
}

/// Where the files of a stream are found.
#[derive(Debug)]
enum Files {
    /// A name, and the rotated files beside it.
    Named(PathBuf),
}

/// A file left behind.
#[derive(Debug)]
struct Left {
    file: OpenFile,
    until: Instant,
}

impl Stream {
    /// The log at `path`; `name` is for people.
    pub fn named(name: impl Into<String>, path: PathBuf) -> Self {
        let now = Instant::now();
        Self {
            name: name.into(),
            files: Files::Named(path),
            current: None,
            left: Vec::new(),
            queue: VecDeque::new(),
            done: VecDeque::new(),
            is_new: true,
            trouble: None,
            late_at: now,
            last_data: now,
            pressed: false,
            nameless: None,
        }
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path under which new data is expected.
    pub fn path(&self) -> &Path {
        match &self.files {
            Files::Named(path) => path,
        }
    }

    /// Where it stands: the positions of its files, oldest first.
    pub fn position(&self) -> Vec<FilePosition> {
        let left = self.left.iter().map(|left| left.file.position());
        left.chain(self.current.as_ref().map(OpenFile::position)).collect()
    }

    /// Bytes that stand behind the position.
    pub fn lag(&self) -> u64 {
        let queued = self.queue.iter().filter_map(|next| std::fs::metadata(&next.path).ok());
        let left = self.left.iter().map(|left| left.file.lag()).sum::<u64>();
        self.current.as_ref().map_or(0, OpenFile::lag)
            + left
            + queued.map(|metadata| metadata.len()).sum::<u64>()
    }

    /// When it has to be looked at even if nothing happens.
    pub fn deadline(&self, options: &Options) -> Option<Instant> {
        let is_late = !self.left.is_empty() || self.nameless.is_some();
        let late = is_late.then_some(self.late_at);
        let held = self.current.as_ref().is_some_and(|file| file.held() > 0) && !self.pressed;
        let timeout = options.timeout.filter(|_| held).map(|timeout| self.last_data + timeout);
        late.into_iter().chain(timeout).min()
    }

    /// Reads what there is, for a while.
    ///
    /// # Errors
    /// What the consumer says.
    pub fn look(&mut self, look: &mut Look<'_>) -> Result<Seen, Stop> {
        if self.is_new {
            self.begin(look);
        }
        self.look_at_left(look)?;
        for _ in 0..TURN {
            if self.current.is_none() && !self.open_next(look) {
                return Ok(Seen::Missing);
            }
            match self.pull(look)? {
                Ok(Pulled::Data) => {}
                Ok(Pulled::End) => {
                    if !self.advance(look)? {
                        return self.settle(look);
                    }
                }
                Ok(Pulled::Replaced) => self.replaced(look)?,
                Err(error) => {
                    if !self.unreadable(look, &error)? {
                        return Ok(Seen::Missing);
                    }
                }
            }
        }
        Ok(Seen::More)
    }

    /// Delivers what is held at the very end.
    ///
    /// # Errors
    /// What the consumer says.
    pub fn finish(&mut self, look: &mut Look<'_>, reason: Reason) -> Result<(), Stop> {
        let before: Vec<FilePosition> = self.left.iter().map(|left| left.file.position()).collect();
        match &mut self.current {
            Some(file) => file.press(reason, Around::behind(&before), look.consume),
            None => Ok(()),
        }
    }

    /// The first look: where to start.
    fn begin(&mut self, look: &mut Look<'_>) {
        let path = self.path().to_owned();
        // What was rotated before our time is none of our business.
        let older = self.list().into_iter().filter(|file| file.path != path);
        self.done.extend(older.map(|file| file.identity));
        let Some(candidate) = Candidate::at(&path) else {
            self.tell_missing(look.options);
            self.is_new = false;
            return;
        };
        let start = look.options.start.offset(&path, look.options.delimiter);
        match start.and_then(|offset| OpenFile::open(&candidate.path, offset, look.options.gzip)) {
            Ok(file) => self.current = Some(file),
            Err(error) => self.tell(&error.cause()),
        }
        self.is_new = self.current.is_none();
    }

    fn tell_missing(&mut self, options: &Options) {
        let error = std::fs::metadata(self.path()).err();
        let cause = error.map_or_else(|| "Is a directory".to_owned(), |error| error.cause());
        if options.follow {
            self.trouble.get_or_insert_with(|| {
                diag::warning(format_args!("{}: {cause}; waiting for it", self.name));
                cause
            });
        } else {
            self.tell(&cause);
        }
    }

    /// Says what is wrong, once.
    fn tell(&mut self, cause: &str) {
        if self.trouble.as_deref() != Some(cause) {
            diag::error(format_args!("{}: {cause}", self.name));
            self.trouble = Some(cause.to_owned());
        }
    }

    /// All files of the stream, oldest first.
    fn list(&self) -> Vec<Candidate> {
        match &self.files {
            Files::Named(path) => files_of(path),
        }
    }

    fn pull(&mut self, look: &mut Look<'_>) -> Result<io::Result<Pulled>, Stop> {
        let before: Vec<FilePosition> = self.left.iter().map(|left| left.file.position()).collect();
        let Some(file) = &mut self.current else { return Ok(Ok(Pulled::End)) };
        let pulled = file.pull(look.block, Around::behind(&before), look.consume)?;
        if matches!(pulled, Ok(Pulled::Data)) {
            self.last_data = look.now;
            self.pressed = false;
        }
        Ok(pulled)
    }

    /// Everything is read: time for records that wait for their end in vain.
    fn settle(&mut self, look: &mut Look<'_>) -> Result<Seen, Stop> {
        let due = look.options.timeout.is_some_and(|timeout| look.now >= self.last_data + timeout);
        if due && !self.pressed {
            self.pressed = true;
            self.finish(look, Reason::Timeout)?;
        }
        Ok(Seen::Idle)
    }

    /// Opens the file to read next, from its beginning.
    fn open_next(&mut self, look: &Look<'_>) -> bool {
        if self.queue.is_empty() {
            self.queue.extend(Candidate::at(self.path()));
        }
        let Some(next) = self.queue.pop_front() else {
            self.tell_missing(look.options);
            return false;
        };
        match open_first(&next, look.options.gzip) {
            Ok(mut file) => {
                let known = |generation| self.knows(generation);
                while known(file.generation()) {
                    file.set_generation(next_generation(file.generation()));
                }
                if self.trouble.take().is_some() {
                    diag::note(format_args!("{}: can be read now", next.path.display()));
                }
                self.current = Some(file);
                true
            }
            // Another file stands there by now: the next look finds it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.queue.clear();
                false
            }
            Err(error) => {
                self.tell(&error.cause());
                false
            }
        }
    }

    fn knows(&self, generation: u64) -> bool {
        self.left.iter().any(|left| left.file.generation() == generation)
    }

    /// Leaves the current file for the next one, if there is one.
    fn advance(&mut self, look: &mut Look<'_>) -> Result<bool, Stop> {
        if self.queue.is_empty() && std::mem::take(&mut look.names) {
            self.queue = self.newer(look).into();
        }
        if self.queue.is_empty() {
            return Ok(false);
        }
        // Lines written between the last read and the rename.
        while matches!(self.pull(look)?, Ok(Pulled::Data)) {}
        if let Some(file) = self.current.take() {
            diag::note(format_args!("{}: rotated", self.name));
            self.leave(file, look)?;
        }
        Ok(true)
    }

    /// The files that come after the current one, oldest first.
    fn newer(&mut self, look: &Look<'_>) -> Vec<Candidate> {
        let live = Candidate::at(self.path());
        let Some(current) = &self.current else { return Vec::new() };
        match live {
            // Its writer may have it open still, under another name.
            None => {
                self.nameless.get_or_insert(look.now);
                return Vec::new();
            }
            Some(live) => {
                self.nameless = None;
                if live.identity == current.identity() {
                    return Vec::new();
                }
            }
        }
        let mut list = self.list();
        let same = list.iter().position(|file| file.identity == current.identity());
        let position = current.position();
        let index = same.or_else(|| Some(find(&position, &list, look.options.gzip)?.0));
        match index {
            Some(index) => drop(list.drain(..=index)),
            None => list.retain(|file| file.modified >= position.modified),
        }
        list.retain(|file| !self.has_read(file.identity));
        list
    }

    fn has_read(&self, identity: Identity) -> bool {
        self.done.contains(&identity)
            || self.left.iter().any(|left| left.file.identity() == identity)
    }

    /// Keeps a file open for late lines, or is done with it.
    fn leave(&mut self, file: OpenFile, look: &mut Look<'_>) -> Result<(), Stop> {
        if look.options.follow && !file.is_gzip() && !look.options.rotate_wait.is_zero() {
            self.late_at = look.now + LATE_PERIOD.min(look.options.rotate_wait);
            self.left.push(Left { file, until: look.now + look.options.rotate_wait });
            return Ok(());
        }
        self.close(file, look)
    }

    fn close(&mut self, mut file: OpenFile, look: &mut Look<'_>) -> Result<(), Stop> {
        let others = self.position();
        file.press(Reason::End, Around::before(&others), look.consume)?;
        self.done.push_back(file.identity());
        if self.done.len() > DONE {
            self.done.pop_front();
        }
        Ok(())
    }

    /// Reads late lines; closes files whose time is up.
    fn look_at_left(&mut self, look: &mut Look<'_>) -> Result<(), Stop> {
        self.late_at = look.now + LATE_PERIOD;
        for index in 0..self.left.len() {
            let others = self.positions_without(index);
            let Some(left) = self.left.get_mut(index) else { break };
            let around = Around { others: &others, rank: index };
            while matches!(left.file.pull(look.block, around, look.consume)?, Ok(Pulled::Data)) {}
        }
        self.forget_deleted(look)?;
        while self.left.first().is_some_and(|left| left.until <= look.now) {
            let left = self.left.remove(0);
            self.close(left.file, look)?;
        }
        Ok(())
    }

    /// Lets go of a deleted file, whose space is only freed then.
    fn forget_deleted(&mut self, look: &mut Look<'_>) -> Result<(), Stop> {
        let is_due =
            self.nameless.is_some_and(|since| since + look.options.rotate_wait <= look.now);
        if is_due
            && self.current.as_ref().is_some_and(OpenFile::is_deleted)
            && matches!(self.pull(look)?, Ok(Pulled::End))
        {
            self.nameless = None;
            if let Some(file) = self.current.take() {
                self.close(file, look)?;
            }
        }
        Ok(())
    }

    fn positions_without(&self, index: usize) -> Vec<FilePosition> {
        let mut positions = self.position();
        if index < positions.len() {
            positions.remove(index);
        }
        positions
    }

    /// The current file was truncated or rewritten: what was not read of it may be in a copy.
    fn replaced(&mut self, look: &mut Look<'_>) -> Result<(), Stop> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let list = match &self.files {
            Files::Named(path) => files_of(path),
        };
        let found = find(&current.position(), &list, look.options.gzip);
        if let Some((index, copy)) = found {
            let is_copy = copy.identity() != current.identity();
            self.current = Some(copy);
            if is_copy {
                diag::note(format_args!("{}: truncated, copied before", self.name));
                let newer = list.into_iter().skip(index + 1);
                self.queue = newer.filter(|file| !self.has_read(file.identity)).collect();
            }
            return Ok(());
        }
        diag::note(format_args!("{}: truncated", self.name));
        let before: Vec<FilePosition> = self.left.iter().map(|left| left.file.position()).collect();
        current.press(Reason::End, Around::behind(&before), look.consume)?;
        current.rewind();
        Ok(())
    }

    /// Deals with a read error; `true` if there is something else to read.
    fn unreadable(&mut self, look: &mut Look<'_>, error: &io::Error) -> Result<bool, Stop> {
        let Some(file) = &self.current else { return Ok(false) };
        let path = file.path().to_owned();
        if !file.is_gzip() {
            self.tell(&error.cause());
            return Ok(false);
        }
        diag::error(format_args!("{}: {}; the rest is left out", path.display(), error.cause()));
        match self.current.take() {
            Some(file) => self.close(file, look)?,
            None => return Ok(false),
        }
        Ok(!self.queue.is_empty())
    }
}
