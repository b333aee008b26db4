// SPDX-License-Identifier: MIT OR Apache-2.0
//! The location of a stream's files.

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

/// Maximum number of symlinks, as in the kernel.
const MAX_LINKS: usize = 40;
/// Maximum number of listings while files are being renamed.
pub(crate) const ATTEMPTS: u32 = 100;

/// The location of a stream's files.
#[derive(Debug)]
pub(crate) enum Files {
    /// A name, and the rotated files beside it.
    Named {
        /// The log.
        path: Arc<Path>,
        /// Whether the files beside it are followed as well.
        has_peers: bool,
    },
    /// The files of a selection with this stream name.
    Selected {
        /// The selection.
        selection: Rc<Selection>,
        /// The stream's name.
        name: Name,
        /// The newest file so far.
        newest: Arc<Path>,
    },
}

impl Files {
    /// Returns the path at which new data is expected.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Named { path, .. } | Self::Selected { newest: path, .. } => path,
        }
    }

    /// Returns the path as a shared value.
    pub(crate) fn shared_path(&self) -> &Arc<Path> {
        match self {
            Self::Named { path, .. } | Self::Selected { newest: path, .. } => path,
        }
    }

    /// Whether the files belong to a selection.
    pub(crate) fn is_selected(&self) -> bool {
        matches!(self, Self::Selected { .. })
    }

    /// Lists all files, oldest first; rotated ones are also looked for in `directories`.
    pub(crate) fn list(&mut self, directories: &[PathBuf]) -> Vec<Candidate> {
        match self {
            Self::Named { path, .. } => beside(path, directories, |_| Width::Marked),
            Self::Selected { selection, name, newest } => {
                let mut files = selection.files_of(name);
                if let Some(last) = files.last().filter(|last| **newest != *last.path) {
                    *newest = last.path.as_path().into();
                }
                // A file that is being renamed may be listed under both names.
                let mut met = HashSet::new();
                files.retain(|file| met.insert(file.identity));
                files
            }
        }
    }

    /// Like [`Files::list`], for a stream that has just been found: its files known so far.
    pub(crate) fn list_found(&mut self, directories: &[PathBuf]) -> Vec<Candidate> {
        match self {
            Self::Selected { selection, name, .. } => selection.known_files_of(name),
            Self::Named { .. } => self.list(directories),
        }
    }

    /// Like [`Files::list`], repeated until no file is being renamed.
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

    /// Like [`Files::list`], with every file whose name begins like the log's; and with the file
    /// `wanted`, whatever its name, and the files that its log was rotated into. Of files that are
    /// followed themselves, only those with a rotation mark are included.
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

    /// Whether a file is still in one of the directories, under any name.
    pub(crate) fn is_there(&self, wanted: Identity, directories: &[PathBuf]) -> bool {
        let places = places(self.path(), directories);
        places.iter().any(|(directory, _)| any_in(directory, wanted).is_some())
    }

    /// Returns the newest file, as far as known.
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

/// Lists the files that the log at `path` was rotated into, followed by the log.
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

/// Returns the directories that may contain rotated files of the log at `path`, and its name there:
/// its own, and for a link those of all its targets.
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
            // As logrotate's olddir: relative to the log's own directory unless it is absolute.
            let old = directories.iter().map(|old| (parent.join(old), name.to_owned()));
            places.extend(old);
        }
        match std::fs::read_link(&at) {
            Ok(target) if places.len() < MAX_LINKS => at = parent.join(target),
            _ => return places,
        }
    }
}

/// Finds a file in a directory under any name.
fn any_in(directory: &Path, wanted: Identity) -> Option<PathBuf> {
    let entries = std::fs::read_dir(directory).ok()?.flatten();
    let mut paths = entries.filter(|entry| entry.ino() == wanted.inode).map(|entry| entry.path());
    paths.find(|path| Candidate::at(path).is_some_and(|file| file.identity == wanted))
}
