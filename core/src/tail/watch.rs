// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which streams to look at: inotify events of the directories that their files are in.
//!
//! notify's thread notes down what happened and makes a pipe readable; the main thread polls that
//! pipe together with everything else that it waits for.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use nix::fcntl::OFlag;
use notify::event::{EventKind, Flag, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};

/// What has happened since the last time.
#[derive(Debug, Default)]
pub struct Changes {
    /// Numbers of streams whose contents changed.
    pub contents: Vec<usize>,
    /// Numbers of streams whose files came, went or changed names or modes.
    pub names: Vec<usize>,
    /// Events were lost or directories went away: everything is to be looked at.
    pub all: bool,
}

/// Watches directories.
#[derive(Debug)]
pub struct Watch {
    watcher: RecommendedWatcher,
    shared: Arc<Shared>,
    wake: File,
    directories: HashMap<PathBuf, ()>,
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
    /// By stream: 1 if its contents, 2 if its names are noted already.
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

    /// Watches for what happens to `path`, which belongs to stream number `stream`.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if its directory is missing, else if there are no watches left.
    pub fn add(&mut self, path: &Path, stream: usize) -> io::Result<()> {
        {
            let mut noted = self.shared.lock();
            let streams = noted.streams.entry(path.to_owned()).or_default();
            if !streams.contains(&stream) {
                streams.push(stream);
            }
            if noted.marks.len() <= stream {
                noted.marks.resize(stream + 1, 0);
            }
        }
        let directory = path.parent().unwrap_or_else(|| Path::new("/"));
        if !self.directories.contains_key(directory) {
            self.watcher.watch(directory, RecursiveMode::NonRecursive).map_err(into_io)?;
            self.directories.insert(directory.to_owned(), ());
        }
        Ok(())
    }

    /// Readable when something has happened.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// What has happened since the last call.
    pub fn take(&mut self) -> Changes {
        let mut noted = self.shared.lock();
        if noted.is_awake {
            noted.is_awake = false;
            let mut byte = [0; 16];
            // The byte was there before `is_awake` was set, so this does not block.
            let _: io::Result<usize> = self.wake.read(&mut byte);
        }
        noted.marks.fill(0);
        std::mem::take(&mut noted.changes)
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, event: notify::Result<Event>) {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                log::debug!("{error}");
                return self.lock().wake_for(&self.wake, |noted| noted.changes.all = true);
            }
        };
        let is_name = match event.kind {
            EventKind::Access(_) => return,
            EventKind::Modify(ModifyKind::Data(_)) => false,
            _ => true,
        };
        let mut noted = self.lock();
        if event.attrs.flag() == Some(Flag::Rescan) {
            return noted.wake_for(&self.wake, |noted| noted.changes.all = true);
        }
        for path in &event.paths {
            noted.mark(path, is_name, &self.wake);
        }
    }
}

impl Noted {
    fn mark(&mut self, path: &Path, is_name: bool, wake: &File) {
        let Some(streams) = self.streams.get(path) else { return };
        let bit = if is_name { 2 } else { 1 };
        let mut is_news = false;
        for &stream in streams {
            let Some(mark) = self.marks.get_mut(stream) else { continue };
            if *mark & bit == 0 {
                *mark |= bit;
                is_news = true;
                let list =
                    if is_name { &mut self.changes.names } else { &mut self.changes.contents };
                list.push(stream);
            }
        }
        if is_news {
            self.wake_for(wake, |_| {});
        }
    }

    fn wake_for(&mut self, mut wake: &File, what: impl FnOnce(&mut Self)) {
        what(self);
        if !self.is_awake {
            self.is_awake = true;
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
