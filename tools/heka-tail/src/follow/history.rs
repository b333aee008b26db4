// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a stream has read before: files that it is done with, and contents that it knows.

use std::collections::VecDeque;
use std::slice::from_ref;

use super::contents::{Contents, Likeness};
use super::file::OpenFile;
use super::identity::Identity;
use super::position::FilePosition;
use crate::select::find::{Candidate, find};

/// How many files and generations that are done with are remembered.
const DONE: usize = 64;
/// The same for contents, to recognise copies by.
const CONTENTS: usize = 8;

/// What was read, or is not to be. Most streams have none.
#[derive(Debug, Default)]
pub(crate) struct History(Option<Box<Memory>>);

#[derive(Debug, Default)]
struct Memory {
    /// Files that are not to be read (again), unless they are written to.
    done: VecDeque<Done>,
    /// Generations that a file read from its beginning must not get again.
    generations: VecDeque<u64>,
    /// Contents of files that were closed or truncated.
    contents: VecDeque<Contents>,
    /// Files that were to be read and were not there, oldest first.
    expected: Vec<Candidate>,
}

/// A file that is done with, and how far it was read; without that it was rotated before our time.
#[derive(Clone, Copy, Debug)]
struct Done {
    identity: Identity,
    position: Option<FilePosition>,
}

impl History {
    /// Files that were rotated before our time.
    pub(crate) fn skip<'a>(&mut self, files: impl IntoIterator<Item = &'a Candidate>) {
        let files = files.into_iter().map(|file| Done { identity: file.identity, position: None });
        let mut files = files.peekable();
        if files.peek().is_some() {
            self.memory().done.extend(files);
        }
    }

    /// A file that a copy has taken the place of.
    pub(crate) fn replaced(&mut self, file: &OpenFile) {
        self.push(Done { identity: file.identity(), position: None });
    }

    /// A file that is done with.
    pub(crate) fn close(&mut self, file: &OpenFile) {
        self.push(Done { identity: file.identity(), position: Some(file.position()) });
        self.keep_contents(file);
        push(&mut self.memory().generations, file.generation(), DONE);
    }

    /// What was read of a file that is truncated now.
    pub(crate) fn keep_contents(&mut self, file: &OpenFile) {
        push(&mut self.memory().contents, Contents::of(file), CONTENTS);
    }

    /// Files that were to be read, the first of which is not where it was.
    pub(crate) fn expect(&mut self, files: impl IntoIterator<Item = Candidate>) {
        self.memory().expected.extend(files);
    }

    /// Whether there are such files.
    pub(crate) fn is_expecting(&self) -> bool {
        self.0.as_ref().is_some_and(|memory| !memory.expected.is_empty())
    }

    /// The same, which are looked for now.
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

    /// Generations that were met.
    pub(crate) fn meet(&mut self, generations: impl Iterator<Item = u64>) {
        let mut generations = generations.peekable();
        if generations.peek().is_some() {
            self.memory().generations.extend(generations);
        }
    }

    /// Whether a generation was met.
    pub(crate) fn knows(&self, generation: u64) -> bool {
        self.0.as_ref().is_some_and(|memory| memory.generations.contains(&generation))
    }

    /// Whether it is done with that file.
    pub(crate) fn is_done(&self, identity: Identity) -> bool {
        self.done().any(|done| done.identity == identity)
    }

    /// Whether this file is one that is done with. Without times of birth another file may have got
    /// the inode.
    pub(crate) fn has_read(&self, file: &Candidate) -> bool {
        self.done().any(|done| {
            let at = done.position.filter(|_| file.identity.born == 0);
            done.identity == file.identity
                && at.is_none_or(|at| find(&at, from_ref(file), true).is_some())
        })
    }

    /// How far a file was read that is to be read again, if it was.
    pub(crate) fn take(&mut self, identity: Identity) -> Option<FilePosition> {
        let done = &mut self.0.as_mut()?.done;
        let index = done.iter().position(|done| done.identity == identity)?;
        done.remove(index)?.position
    }

    /// How far a file was read, if it is the one that had this identity.
    pub(crate) fn position_of(&self, identity: Identity) -> Option<FilePosition> {
        if identity.born == 0 {
            return None;
        }
        let done = self.0.as_ref()?.done.iter().rfind(|done| done.identity == identity)?;
        done.position
    }

    /// What of the contents that were read before a file has.
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
