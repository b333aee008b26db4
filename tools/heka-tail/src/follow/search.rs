// SPDX-License-Identifier: MIT OR Apache-2.0
//! Searches for a stream's files among the existing ones: the file of a position, those that come
//! after it, and those that have been read under another name.

use std::io;

use super::contents::{Contents, Likeness};
use super::file::OpenFile;
use super::files::{ATTEMPTS, Files};
use super::history::History;
use super::identity::Identity;
use super::late::Late;
use super::options::Options;
use super::position::{FilePosition, WINDOW};
use crate::select::find::{Candidate, find, new_copies, open_first, packed_since};

/// The parameters of a search.
#[derive(Debug)]
pub(crate) struct Search<'a> {
    pub(crate) files: &'a mut Files,
    pub(crate) history: &'a History,
    pub(crate) late: &'a Late,
    pub(crate) options: &'a Options,
}

/// The files after the current one.
#[derive(Debug, Default)]
pub(crate) struct Newer {
    /// Files, oldest first.
    pub(crate) files: Vec<Candidate>,
    /// A copy of the current file that has taken its name (as by rsync).
    pub(crate) copy: Option<OpenFile>,
}

/// Files, oldest first, and the wanted file with its index among them.
pub(crate) type Found = (Vec<Candidate>, Option<(usize, OpenFile)>);

impl Search<'_> {
    fn list(&mut self) -> Vec<Candidate> {
        self.files.list(&self.options.rotated_directories)
    }

    /// Returns all files of the stream, oldest first, and the file of `position`, opened there.
    /// Repeats the search if files were renamed in the meantime.
    pub(crate) fn file_at(&mut self, position: &FilePosition) -> Found {
        let mut list = self.list();
        for _ in 0..ATTEMPTS {
            let found = self.find(position, &list);
            let now = self.list();
            if now == list {
                return (list, found);
            }
            list = now;
        }
        let found = self.find(position, &list);
        (list, found)
    }

    /// Like [`find`], except that a new file that only begins with the same line is another file.
    fn find(&self, position: &FilePosition, list: &[Candidate]) -> Option<(usize, OpenFile)> {
        // This many bytes do not match by accident: it is a copy that took the name.
        let is_sure = position.offset >= WINDOW as u64;
        find(position, list, self.options.unpacks).filter(|(_, file)| {
            is_sure
                || file.path() != self.files.path()
                || position.identity.is_like(file.identity())
        })
    }

    /// Like [`Search::file_at`], under any name that the file may have.
    pub(crate) fn file_anywhere(&mut self, position: &FilePosition) -> Found {
        let (list, found) = self.file_at(position);
        if found.is_some() || self.files.is_selected() {
            return (list, found);
        }
        let wide = self.files.wide_list(position.identity, &self.options.rotated_directories);
        match self.find(position, &wide) {
            Some(found) => (wide, Some(found)),
            None => (list, None),
        }
    }

    /// Like [`Search::file_anywhere`], for a file that may have been truncated or compressed. If
    /// nothing of it was read, its contents are unknown, but they may be in a copy that is none of
    /// `others`.
    pub(crate) fn truncated(&mut self, position: &FilePosition, others: &[Identity]) -> Found {
        let found = self.until_settled(|search| search.find_truncated(position, others));
        found.unwrap_or_else(|| self.file_anywhere(position))
    }

    fn find_truncated(
        &mut self,
        position: &FilePosition,
        others: &[Identity],
    ) -> io::Result<Found> {
        let (list, found) = self.file_anywhere(position);
        let mut copy = None;
        if position.offset == 0 {
            let is_other =
                |file: &Candidate| others.contains(&file.identity) || self.has_contents(file);
            let packed = || packed_since(position, &list, is_other);
            let packed = if found.is_none() { packed() } else { None };
            let copies = new_copies(position, &list).filter(|(_, file)| !is_other(file));
            for (index, file) in copies.chain(packed) {
                if let Some(mut file) = self.open(file)? {
                    file.set_generation(position.generation);
                    copy = Some((index, file));
                    break;
                }
            }
        }
        Ok((list, copy.or(found)))
    }

    /// Calls `attempt`, and repeats it if a file was renamed in the meantime.
    fn until_settled<T>(
        &mut self,
        mut attempt: impl FnMut(&mut Self) -> io::Result<T>,
    ) -> Option<T> {
        (0..ATTEMPTS).find_map(|_| attempt(self).ok())
    }

    /// Opens a file at its beginning; `None` if it cannot be read at all.
    ///
    /// # Errors
    /// If its name now belongs to another file or to none.
    fn open(&self, file: &Candidate) -> io::Result<Option<OpenFile>> {
        match open_first(file, self.options.unpacks) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
            opened => Ok(opened.ok()),
        }
    }

    /// Returns the live file, opened at `position`, if it is the file of the position, so that no
    /// search is needed.
    pub(crate) fn live_at(&self, position: &FilePosition) -> Option<OpenFile> {
        let live = Candidate::at(self.files.path())?;
        if position.offset == 0 || live.identity != position.identity {
            return None;
        }
        let found = find(position, std::slice::from_ref(&live), self.options.unpacks);
        let (_, mut file) = found?;
        file.share_path(self.files.shared_path());
        Some(file)
    }

    /// Returns the files after `current`, which does not have the name.
    pub(crate) fn newer(&mut self, current: &OpenFile) -> Newer {
        let list = self.files.settled_list(&self.options.rotated_directories);
        let same =
            |list: &[Candidate]| list.iter().position(|file| file.identity == current.identity());
        if let Some(index) = same(&list) {
            return Newer { files: self.unread(list, index), copy: None };
        }
        let contents = Contents::of_left(current);
        for (index, file) in list.iter().enumerate() {
            let is_live = file.path == self.files.path();
            match contents.likeness(file, self.options.unpacks) {
                Likeness::Other => {}
                // The file with the name may begin like any other.
                Likeness::Beginning if is_live => {}
                Likeness::All(_) if is_live && current.end() < WINDOW as u64 => {}
                Likeness::All(_) if is_live => {
                    let copy = self.reopened(file, current);
                    return Newer { files: Vec::new(), copy };
                }
                Likeness::Beginning | Likeness::All(_) => {
                    return Newer { files: self.unread(list, index), copy: None };
                }
            }
        }
        let wide = self.files.wide_list(current.identity(), &self.options.rotated_directories);
        if let Some(index) = same(&wide) {
            return Newer { files: self.unread(wide, index), copy: None };
        }
        // The file that has the name now may be older: moved there, or a symlink's new target.
        let (since, live) = (current.position().beginning(), self.files.path());
        let mut files = list;
        files.retain(|file| (file.is_since(since) || file.path == *live) && !self.has_read(file));
        Newer { files, copy: None }
    }

    /// Opens a copy of `current` at the consumed position.
    fn reopened(&self, copy: &Candidate, current: &OpenFile) -> Option<OpenFile> {
        let position = current.position();
        let mut copy = OpenFile::open(&copy.path, position.offset, self.options.unpacks).ok()?;
        copy.resume(&position);
        Some(copy)
    }

    /// Returns the unread files of `list` after number `index`.
    fn unread(&self, mut list: Vec<Candidate>, index: usize) -> Vec<Candidate> {
        list.drain(..=index);
        list.retain(|file| !self.has_read(file));
        list
    }

    /// Whether a file has been read. The file that has the name now must be read in any case.
    pub(crate) fn has_read(&self, file: &Candidate) -> bool {
        self.late.has(file.identity)
            || (file.path != self.files.path() && self.history.has_read(file))
    }

    /// Compares a rotated file with what was read before.
    pub(crate) fn likeness(&self, file: &Candidate) -> Likeness {
        if file.path == self.files.path() {
            return Likeness::Other;
        }
        let unpacks = self.options.unpacks;
        self.history.likeness(file, unpacks).or(self.late.likeness(file, unpacks))
    }

    /// Whether a file, or the original that it is a copy of, has been read.
    fn has_contents(&self, copy: &Candidate) -> bool {
        self.has_read(copy) || !matches!(self.likeness(copy), Likeness::Other)
    }

    /// Returns copies of what the current file contained before an unnoticed truncation. It was
    /// written for the first time since `position`, at which nothing of it had been read.
    pub(crate) fn unseen_copies(
        &mut self,
        position: &FilePosition,
        current: Option<&OpenFile>,
    ) -> Vec<OpenFile> {
        let copies = self.until_settled(|search| {
            let list = search.files.settled_list(&search.options.rotated_directories);
            search.unseen_among(&list, position, current)
        });
        copies.unwrap_or_default()
    }

    /// Like [`Search::unseen_copies`]; an error if a file was renamed in the meantime.
    fn unseen_among(
        &self,
        list: &[Candidate],
        position: &FilePosition,
        current: Option<&OpenFile>,
    ) -> io::Result<Vec<OpenFile>> {
        let unpacks = self.options.unpacks;
        let current = current.map(Contents::of);
        let is_current = |file: &Candidate| {
            let likeness = current.as_ref().map(|current| current.likeness_to_copy(file, unpacks));
            !matches!(likeness, None | Some(Likeness::Other))
        };
        let copies = new_copies(position, list).map(|(_, file)| file);
        // An empty file loses nothing, and may be a copy of the current file in progress.
        let filled = copies.filter(|file| !file.is_empty());
        let unread = filled.filter(|file| !self.has_contents(file) && !is_current(file));
        unread.filter_map(|file| self.open(file).transpose()).collect()
    }

    /// Returns the files that have appeared since `time`, for a stream that had no file: oldest
    /// first.
    pub(crate) fn since(&mut self, time: u64) -> Vec<Candidate> {
        let mut list = self.files.settled_list(&self.options.rotated_directories);
        let live = self.files.path();
        list.retain(|file| file.path == *live || (file.is_new_since(time) && !self.has_read(file)));
        list
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_copy_that_gets_another_name_as_it_is_opened_is_looked_for_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        let (first, second) = (dir.path().join("app.log.1"), dir.path().join("app.log.2"));
        fs::write(&path, "").unwrap();
        let position = OpenFile::open(&path, 0, true).unwrap().position();
        fs::write(&first, "a line\n").unwrap();
        let mut search = Search {
            files: &mut Files::Named { path: path.into(), has_peers: false },
            history: &History::default(),
            late: &Late::default(),
            options: &crate::follow::races::options(Duration::ZERO),
        };
        let mut attempts = 0;
        let copies = search.until_settled(|search| {
            let list = search.files.settled_list(&[]);
            attempts += 1;
            if attempts == 1 {
                fs::rename(&first, &second).unwrap();
            }
            search.unseen_among(&list, &position, None)
        });
        let paths: Vec<_> = copies.iter().flatten().map(|file| file.path().to_owned()).collect();
        assert_eq!((attempts, paths), (2, vec![second]));
    }
}
