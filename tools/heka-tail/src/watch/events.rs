// SPDX-License-Identifier: MIT OR Apache-2.0
//! The record that notify's thread keeps for the main thread: which streams had events, and how
//! many events there were where.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::Event;
use notify::event::{AccessKind, EventKind, Flag, ModifyKind};

use crate::few::Few;
use crate::watch::Changes;

/// Mark of a stream with a known path.
const HAS_PATH: u8 = 4;

/// The state shared by both threads.
#[derive(Debug)]
pub(crate) struct Shared {
    noted: Mutex<Noted>,
    /// The writing end of the pipe that wakes the main thread.
    wake: File,
}

#[derive(Debug, Default)]
pub(crate) struct Noted {
    pub(crate) changes: Changes,
    /// The streams that read each path.
    pub(crate) files: HashMap<Arc<Path>, Few<usize>>,
    /// Further paths of streams: symlinks and their targets.
    others: HashMap<usize, Vec<Arc<Path>>>,
    /// Number of writes to these.
    pub(crate) writes: HashMap<Arc<Path>, u64>,
    /// Directories in which streams may appear, with the paths as given.
    pub(crate) gaining: HashMap<PathBuf, Vec<PathBuf>>,
    /// Files in them whose next write must be reported.
    pub(crate) awaited: HashSet<PathBuf>,
    /// Number of events in each directory that is watched in any way.
    pub(crate) watched: HashMap<PathBuf, u64>,
    /// Watched directories that were moved or removed themselves.
    pub(crate) moved: HashSet<PathBuf>,
    /// Total number of events.
    pub(crate) events: u64,
    /// Marks by stream: bit 1 if a change of its contents is noted, 2 of its names, 4 if it has a
    /// path.
    marks: Vec<u8>,
    is_awake: bool,
}

impl Shared {
    pub(crate) fn new(wake: File) -> Self {
        Self { noted: Mutex::new(Noted::default()), wake }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records an event of notify.
    pub(crate) fn note(&self, event: notify::Result<Event>) {
        let mut noted = self.lock();
        let Ok(event) = event else {
            noted.changes.all = true;
            return noted.wake(&self.wake);
        };
        let is_write = matches!(event.kind, EventKind::Modify(ModifyKind::Data(_)));
        // Most opens are by this process.
        let is_open = matches!(event.kind, EventKind::Access(AccessKind::Open(_)));
        if let Some(path) = event.paths.first().filter(|_| !is_open) {
            noted.count(path, is_write);
        }
        if matches!(event.kind, EventKind::Access(_)) {
            return;
        }
        if event.attrs.flag() == Some(Flag::Rescan) {
            noted.changes.all = true;
            noted.wake(&self.wake);
        }
        for path in &event.paths {
            let is_marked = noted.mark(path, !is_write) | noted.take_awaited(path);
            if (!is_write && noted.mark_directory(path, event.kind)) || is_marked {
                noted.wake(&self.wake);
            }
        }
    }
}

impl Noted {
    /// Registers `path` for stream number `stream`.
    pub(crate) fn add(&mut self, path: &Arc<Path>, stream: usize) {
        let is_new = match self.files.get_mut(path) {
            Some(streams) => streams.add(stream),
            None => self.files.insert(Arc::clone(path), Few::One(stream)).is_none(),
        };
        if self.marks.len() <= stream {
            self.marks.resize(stream + 1, 0);
        }
        let Some(mark) = self.marks.get_mut(stream).filter(|_| is_new) else { return };
        if *mark & HAS_PATH != 0 {
            self.others.entry(stream).or_default().push(Arc::clone(path));
        }
        *mark |= HAS_PATH;
    }

    /// Removes streams, which were at these paths.
    pub(crate) fn remove(&mut self, streams: &[(usize, Arc<Path>)]) {
        let mut left = Vec::new();
        for (stream, path) in streams {
            for other in self.others.remove(stream).into_iter().flatten() {
                self.remove_one(&other, *stream);
            }
            if !self.remove_one(path, *stream) {
                left.push(*stream);
            }
            if let Some(mark) = self.marks.get_mut(*stream) {
                *mark = 0;
            }
        }
        for stream in left {
            // It was at another path.
            self.files.retain(|_, streams| !streams.remove(&stream));
        }
    }

    /// Removes a stream from one path; `false` if it did not read it.
    fn remove_one(&mut self, path: &Path, stream: usize) -> bool {
        let Some(streams) = self.files.get_mut(path) else { return false };
        let has = streams.has(&stream);
        if streams.remove(&stream) {
            self.files.remove(path);
            self.writes.remove(path);
        }
        has
    }

    /// Registers a directory in which streams may appear, given as `given`.
    pub(crate) fn gains(&mut self, directory: &Path, given: &Path) {
        let known = self.gaining.entry(directory.to_owned()).or_default();
        if !known.iter().any(|known| known == given) {
            known.push(given.to_owned());
        }
    }

    /// Takes the changes since the last call; `true` if the pipe has to be emptied.
    pub(crate) fn take(&mut self) -> (Changes, bool) {
        let changes = std::mem::take(&mut self.changes);
        for &stream in changes.contents.iter().chain(&changes.names) {
            if let Some(mark) = self.marks.get_mut(stream) {
                *mark &= HAS_PATH;
            }
        }
        (changes, std::mem::take(&mut self.is_awake))
    }

    /// Resets the counts.
    pub(crate) fn reset_counts(&mut self) {
        self.events = 0;
        self.writes.clear();
        self.watched.values_mut().for_each(|events| *events = 0);
    }

    fn count(&mut self, path: &Path, is_write: bool) {
        self.events += 1;
        if let Some((path, _)) = self.files.get_key_value(path).filter(|_| is_write) {
            *self.writes.entry(Arc::clone(path)).or_default() += 1;
        }
        if let Some(events) = path.parent().and_then(|parent| self.watched.get_mut(parent)) {
            *events += 1;
        }
    }

    /// Records a change at a stream's path; `true` if it is the first one.
    fn mark(&mut self, path: &Path, is_name: bool) -> bool {
        let Some(streams) = self.files.get(path) else { return false };
        let bit = if is_name { 2 } else { 1 };
        let list = if is_name { &mut self.changes.names } else { &mut self.changes.contents };
        let mut is_news = false;
        for &stream in streams.iter() {
            if let Some(mark) = self.marks.get_mut(stream).filter(|mark| **mark & bit == 0) {
                *mark |= bit;
                list.push(stream);
                is_news = true;
            }
        }
        is_news
    }

    /// Records a change in a directory, or of the directory itself.
    fn mark_directory(&mut self, path: &Path, kind: EventKind) -> bool {
        let is_mode = matches!(kind, EventKind::Modify(ModifyKind::Metadata(_)));
        if self.watched.contains_key(path) && !is_mode {
            // notify drops the watches of moved directories, even if they come back.
            self.moved.insert(path.to_owned());
            self.changes.all = true;
            return true;
        }
        !is_mode && self.gain(path)
    }

    /// Records that something has appeared at or disappeared from a path.
    fn gain(&mut self, path: &Path) -> bool {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            return false;
        };
        let Some(given) = self.gaining.get(directory) else { return false };
        self.changes.gained.extend(given.iter().map(|given| given.join(name)));
        true
    }

    fn take_awaited(&mut self, path: &Path) -> bool {
        !self.awaited.is_empty() && self.awaited.remove(path) && self.gain(path)
    }

    fn wake(&mut self, mut wake: &File) {
        if !std::mem::replace(&mut self.is_awake, true) {
            // A full pipe wakes the reader just as well.
            drop(wake.write(&[0]));
        }
    }
}
