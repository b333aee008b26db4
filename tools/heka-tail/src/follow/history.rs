// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a stream has read before: finished files, and known contents.

use std::collections::VecDeque;
use std::slice::from_ref;

use super::contents::{Contents, Likeness};
use super::file::OpenFile;
use super::identity::Identity;
use super::position::FilePosition;
use crate::select::find::{Candidate, SECOND, find};

/// Number of finished files and generations that are remembered.
const DONE: usize = 64;
/// Number of contents remembered, to recognise copies.
const CONTENTS: usize = 8;

/// Files that were read, or that will not be. Most streams have none.
#[derive(Debug, Default)]
pub(crate) struct History(Option<Box<Memory>>);

#[derive(Debug, Default)]
struct Memory {
    /// Files that will not be read (again), unless they are written to.
    done: VecDeque<Done>,
    /// Generations that a file read from its beginning must not be given again.
    generations: VecDeque<u64>,
    /// Contents of files that were closed or truncated.
    contents: VecDeque<Contents>,
    /// Files that should have been read but did not exist, oldest first.
    expected: Vec<Candidate>,
}

/// A finished file and its position; without a position, it was rotated before this run.
#[derive(Clone, Copy, Debug)]
struct Done {
    identity: Identity,
    position: Option<FilePosition>,
}

impl History {
    /// Adds files that were rotated before this run.
    pub(crate) fn skip<'a>(&mut self, files: impl IntoIterator<Item = &'a Candidate>) {
        let files = files.into_iter().map(|file| Done { identity: file.identity, position: None });
        let mut files = files.peekable();
        if files.peek().is_some() {
            self.memory().done.extend(files);
        }
    }

    /// Adds a file that was replaced by its copy.
    pub(crate) fn replaced(&mut self, file: &OpenFile) {
        self.push(Done { identity: file.identity(), position: None });
    }

    /// Adds a finished file.
    pub(crate) fn close(&mut self, file: &OpenFile) {
        self.push(Done { identity: file.identity(), position: Some(file.position()) });
        self.keep_contents(file);
        push(&mut self.memory().generations, file.generation(), DONE);
    }

    /// Remembers the contents read of a file that is now truncated.
    pub(crate) fn keep_contents(&mut self, file: &OpenFile) {
        push(&mut self.memory().contents, Contents::of(file), CONTENTS);
    }

    /// Adds files that should be read, the first of which was not found.
    pub(crate) fn expect(&mut self, files: impl IntoIterator<Item = Candidate>) {
        self.memory().expected.extend(files);
    }

    /// Whether files are expected.
    pub(crate) fn is_expecting(&self) -> bool {
        self.0.as_ref().is_some_and(|memory| !memory.expected.is_empty())
    }

    /// Takes the expected files, to look for them.
    pub(crate) fn take_expected(&mut self) -> Vec<Candidate> {
        self.0.as_mut().map(|memory| std::mem::take(&mut memory.expected)).unwrap_or_default()
    }

    fn memory(&mut self) -> &mut Memory {
        self.0.get_or_insert_default()
    }

    fn done(&self) -> impl Iterator<Item = &Done> {
        self.0.iter().flat_map(|memory| &memory.done)
    }

    fn push(&mut self, done: Done) {
        push(&mut self.memory().done, done, DONE);
    }

    /// Notes generations in use.
    pub(crate) fn meet(&mut self, generations: impl Iterator<Item = u64>) {
        let mut generations = generations.peekable();
        if generations.peek().is_some() {
            self.memory().generations.extend(generations);
        }
    }

    /// Whether a generation has been used.
    pub(crate) fn knows(&self, generation: u64) -> bool {
        self.0.as_ref().is_some_and(|memory| memory.generations.contains(&generation))
    }

    /// Whether a file is finished.
    pub(crate) fn is_done(&self, identity: Identity) -> bool {
        self.done().any(|done| done.identity == identity)
    }

    /// Returns when a finished file was last written to, as far as it was read: the latest time
    /// before `now`; nanoseconds since 1970.
    pub(crate) fn last_written(&self, now: u64) -> Option<u64> {
        let times = self.done().filter_map(|done| Some(done.position?.modified));
        times.filter(|&time| time < now).max()
    }

    /// As long as nothing of the current file is consumed, its position goes with those of finished
    /// files that were written after it, or in the same second: compressed forms of these might be
    /// taken for copies of its contents after a restart.
    pub(crate) fn finished_beside(&self, current: Option<FilePosition>) -> Vec<FilePosition> {
        let Some(current) = current.filter(|current| current.offset == 0) else {
            return Vec::new();
        };
        let since = current.modified / SECOND;
        let all = self.done().filter_map(|done| done.position);
        let late = all.filter(|file| file.modified / SECOND >= since);
        late.map(|file| FilePosition { is_done: true, ..file }).collect()
    }

    /// Whether a file is a finished one. Without birth times, another file may have reused the
    /// inode.
    pub(crate) fn has_read(&self, file: &Candidate) -> bool {
        self.done().any(|done| {
            let at = done.position.filter(|_| file.identity.born == 0);
            done.identity == file.identity
                && at.is_none_or(|at| find(&at, from_ref(file), true).is_some())
        })
    }

    /// Removes and returns the position of a file that is to be read again, if there is one.
    pub(crate) fn take(&mut self, identity: Identity) -> Option<FilePosition> {
        let done = &mut self.0.as_mut()?.done;
        let index = done.iter().position(|done| done.identity == identity)?;
        done.remove(index)?.position
    }

    /// Returns the position of a file, if it is the one that had this identity.
    pub(crate) fn position_of(&self, identity: Identity) -> Option<FilePosition> {
        if identity.born == 0 {
            return None;
        }
        let done = self.0.as_ref()?.done.iter().rfind(|done| done.identity == identity)?;
        done.position
    }

    /// Compares a file with the contents read before.
    pub(crate) fn likeness(&self, file: &Candidate, unpacks: bool) -> Likeness {
        let contents = self.0.iter().flat_map(|memory| &memory.contents);
        let all = contents.map(|contents| contents.likeness(file, unpacks));
        all.reduce(Likeness::or).unwrap_or(Likeness::Other)
    }
}

fn push<T>(queue: &mut VecDeque<T>, item: T, limit: usize) {
    queue.push_back(item);
    if queue.len() > limit {
        queue.pop_front();
    }
}
