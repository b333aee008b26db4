// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which file of a stream is read first, and which comes next: rotation, truncation, restarts.

use std::io;
use std::time::Instant;

use super::file::OpenFile;
use super::find::{Candidate, find, open_first};
use super::identity::Identity;
use super::position::{FilePosition, next_generation};
use super::stream::{Files, Left, Look, Stream};
use super::{Around, Pulled, Reason};
use crate::diag;
use crate::exit::{Cause as _, Stop};

impl Stream {
    /// The first look: where to start.
    pub(super) fn begin(&mut self, look: &Look<'_>) {
        self.is_new = false;
        let list = self.list();
        match self.resume.take() {
            Some(position) if !position.is_empty() => self.go_on(&position, list, look),
            _ => self.start_anew(list, look),
        }
    }

    /// Without a position: what was rotated before our time is none of our business, unless all
    /// files of the stream were asked for.
    fn start_anew(&mut self, mut list: Vec<Candidate>, look: &Look<'_>) {
        let path = self.path().to_owned();
        if matches!(self.files, Files::Selected { .. }) && look.options.start.is_beginning() {
            self.queue = list.into();
            return;
        }
        let live = list.pop_if(|file| file.path == path);
        self.done.extend(list.iter().map(|file| file.identity));
        let Some(live) = live else { return self.tell_missing(look.options) };
        let offset = look.options.start.offset(&path, look.options.delimiter);
        match offset.and_then(|offset| OpenFile::open(&live.path, offset, look.options.gzip)) {
            Ok(file) => self.current = Some(file),
            Err(error) => {
                self.is_new = true;
                self.tell(&error.cause());
            }
        }
    }

    /// Goes on after `position`, whose last member is the newest file.
    fn go_on(&mut self, position: &[FilePosition], mut list: Vec<Candidate>, look: &Look<'_>) {
        let Some((newest, older)) = position.split_last() else { return };
        for old in older {
            if let Some((_, file)) = find(old, &list, look.options.gzip) {
                self.left.push(Left { file, until: look.now + look.options.grace() });
            }
        }
        self.generations.extend(position.iter().map(|file| file.generation));
        match find(newest, &list, look.options.gzip) {
            Some((index, file)) => {
                self.done.extend(list.drain(..=index).map(|file| file.identity));
                self.current = Some(file);
                let since = newest.modified;
                list.retain(|file| file.modified >= since && !self.has_left(file.identity));
            }
            None => {
                let live = list.pop_if(|file| file.path == *self.path());
                diag::warning(format_args!(
                    "{}: the file read last is gone or was rewritten; going on with what was \
                     written since",
                    self.name()
                ));
                let since = newest.modified;
                list.retain(|file| file.modified >= since && !self.has_left(file.identity));
                list.extend(live);
            }
        }
        self.queue = list.into();
    }

    /// Opens the file to read next, from its beginning.
    pub(super) fn open_next(&mut self, look: &Look<'_>) -> bool {
        if self.queue.is_empty() {
            self.queue.extend(Candidate::at(self.path()));
        }
        let Some(next) = self.queue.pop_front() else {
            self.tell_missing(look.options);
            return false;
        };
        match open_first(&next, look.options.gzip) {
            Ok(mut file) => {
                while self.knows(file.generation()) {
                    file.set_generation(next_generation(file.generation()));
                }
                self.tell_mended();
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
        self.generations.contains(&generation)
            || self.left.iter().any(|left| left.file.generation() == generation)
    }

    /// Leaves the current file for the next one, if there is one.
    pub(super) fn advance(&mut self, look: &mut Look<'_>) -> Result<bool, Stop> {
        if !look.options.by_name {
            return Ok(false);
        }
        if self.queue.is_empty() && std::mem::take(&mut look.names) {
            self.queue = self.newer(look).into();
        }
        if self.queue.is_empty() {
            return Ok(false);
        }
        // Lines written between the last read and the rename.
        while matches!(self.pull(look)?, Ok(Pulled::Data)) {}
        if let Some(file) = self.current.take() {
            diag::note(format_args!("{}: rotated", self.name()));
            self.leave(file, look)?;
        }
        Ok(true)
    }

    /// The files that come after the current one, oldest first.
    fn newer(&mut self, look: &Look<'_>) -> Vec<Candidate> {
        if matches!(self.files, Files::Named(_)) && self.is_live(look.now) {
            return Vec::new();
        }
        let mut list = self.list();
        let Some(current) = &self.current else { return Vec::new() };
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

    fn has_read(&self, identity: Identity) -> bool {
        self.done.contains(&identity) || self.has_left(identity)
    }

    /// The current file was truncated or rewritten: what was not read of it may be in a copy.
    pub(super) fn replaced(&mut self, look: &mut Look<'_>) -> Result<(), Stop> {
        let list = self.list();
        let Some(current) = &self.current else { return Ok(()) };
        if let Some((index, copy)) = find(&current.position(), &list, look.options.gzip) {
            if copy.identity() != current.identity() {
                diag::note(format_args!("{}: truncated, copied before", self.name()));
                let newer = list.into_iter().skip(index + 1);
                self.queue = newer.filter(|file| !self.has_read(file.identity)).collect();
            }
            self.current = Some(copy);
            return Ok(());
        }
        diag::note(format_args!("{}: truncated", self.name()));
        let before = self.left_positions();
        if let Some(current) = &mut self.current {
            current.press(Reason::End, Around::behind(&before), look.consume)?;
            current.rewind();
        }
        Ok(())
    }
}
