// SPDX-License-Identifier: MIT OR Apache-2.0
//! Determines which streams to process, by inotify events of the directories that contain their
//! files.
//!
//! notify's thread records the events and makes a pipe readable; the main thread polls that pipe
//! together with everything else that it waits for. Directories are watched by their real paths,
//! and symlinks on the way to a file like files. Where there are too many events, files are polled
//! (see `busy`).

mod above;
mod busy;
mod events;
mod links;
mod mounts;
mod relief;
mod route;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use heka_core::os::Wanted;
use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::PollFlags;
use nix::sys::inotify::{AddWatchFlags, Inotify, WatchDescriptor};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::follow::identity::Identity;
use busy::{Directory, Fate, MIN_WINDOW, Own, WINDOW};
use events::Shared;
use links::{Linked, Links};
use mounts::Mounts;
use route::{Route, Routes};

/// The changes since the last call.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Numbers of streams whose contents changed.
    pub(crate) contents: Vec<usize>,
    /// Numbers of streams whose files appeared, disappeared, or changed their names or modes.
    pub(crate) names: Vec<usize>,
    /// Entries that appeared in or disappeared from directories in which streams may appear.
    pub(crate) gained: BTreeSet<PathBuf>,
    /// Whether anything may have appeared in such a directory.
    pub(crate) rescan: bool,
    /// Whether events or directories were lost, so that everything must be checked.
    pub(crate) all: bool,
}

/// The result of watching a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Added {
    /// Whether something was not watched before, so that it must be checked.
    pub(crate) is_new: bool,
    /// Whether everything is reported; otherwise the file must be polled.
    pub(crate) is_told: bool,
}

/// Watches directories.
#[derive(Debug)]
pub(crate) struct Watch {
    watcher: RecommendedWatcher,
    shared: Arc<Shared>,
    wake: File,
    directories: HashMap<PathBuf, Directory>,
    routes: Routes,
    mounts: Mounts,
    links: Links,
    /// Maximum number of events per second.
    limit: u64,
    counted_from: Instant,
    /// Whether any directory is split.
    is_split: bool,
    poll_at: Instant,
    looks: u32,
    /// By stream: number of polls that found new data.
    grew: Vec<u32>,
}

impl Watch {
    /// Creates a watch without any paths. With more than `limit` events per second, busy files are
    /// polled every 100 ms instead.
    ///
    /// # Errors
    /// If the limit on inotify instances or descriptors is reached.
    pub(crate) fn new(limit: u64) -> io::Result<Self> {
        let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        let shared = Arc::new(Shared::new(File::from(write)));
        let handler = Arc::clone(&shared);
        let watcher =
            notify::recommended_watcher(move |event| handler.note(event)).map_err(into_io)?;
        let now = Instant::now();
        Ok(Self {
            watcher,
            shared,
            wake: File::from(read),
            directories: HashMap::new(),
            routes: Routes::default(),
            mounts: Mounts::new(),
            links: Links::new()?,
            limit,
            counted_from: now,
            is_split: false,
            poll_at: now,
            looks: 0,
            grew: Vec::new(),
        })
    }

    /// Forgets cached symlinks, and cached mounts if changes of mounts are not reported.
    pub(crate) fn check_routes(&mut self) {
        self.routes.check_again();
        if !self.mounts.are_told() {
            self.routes.forget_mounts();
        }
    }

    /// Forgets cached mounts after a mount or unmount.
    pub(crate) fn forget_mounts(&mut self) {
        self.routes.forget_mounts();
    }

    /// Watches `path`, which belongs to stream number `stream`, together with the symlinks on the
    /// way to it and their targets.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if a directory is missing, otherwise if the limit on watches is
    /// reached.
    pub(crate) fn add(&mut self, path: &Arc<Path>, stream: usize) -> io::Result<Added> {
        let Route { names, is_told } = self.routes.to(path)?;
        let mut added = Added { is_new: false, is_told };
        for name in names {
            let name = if *name == **path { Arc::clone(path) } else { name.into() };
            added.is_new |= self.add_one(&name, stream)?;
        }
        Ok(added)
    }

    /// Watches a name in a directory given by its real path.
    fn add_one(&mut self, path: &Arc<Path>, stream: usize) -> io::Result<bool> {
        let Some(directory) = path.parent() else { return Ok(false) };
        self.shared.lock().add(path, stream);
        match self.directories.get(directory) {
            None => self.watch(directory.to_owned()),
            Some(found) if found.split.is_some() => {
                let directory = directory.to_owned();
                Ok(self.watch_file(&directory, path))
            }
            Some(_) => Ok(false),
        }
    }

    /// Removes streams, which were at these paths.
    pub(crate) fn remove(&mut self, streams: &[(usize, Arc<Path>)]) {
        streams.iter().for_each(|(stream, _)| self.links.remove(*stream));
        self.shared.lock().remove(streams);
    }

    /// Requests a report of the next write to a file that belongs to no stream, in a watched
    /// directory.
    pub(crate) fn await_write(&self, path: &Path) {
        let real = path.parent().and_then(|parent| std::fs::canonicalize(parent).ok());
        if let Some((real, name)) = real.zip(path.file_name()) {
            self.shared.lock().awaited.insert(real.join(name));
        }
    }

    /// Watches for new entries in a directory; `true` if it was not watched.
    ///
    /// # Errors
    /// As [`Watch::add`].
    pub(crate) fn add_directory(&mut self, given: &Path) -> io::Result<bool> {
        let directory = std::fs::canonicalize(given)?;
        self.shared.lock().gains(&directory, given);
        if self.directories.contains_key(&directory) { Ok(false) } else { self.watch(directory) }
    }

    fn watch(&mut self, directory: PathBuf) -> io::Result<bool> {
        let identity = || std::fs::metadata(&directory).map(|found| Identity::of(&found));
        let before = identity()?;
        self.watcher.watch(&directory, RecursiveMode::NonRecursive).map_err(into_io)?;
        let told = self.links.watch_above(&directory).and_then(|()| identity());
        let identity = match told {
            Ok(identity) if identity == before => identity,
            told => {
                drop(self.watcher.unwatch(&directory));
                return Err(told.err().unwrap_or_else(|| io::ErrorKind::NotFound.into()));
            }
        };
        self.shared.lock().watched.insert(directory.clone(), 0);
        self.directories.insert(directory, Directory::new(identity));
        Ok(true)
    }

    /// Watches a file in a split directory individually; `true` if it was not watched.
    fn watch_file(&mut self, directory: &Path, path: &Path) -> bool {
        let split = self.directories.get_mut(directory).and_then(|found| found.split.as_mut());
        let Some(split) = split else { return false };
        // A symlink is only a name; its target is watched by its own name.
        let found = std::fs::symlink_metadata(path).ok().filter(|found| !found.is_symlink());
        let identity = found.as_ref().map(Identity::of);
        // inotify knows a file by one name only.
        let is_shared = found.is_some_and(|found| found.nlink() > 1);
        let before = split.files.get(path).copied();
        match before {
            Some(Own::Busy(_)) => return false,
            Some(Own::Watched(before)) if Some(before) == identity => return false,
            // The watch follows the file that had the name.
            Some(Own::Watched(_)) => drop(self.watcher.unwatch(path)),
            _ => {}
        }
        let own = match identity {
            None => Own::Absent,
            Some(_) if is_shared => Own::Helpless,
            Some(identity) => match self.watcher.watch(path, RecursiveMode::NonRecursive) {
                Ok(()) => Own::Watched(identity),
                Err(_) => Own::Helpless,
            },
        };
        split.files.insert(path.to_owned(), own);
        before != Some(own)
    }

    /// Returns the streams whose files an overlay may write to.
    pub(crate) fn written_through(&mut self) -> Vec<usize> {
        let mounted = self.routes.mounts();
        if !mounted.has_uppers() {
            return Vec::new();
        }
        let noted = self.shared.lock();
        let files = noted.files.iter().filter(|(path, _)| mounted.is_written_through(path));
        files.flat_map(|(_, streams)| streams.iter()).copied().collect()
    }

    /// Whether moves of some directories are not reported.
    pub(crate) fn misses_moves(&self) -> bool {
        self.links.misses_moves()
    }

    /// Whether a directory was moved or removed.
    pub(crate) fn has_lost(&self) -> bool {
        let is_there = |path: &Path, directory: &Directory| {
            std::fs::metadata(path).is_ok_and(|now| Identity::of(&now) == directory.identity)
        };
        self.directories.iter().any(|(path, directory)| !is_there(path, directory))
    }

    /// Stops watching directories that were moved or removed; `true` if there were any. Their
    /// streams must be added again.
    pub(crate) fn forget_lost(&mut self) -> bool {
        self.routes = Routes::default();
        let moved = std::mem::take(&mut self.shared.lock().moved);
        let mut lost = HashSet::new();
        for (path, directory) in &mut self.directories {
            // After a move away and back, the directories above are no longer watched.
            let is_told = self.links.watch_above(path).is_ok();
            if moved.contains(path) || !is_told || directory.look(path) == Fate::Lost {
                lost.insert(path.clone());
            }
        }
        for path in &lost {
            self.shared.lock().watched.remove(path);
            let Some(directory) = self.directories.remove(path) else { continue };
            // The kernel itself has dropped the watch of a deleted directory.
            match directory.split {
                Some(split) => self.unwatch_files(&split.files),
                None => drop(self.watcher.unwatch(path)),
            }
        }
        self.is_split = self.directories.values().any(|directory| directory.split.is_some());
        !lost.is_empty()
    }

    /// Watches for new links to the file that a stream reads now.
    ///
    /// # Errors
    /// If the limit on watches is reached.
    pub(crate) fn watch_links(&mut self, stream: usize, file: BorrowedFd<'_>) -> io::Result<()> {
        self.links.watch(stream, file)
    }

    /// Returns the descriptors to wait for.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = Wanted<'_>> {
        let readable = [self.wake.as_fd(), self.links.fd()].map(|fd| (fd, PollFlags::POLLIN));
        readable.into_iter().chain(self.mounts.wanted())
    }

    /// Returns when to call [`Watch::take`] even without events.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.is_split.then_some(self.poll_at)
    }

    /// Notes that a stream had new data.
    pub(crate) fn grew(&mut self, stream: usize) {
        if !self.is_split {
            return;
        }
        if self.grew.len() <= stream {
            self.grew.resize(stream + 1, 0);
        }
        if let Some(grew) = self.grew.get_mut(stream) {
            *grew += 1;
        }
    }

    /// Takes the changes since the last call.
    pub(crate) fn take(&mut self, now: Instant) -> Changes {
        let (mut changes, events) = {
            let mut noted = self.shared.lock();
            let (changes, is_awake) = noted.take();
            if is_awake {
                // The byte was written before `is_awake` was set, so this does not block.
                let _: io::Result<usize> = self.wake.read(&mut [0; 16]);
            }
            (changes, noted.events)
        };
        match self.links.take() {
            Linked::Some(streams) => changes.names.extend(streams),
            Linked::Any => changes.all = true,
        }
        if self.is_split && self.poll_at <= now {
            relief::poll(self, now, &mut changes);
        }
        let elapsed = now.saturating_duration_since(self.counted_from);
        if elapsed >= if events >= self.limit { MIN_WINDOW } else { WINDOW } {
            relief::weigh(self, now, elapsed, &mut changes);
        }
        changes
    }

    fn unwatch_files(&mut self, files: &HashMap<PathBuf, Own>) {
        for (file, _) in files.iter().filter(|(_, own)| matches!(own, Own::Watched(_))) {
            drop(self.watcher.unwatch(file));
        }
    }

    /// Adds the streams whose names in these directories may have changed.
    fn tell_names(&self, directories: &HashSet<PathBuf>, changes: &mut Changes) {
        if directories.is_empty() {
            return;
        }
        let noted = self.shared.lock();
        let is_there =
            |path: &Path| path.parent().is_some_and(|parent| directories.contains(parent));
        let files = noted.files.iter().filter(|(path, _)| is_there(path));
        changes.names.extend(files.flat_map(|(_, streams)| streams.iter()));
        changes.rescan |= directories.iter().any(|path| noted.gaining.contains_key(path));
    }
}

/// Adds a watch.
///
/// # Errors
/// Any error of inotify; the limit on watches in words of its own.
fn add_watch<P: NixPath + ?Sized>(
    inotify: &Inotify,
    path: &P,
    flags: AddWatchFlags,
) -> io::Result<WatchDescriptor> {
    inotify.add_watch(path, flags).map_err(|errno| match errno {
        Errno::ENOSPC => no_watches_left(),
        other => other.into(),
    })
}

fn no_watches_left() -> io::Error {
    io::Error::other("no watches left (see fs.inotify.max_user_watches)")
}

fn into_io(error: notify::Error) -> io::Error {
    match error.kind {
        notify::ErrorKind::Io(error) => error,
        notify::ErrorKind::PathNotFound => io::ErrorKind::NotFound.into(),
        notify::ErrorKind::MaxFilesWatch => no_watches_left(),
        _ => io::Error::other(error.to_string()),
    }
}
