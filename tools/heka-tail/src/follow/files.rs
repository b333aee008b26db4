// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the files of a stream are found.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::fs::DirEntryExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use super::identity::Identity;
use super::name::Name;
use super::rotated::{Mark, Width, logs_of, order, rotated_in};
use crate::select::find::Candidate;
use crate::select::logstreamer::Selection;

/// As many symlinks as the kernel follows.
const MAX_LINKS: usize = 40;
/// How often files are listed again that are just being renamed.
pub(crate) const ATTEMPTS: u32 = 100;

/// Where the files of a stream are found.
#[derive(Debug)]
pub(crate) enum Files {
    /// A name, and the rotated files beside it.
    Named {
        /// The log.
        path: Arc<Path>,
        /// Whether the files beside it are followed as well.
        has_peers: bool,
    },
    /// What a selection puts into the stream of that name; the newest that was there.
    Selected {
        /// The selection.
        selection: Rc<Selection>,
        /// The stream's name.
        name: Name,
        /// The file that was the newest.
        newest: Arc<Path>,
    },
}

impl Files {
    /// The path under which new data is expected.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Named { path, .. } | Self::Selected { newest: path, .. } => path,
        }
    }

    /// The same, to be shared.
    pub(crate) fn shared_path(&self) -> &Arc<Path> {
        match self {
            Self::Named { path, .. } | Self::Selected { newest: path, .. } => path,
        }
    }

    /// Whether they belong to a selection.
    pub(crate) fn is_selected(&self) -> bool {
        matches!(self, Self::Selected { .. })
    }

    /// All files, oldest first; rotated ones are also looked for in `directories`.
    pub(crate) fn list(&mut self, directories: &[PathBuf]) -> Vec<Candidate> {
        match self {
            Self::Named { path, .. } => beside(path, directories, |_| Width::Marked),
            Self::Selected { selection, name, newest } => {
                let mut files = selection.files_of(name);
                if let Some(last) = files.last().filter(|last| **newest != *last.path) {
                    *newest = last.path.as_path().into();
                }
                // One that is just being renamed may be met under both names.
                let mut met = HashSet::new();
                files.retain(|file| met.insert(file.identity));
                files
            }
        }
    }

    /// The same for a stream that has just been found: what is known of it by now.
    pub(crate) fn list_found(&mut self, directories: &[PathBuf]) -> Vec<Candidate> {
        match self {
            Self::Selected { selection, name, .. } => selection.known_files_of(name),
            Self::Named { .. } => self.list(directories),
        }
    }

    /// The same, when nothing is just being renamed.
    pub(crate) fn settled_list(&mut self, directories: &[PathBuf]) -> Vec<Candidate> {
        let mut list = self.list(directories);
        for _ in 0..ATTEMPTS {
            let now = self.list(directories);
            if now == list {
                break;
            }
            list = now;
        }
        list
    }

    /// The same, with every file whose name begins as the log's; and with that file, whatever its
    /// name is, and what its log was rotated into. Of files that are followed themselves only those
    /// with a mark are among them.
    pub(crate) fn wide_list(
        &mut self,
        wanted: Identity,
        directories: &[PathBuf],
    ) -> Vec<Candidate> {
        let Self::Named { path, has_peers } = self else { return self.list(directories) };
        let peers = path.parent().filter(|_| *has_peers);
        let width = |directory: &Path| {
            if Some(directory) == peers { Width::Marked } else { Width::Any }
        };
        let list = beside(path, directories, width);
        if list.iter().any(|file| file.identity == wanted) {
            return list;
        }
        let places = places(path, directories);
        let mut places = places.iter().filter(|(directory, _)| Some(directory.as_path()) != peers);
        let Some(found) = places.find_map(|(directory, _)| any_in(directory, wanted)) else {
            return list;
        };
        let name = found.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
        let mut logs = logs_of(&name).into_iter().map(|log| found.with_file_name(log));
        let log = logs.find(|log| log.exists()).unwrap_or_else(|| found.clone());
        let mut all = beside(&log, directories, |_| Width::Marked);
        all.retain(|file| list.iter().all(|other| other.identity != file.identity));
        all.extend(list);
        all
    }

    /// Whether that file is still in one of the directories, under any name.
    pub(crate) fn is_there(&self, wanted: Identity, directories: &[PathBuf]) -> bool {
        let places = places(self.path(), directories);
        places.iter().any(|(directory, _)| any_in(directory, wanted).is_some())
    }

    /// The newest file, as far as is known.
    pub(crate) fn newest(&mut self) -> Option<Candidate> {
        if let Self::Selected { selection, name, newest } = self
            && let Some(last) = selection.newest_of(name)
            && **newest != *last.path
        {
            *newest = last.path.as_path().into();
        }
        Candidate::at(self.path())
    }
}

/// The log at `path`, last, and what it was rotated into.
fn beside(path: &Path, directories: &[PathBuf], width: impl Fn(&Path) -> Width) -> Vec<Candidate> {
    let live = Candidate::at(path);
    // The log may be a link to a file whose name looks rotated.
    let mut met: HashSet<Identity> = live.iter().map(|live| live.identity).collect();
    let mut found: Vec<(Mark, Candidate)> = Vec::new();
    for (directory, name) in places(path, directories) {
        let here = rotated_in(&directory, &name, width(&directory));
        found.extend(here.into_iter().filter(|(_, file)| met.insert(file.identity)));
    }
    order(&mut found, live.as_ref());
    let mut files: Vec<Candidate> = found.into_iter().map(|(_, file)| file).collect();
    files.extend(live);
    files
}

/// Directories where rotated files of the log at `path` may be, and its name there: beside it, and
/// where it is a link beside all that it leads to.
fn places(path: &Path, directories: &[PathBuf]) -> Vec<(PathBuf, String)> {
    let mut places = Vec::new();
    let mut at = path.to_owned();
    loop {
        let parent = match at.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        if let Some(name) = at.file_name().and_then(OsStr::to_str) {
            places.push((parent.clone(), name.to_owned()));
            // As logrotate's olddir: below the log's own directory unless it is absolute.
            let old = directories.iter().map(|old| (parent.join(old), name.to_owned()));
            places.extend(old);
        }
        match std::fs::read_link(&at) {
            Ok(target) if places.len() < MAX_LINKS => at = parent.join(target),
            _ => return places,
        }
    }
}

/// A file in a directory under any name.
fn any_in(directory: &Path, wanted: Identity) -> Option<PathBuf> {
    let entries = std::fs::read_dir(directory).ok()?.flatten();
    let mut paths = entries.filter(|entry| entry.ino() == wanted.inode).map(|entry| entry.path());
    paths.find(|path| Candidate::at(path).is_some_and(|file| file.identity == wanted))
}
