// SPDX-License-Identifier: MIT OR Apache-2.0
//! Resuming a stream that has a position.

use super::chain::Chain;
use super::file::OpenFile;
use super::identity::Identity;
use super::name::Name;
use super::options::Options;
use super::position::FilePosition;
use super::search::Search;
use crate::select::find::Candidate;
use heka_core::report;

/// The files with which a stream resumes.
#[derive(Debug, Default)]
pub(crate) struct Resumption {
    /// The newest file of the position.
    pub(crate) current: Option<OpenFile>,
    /// The other files, which were left behind.
    pub(crate) late: Vec<OpenFile>,
    /// The files after them, oldest first.
    pub(crate) queue: Vec<Candidate>,
    /// Older files, which are ignored.
    pub(crate) skipped: Vec<Candidate>,
    /// Files of the position that are gone or were rewritten.
    pub(crate) gone: Vec<FilePosition>,
}

impl Resumption {
    /// Finds the files of `position`, whose last member is the newest file.
    pub(crate) fn of(position: &[FilePosition], search: &mut Search<'_>) -> Self {
        let mut this = Self::default();
        let Some((newest, older)) = position.split_last() else { return this };
        let mut late: Vec<Identity> = Vec::new();
        for old in older {
            let packed = |found: &(usize, OpenFile)| found.1.is_packed();
            let found = search.file_anywhere(old).1;
            let found = found.or_else(|| search.truncated(old, &late).1.filter(packed));
            match found {
                Some((_, file)) if search.history.is_done(file.identity()) => {}
                Some((_, file)) => {
                    late.push(file.identity());
                    this.late.push(file);
                }
                None => this.gone.push(*old),
            }
        }
        match search.live_at(newest) {
            Some(file) => this.current = Some(file),
            None => this.go_on(newest, &late, search),
        }
        // A copy that was still empty may be the one with the newest contents.
        let current = this.current.as_ref().map(OpenFile::identity);
        this.late.retain(|file| Some(file.identity()) != current);
        this.queue.retain(|file| !late.contains(&file.identity));
        this
    }

    fn go_on(&mut self, newest: &FilePosition, late: &[Identity], search: &mut Search<'_>) {
        let (mut list, found) = search.truncated(newest, late);
        let path = search.files.path().to_owned();
        match found {
            Some((index, file)) => {
                // Not this one: it may be truncated and reappear.
                self.skipped = list.drain(..index).collect();
                // The start of compressed contents is unknown.
                let since = if file.is_packed() { 0 } else { newest.beginning() };
                list.retain(|next| {
                    next.identity != file.identity()
                        && (next.is_since(since) || next.path == path)
                        && !search.has_read(next)
                });
                self.current = Some(file);
            }
            None => {
                let live = list.pop_if(|file| file.path == path);
                self.gone.push(*newest);
                list.retain(|file| file.is_since(newest.modified) && !search.has_read(file));
                list.extend(live);
            }
        }
        self.queue = list;
    }
}

/// Adds the finished files that a position names to those that have been read; returns the position
/// without them.
pub(super) fn remember_done(
    chain: &mut Chain,
    position: &[FilePosition],
    options: &Options,
) -> Vec<FilePosition> {
    let Some((newest, older)) = position.split_last() else { return Vec::new() };
    let (done, mut open): (Vec<_>, Vec<_>) = older.iter().partition(|file| file.is_done);
    for file in done {
        let (_, found) = chain.search(options).file_anywhere(&file);
        found.iter().for_each(|(_, file)| chain.history.close(file));
    }
    open.push(*newest);
    open
}

/// Records the generations of a position, except those of open files.
pub(super) fn meet(chain: &mut Chain, position: &[FilePosition]) {
    let unknown = position.iter().map(|file| file.generation).filter(|&one| !chain.knows(one));
    let unknown: Vec<u64> = unknown.collect();
    chain.history.meet(unknown.into_iter());
}

/// Reports a file of a position that is gone.
pub(crate) fn tell_gone(name: &Name, gone: &FilePosition, is_newest: bool) {
    if is_newest {
        report::warning(format_args!(
            "{name}: the file read last is gone or was rewritten after byte {}; continuing with \
             what was written since",
            gone.offset
        ));
    } else {
        let (inode, offset) = (gone.identity.inode, gone.offset);
        report::warning(format_args!(
            "{name}: a rotated file (inode {inode}) is gone; what was written to it after byte \
             {offset} is lost"
        ));
    }
}
