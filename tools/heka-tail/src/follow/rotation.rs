// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which file of a stream is read first, and which comes next: rotation, truncation, restarts.

use std::io;
use std::slice::from_ref;
use std::time::Instant;

use super::Pulled;
use super::file::OpenFile;
use super::identity::Identity;
use super::left_behind::{Done, LATE_PERIOD, Left, Patience};
use super::position::{FilePosition, WINDOW, next_generation};
use super::start::Start;
use super::stream::{Files, Look, Stream};
use crate::select::find::{Candidate, find, new_copies, open_first};
use heka_core::record::More;
use heka_core::report::{self, Cause as _, Stop};

/// How often files are listed again that are just being renamed.
const ATTEMPTS: u32 = 100;

impl Stream {
    /// The first look: where to start.
    pub(crate) fn begin(&mut self, look: &Look<'_>) {
        self.is_new = false;
        match self.resume.take() {
            Some(position) if !position.is_empty() => self.go_on(&position, look),
            _ => self.start_anew(look),
        }
    }

    /// All files of the stream, oldest first, and the one that `position` speaks of, opened there.
    /// Looks again if files were renamed in the meantime.
    fn search(
        &mut self,
        position: &FilePosition,
        gzip: bool,
    ) -> (Vec<Candidate>, Option<(usize, OpenFile)>) {
        let mut list = self.list();
        for _ in 0..ATTEMPTS {
            let found = self.find(position, &list, gzip);
            let now = self.list();
            if now == list {
                return (list, found);
            }
            list = now;
        }
        let found = self.find(position, &list, gzip);
        (list, found)
    }

    /// As [`find`], but a new file that only begins with the same line is another one.
    fn find(
        &self,
        position: &FilePosition,
        list: &[Candidate],
        gzip: bool,
    ) -> Option<(usize, OpenFile)> {
        // So many bytes do not agree by accident: that is a copy that took the name.
        let is_sure = position.offset >= WINDOW as u64;
        find(position, list, gzip).filter(|(_, file)| {
            is_sure || file.path() != self.path() || position.identity.is_like(file.identity())
        })
    }

    /// All files of the stream, oldest first, when nothing is just being renamed.
    fn settled_list(&mut self) -> Vec<Candidate> {
        let mut list = self.list();
        for _ in 0..ATTEMPTS {
            let now = self.list();
            if now == list {
                break;
            }
            list = now;
        }
        list
    }

    /// As [`Stream::search`], for a file that may have been truncated: if nothing of it was read,
    /// its content cannot be told, but what it had may be in a copy.
    fn search_truncated(
        &mut self,
        position: &FilePosition,
        gzip: bool,
    ) -> (Vec<Candidate>, Option<(usize, OpenFile)>) {
        let (list, found) = self.search(position, gzip);
        if position.offset > 0 {
            return (list, found);
        }
        let copy = new_copies(position, &list).find(|(_, file)| !self.has_content(file, gzip));
        let copy = copy.and_then(|(index, file)| Some((index, open_first(file, gzip).ok()?)));
        let copy = copy.map(|(index, mut file)| {
            file.set_generation(position.generation);
            (index, file)
        });
        (list, copy.or(found))
    }

    /// Without a position: what was rotated before our time is none of our business, unless all
    /// files of the stream were asked for.
    fn start_anew(&mut self, look: &Look<'_>) {
        let mut list = self.list();
        let path = self.path().to_owned();
        let start = if self.is_late { Start::default() } else { look.options.start };
        if matches!(self.files, Files::Selected { .. }) && start.is_beginning() {
            self.queue = list.into();
            return;
        }
        let live = list.pop_if(|file| file.path == path);
        self.done.extend(list.iter().map(Done::unread));
        let Some(live) = live else { return self.tell_missing(look.options) };
        let offset = start.offset(&path, look.options.delimiter, look.options.gzip);
        match offset.and_then(|offset| OpenFile::open(&live.path, offset, look.options.gzip)) {
            Ok(file) => {
                self.current = Some(file);
                self.tell_mended();
            }
            Err(error) => {
                self.is_new = true;
                if error.kind() == io::ErrorKind::Interrupted {
                    return;
                }
                // What cannot be done at all is not tried again.
                self.recheck = error.kind() != io::ErrorKind::Unsupported;
                self.late_at = look.now + LATE_PERIOD;
                self.tell(&error.cause());
            }
        }
    }

    /// Goes on after `position`, whose last member is the newest file.
    fn go_on(&mut self, position: &[FilePosition], look: &Look<'_>) {
        let Some((newest, older)) = position.split_last() else { return };
        self.left.clear();
        for old in older {
            if let (_, Some((_, file))) = self.search(old, look.options.gzip)
                && !self.done.iter().any(|done| done.identity == file.identity())
            {
                let until = look.now + look.options.grace(&file);
                self.left.push(Left { file, until, patience: Patience::new(look.now) });
            }
        }
        self.generations.extend(position.iter().map(|file| file.generation));
        self.origin = Some(position.to_vec());
        let (mut list, found) = self.search_truncated(newest, look.options.gzip);
        match found {
            Some((index, file)) => {
                // Not this one: it may be truncated and come again.
                self.done.extend(list.drain(..index).map(|file| Done::unread(&file)));
                list.retain(|next| next.identity != file.identity());
                self.current = Some(file);
                self.origin = None;
                let (since, live) = (newest.beginning(), self.path());
                list.retain(|file| {
                    (file.modified >= since || file.path == *live) && !self.has_read(file)
                });
            }
            None => {
                let live = list.pop_if(|file| file.path == *self.path());
                report::warning(format_args!(
                    "{}: the file read last is gone or was rewritten; going on with what was \
                     written since",
                    self.name()
                ));
                let since = newest.modified;
                list.retain(|file| file.modified >= since && !self.has_read(file));
                list.extend(live);
            }
        }
        self.queue = list.into();
    }

    /// Opens the first file to read, from its beginning.
    pub(crate) fn open_next(&mut self, look: &Look<'_>) -> bool {
        if self.queue.is_empty() {
            self.queue.extend(Candidate::at(self.path()));
        }
        if self.queue.is_empty() {
            self.tell_missing(look.options);
            return false;
        }
        self.current = self.open_queued(look);
        if self.current.is_none()
            && self.queue.is_empty()
            && let Some(origin) = self.origin.take()
        {
            // Files were renamed in the meantime: look for the place again.
            self.resume = Some(origin.into_iter().map(|old| self.as_of_now(old)).collect());
            self.is_new = true;
        }
        self.current.is_some()
    }

    /// A position at the start, or where that file stands now if it has been read since.
    fn as_of_now(&self, old: FilePosition) -> FilePosition {
        let left = self.left.iter().find(|left| left.file.generation() == old.generation);
        left.map_or(old, |left| left.file.position())
    }

    /// Opens the first file of the queue and takes it off. If another file stands there by now, or
    /// it cannot be opened, the queue is dropped and made anew soon.
    fn open_queued(&mut self, look: &Look<'_>) -> Option<OpenFile> {
        let next = self.queue.pop_front()?;
        let gzip = look.options.gzip;
        // One that was moved back to its name goes on where it was left.
        if let Some(file) = self.take_done(&next).and_then(|at| find(&at, from_ref(&next), gzip)) {
            return Some(file.1);
        }
        match open_first(&next, gzip) {
            Ok(mut file) => {
                while self.knows(file.generation()) {
                    file.set_generation(next_generation(file.generation()));
                }
                self.tell_mended();
                self.origin = None;
                Some(file)
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    self.tell(&error.cause());
                }
                self.queue.clear();
                self.recheck = true;
                None
            }
        }
    }

    /// How far a file was read that is to be read again, if it was.
    fn take_done(&mut self, next: &Candidate) -> Option<FilePosition> {
        let index = self.done.iter().position(|done| done.identity == next.identity)?;
        self.done.remove(index)?.position
    }

    fn knows(&self, generation: u64) -> bool {
        self.generations.contains(&generation)
            || self.current.as_ref().is_some_and(|file| file.generation() == generation)
            || self.left.iter().any(|left| left.file.generation() == generation)
    }

    /// Leaves the current file for the next one, if there is one.
    pub(crate) fn advance(&mut self, look: &mut Look<'_>) -> Result<bool, Stop> {
        if !look.options.by_name {
            return Ok(false);
        }
        if self.queue.is_empty() && std::mem::take(&mut look.names) {
            let (newer, copy) = self.newer(look);
            self.queue = newer.into();
            if let Some(old) = copy.and_then(|copy| self.current.replace(copy)) {
                report::note(format_args!("{}: replaced by a copy", self.name()));
                self.done.push_back(Done { identity: old.identity(), position: None });
                return Ok(true);
            }
        }
        let Some(next) = self.open_queued(look) else { return Ok(false) };
        // Lines written between the last read and the rename.
        while matches!(self.pull(look)?, Ok(Pulled::Data)) {}
        let original = self.current.as_ref().and_then(|copy| copy.original(&next));
        if let Some(file) = self.current.replace(original.unwrap_or(next)) {
            report::note(format_args!("{}: rotated", self.name()));
            self.leave(file, look)?;
        }
        Ok(true)
    }

    /// Opens the current file anew, where it stands.
    pub(crate) fn reopen(&mut self, gzip: bool) {
        if let Some(position) = self.current.as_ref().map(OpenFile::position)
            && let (_, Some((_, file))) = self.search(&position, gzip)
        {
            self.current = Some(file);
        }
    }

    /// The files that come after the current one, oldest first, and a copy of it that has taken
    /// its name (as by rsync).
    fn newer(&mut self, look: &Look<'_>) -> (Vec<Candidate>, Option<OpenFile>) {
        if self.is_live(look.now) && self.is_newest() {
            return (Vec::new(), None);
        }
        let Some(position) = self.current.as_ref().map(OpenFile::position) else {
            return (Vec::new(), None);
        };
        let (mut list, found) = self.search(&position, look.options.gzip);
        // Renames may have got in the way of looking into it.
        let same = || list.iter().position(|file| file.identity == position.identity);
        match found.as_ref().map(|(index, _)| *index).or_else(same) {
            Some(index) => drop(list.drain(..=index)),
            // What has the name now may be older: moved there, or a symlink's new target.
            None => {
                let (since, live) = (position.beginning(), self.path());
                list.retain(|file| file.modified >= since || file.path == *live);
            }
        }
        list.retain(|file| !self.has_read(file));
        let is_copy =
            |file: &OpenFile| file.path() == self.path() && file.identity() != position.identity;
        (list, found.map(|(_, file)| file).filter(is_copy))
    }

    /// Whether no file of the stream comes after the current one, which is live.
    fn is_newest(&mut self) -> bool {
        let Files::Selected { selection, newest } = &mut self.files else { return true };
        let last = selection.newest_of(&self.name);
        let is_newest = last.as_ref().is_none_or(|last| {
            self.current.as_ref().is_some_and(|current| last.identity == current.identity())
        });
        newest.clone_from(&last.map_or_else(|| newest.clone(), |last| last.path));
        is_newest
    }

    /// Whether the current file is the one that has the stream's name, or none has.
    fn is_live(&mut self, now: Instant) -> bool {
        let live = Candidate::at(self.path());
        let Some(current) = &self.current else { return true };
        match live {
            Some(live) => {
                self.nameless = None;
                live.identity == current.identity()
            }
            // Its writer may have it open still, under another name.
            None => {
                self.nameless.get_or_insert(now);
                true
            }
        }
    }

    fn has_left(&self, identity: Identity) -> bool {
        self.left.iter().any(|left| left.file.identity() == identity)
    }

    /// Whether this file is one that was read. What has the name now is to be read in any case,
    /// and without times of birth another file may have got the inode.
    fn has_read(&self, file: &Candidate) -> bool {
        let is_same = |done: &Done| {
            let at = done.position.filter(|_| file.identity.born == 0);
            done.identity == file.identity
                && at.is_none_or(|at| find(&at, from_ref(file), true).is_some())
        };
        self.has_left(file.identity) || (file.path != self.path() && self.done.iter().any(is_same))
    }

    /// Whether this file has been read, or one that it is a copy of.
    fn has_content(&self, copy: &Candidate, gzip: bool) -> bool {
        let mut open = self.left.iter().map(|left| &left.file).chain(&self.current);
        self.has_read(copy) || open.any(|file| file.is_copied_to(&copy.path, gzip))
    }

    /// The current file was written for the first time since it was at `position`, where nothing
    /// of it had been read. It may have been truncated in between, unseen, with what was in it in
    /// copies: these are read as files left behind.
    pub(crate) fn look_for_copies(&mut self, position: &FilePosition, look: &Look<'_>) {
        let list = self.settled_list();
        for (_, copy) in new_copies(position, &list) {
            if !self.has_content(copy, look.options.gzip)
                && let Ok(file) = open_first(copy, look.options.gzip)
            {
                report::note(format_args!("{}: truncated, copied before", self.name()));
                let until = look.now + look.options.grace(&file);
                self.left.push(Left { file, until, patience: Patience::new(look.now) });
            }
        }
    }

    /// The current file was truncated or rewritten: what was not read of it may be in a copy.
    pub(crate) fn replaced(&mut self, look: &mut Look<'_>) -> Result<(), Stop> {
        let Some(position) = self.current.as_ref().map(OpenFile::position) else { return Ok(()) };
        let (list, found) = self.search_truncated(&position, look.options.gzip);
        let is_unread =
            |(index, _): &(usize, OpenFile)| list.get(*index).is_some_and(|at| !self.has_read(at));
        let is_itself = |copy: &OpenFile| copy.identity() == position.identity;
        // Nothing of it was used up: that it is still there says nothing.
        let is_old = |(_, copy): &(usize, OpenFile)| position.offset > 0 || !is_itself(copy);
        if let Some((index, copy)) = found.filter(is_unread).filter(is_old) {
            if is_itself(&copy) {
                self.press_current(look, More::Ended)?;
            } else {
                report::note(format_args!("{}: truncated, copied before", self.name()));
                let newer = list.into_iter().skip(index + 1);
                self.queue = newer.filter(|file| !self.has_read(file)).collect();
            }
            self.current = Some(copy);
            return Ok(());
        }
        report::note(format_args!("{}: truncated", self.name()));
        self.press_current(look, More::Ended)?;
        if let Some(current) = &mut self.current {
            current.rewind();
        }
        Ok(())
    }
}
