// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which streams to look at: inotify events of the directories that their files are in.
//!
//! notify's thread notes down what happened and makes a pipe readable; the main thread polls that
//! pipe together with everything else that it waits for. Directories are watched by their real
//! paths, and symlinks on the way to a file as files of their own.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::fcntl::OFlag;
use notify::event::{EventKind, Flag, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::identity::Identity;

/// What has happened since the last time.
#[derive(Debug, Default)]
pub struct Changes {
    /// Numbers of streams whose contents changed.
    pub contents: Vec<usize>,
    /// Numbers of streams whose files came, went or changed names or modes.
    pub names: Vec<usize>,
    /// Something came into or went from a directory that streams may appear in.
    pub gained: bool,
    /// Events were lost, or directories: everything is to be looked at.
    pub all: bool,
}

/// Watches directories.
#[derive(Debug)]
pub struct Watch {
    watcher: RecommendedWatcher,
    shared: Arc<Shared>,
    wake: File,
    directories: HashMap<PathBuf, Identity>,
}

#[derive(Debug)]
struct Shared {
    noted: Mutex<Noted>,
    wake: File,
}

#[derive(Debug, Default)]
struct Noted {
    changes: Changes,
    /// Numbers of the streams that a path belongs to.
    streams: HashMap<PathBuf, Vec<usize>>,
    /// Directories that streams may appear in.
    gaining: HashSet<PathBuf>,
    /// All directories that are watched.
    watched: HashSet<PathBuf>,
    /// By stream: bit 1 if its contents, 2 if its names are noted already.
    marks: Vec<u8>,
    is_awake: bool,
}

impl Watch {
    /// Starts without anything to watch.
    ///
    /// # Errors
    /// If the system has no inotify instance or descriptor left.
    pub fn new() -> io::Result<Self> {
        let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        let shared =
            Arc::new(Shared { noted: Mutex::new(Noted::default()), wake: File::from(write) });
        let handler = Arc::clone(&shared);
        let watcher =
            notify::recommended_watcher(move |event| handler.note(event)).map_err(into_io)?;
        Ok(Self { watcher, shared, wake: File::from(read), directories: HashMap::new() })
    }

    /// Watches for what happens to `path`, which belongs to stream number `stream`, and to the
    /// symlinks on the way to it.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if its directory is missing, else if there are no watches left.
    pub fn add(&mut self, path: &Path, stream: usize) -> io::Result<()> {
        self.add_one(path, stream)?;
        for ancestor in path.ancestors() {
            if std::fs::symlink_metadata(ancestor).is_ok_and(|found| found.is_symlink()) {
                self.add_one(ancestor, stream)?;
            }
        }
        match std::fs::canonicalize(path) {
            Ok(real) if real != path => self.add_one(&real, stream),
            _ => Ok(()),
        }
    }

    fn add_one(&mut self, path: &Path, stream: usize) -> io::Result<()> {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(());
        };
        let directory = std::fs::canonicalize(directory)?;
        {
            let mut noted = self.shared.lock();
            let streams = noted.streams.entry(directory.join(name)).or_default();
            if !streams.contains(&stream) {
                streams.push(stream);
            }
            if noted.marks.len() <= stream {
                noted.marks.resize(stream + 1, 0);
            }
        }
        self.watch(directory)
    }

    /// Watches for what comes into a directory.
    ///
    /// # Errors
    /// As [`Watch::add`].
    pub fn add_directory(&mut self, directory: &Path) -> io::Result<()> {
        let directory = std::fs::canonicalize(directory)?;
        self.shared.lock().gaining.insert(directory.clone());
        self.watch(directory)
    }

    fn watch(&mut self, directory: PathBuf) -> io::Result<()> {
        if self.directories.contains_key(&directory) {
            return Ok(());
        }
        let identity = Identity::of(&std::fs::metadata(&directory)?);
        self.watcher.watch(&directory, RecursiveMode::NonRecursive).map_err(into_io)?;
        self.shared.lock().watched.insert(directory.clone());
        self.directories.insert(directory, identity);
        Ok(())
    }

    /// Lets go of directories that are not where they were; `true` if there are any. Their streams
    /// are to be added again.
    pub fn forget_lost(&mut self) -> bool {
        let is_lost = |path: &PathBuf, identity: &Identity| {
            std::fs::metadata(path).map_or(true, |now| Identity::of(&now) != *identity)
        };
        let lost: Vec<PathBuf> = self
            .directories
            .iter()
            .filter(|(path, identity)| is_lost(path, identity))
            .map(|(path, _)| path.clone())
            .collect();
        for path in &lost {
            self.directories.remove(path);
            self.shared.lock().watched.remove(path);
            // The kernel has dropped the watch of a deleted directory itself.
            drop(self.watcher.unwatch(path));
        }
        !lost.is_empty()
    }

    /// Readable when something has happened.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// What has happened since the last call.
    pub fn take(&mut self) -> Changes {
        let mut noted = self.shared.lock();
        if std::mem::take(&mut noted.is_awake) {
            // The byte was there before `is_awake` was set, so this does not block.
            let _: io::Result<usize> = self.wake.read(&mut [0; 16]);
        }
        let changes = std::mem::take(&mut noted.changes);
        for &stream in changes.contents.iter().chain(&changes.names) {
            if let Some(mark) = noted.marks.get_mut(stream) {
                *mark = 0;
            }
        }
        changes
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, event: notify::Result<Event>) {
        let Ok(event) = event else {
            let mut noted = self.lock();
            noted.changes.all = true;
            return noted.wake(&self.wake);
        };
        let is_name = match event.kind {
            EventKind::Access(_) => return,
            EventKind::Modify(ModifyKind::Data(_)) => false,
            _ => true,
        };
        let mut noted = self.lock();
        if event.attrs.flag() == Some(Flag::Rescan) {
            noted.changes.all = true;
            noted.wake(&self.wake);
        }
        for path in &event.paths {
            if noted.mark(path, is_name) || (is_name && noted.mark_directory(path, event.kind)) {
                noted.wake(&self.wake);
            }
        }
    }
}

impl Noted {
    /// Notes a change to a stream's path; `true` if that is news.
    fn mark(&mut self, path: &Path, is_name: bool) -> bool {
        let Some(streams) = self.streams.get(path) else { return false };
        let bit = if is_name { 2 } else { 1 };
        let list = if is_name { &mut self.changes.names } else { &mut self.changes.contents };
        let mut is_news = false;
        for &stream in streams {
            if let Some(mark) = self.marks.get_mut(stream).filter(|mark| **mark & bit == 0) {
                *mark |= bit;
                list.push(stream);
                is_news = true;
            }
        }
        is_news
    }

    /// Notes a change to what is in a directory, or to the directory itself.
    fn mark_directory(&mut self, path: &Path, kind: EventKind) -> bool {
        let is_mode = matches!(kind, EventKind::Modify(ModifyKind::Metadata(_)));
        if self.watched.contains(path) && !is_mode {
            self.changes.all = true;
            return true;
        }
        let is_gain = path.parent().is_some_and(|parent| self.gaining.contains(parent)) && !is_mode;
        self.changes.gained |= is_gain;
        is_gain
    }

    fn wake(&mut self, mut wake: &File) {
        if !std::mem::replace(&mut self.is_awake, true) {
            // A full pipe wakes the reader just as well.
            drop(wake.write(&[0]));
        }
    }
}

fn into_io(error: notify::Error) -> io::Error {
    match error.kind {
        notify::ErrorKind::Io(error) => error,
        notify::ErrorKind::PathNotFound => io::ErrorKind::NotFound.into(),
        notify::ErrorKind::MaxFilesWatch => io::ErrorKind::StorageFull.into(),
        _ => io::Error::other(error.to_string()),
    }
}
