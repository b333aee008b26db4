// SPDX-License-Identifier: MIT OR Apache-2.0
//! The assignment of files in a directory tree to streams.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::listing::Stamp;
use crate::few::Few;
use crate::follow::Name;

/// A tree as last read.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Files of each stream, by path.
    streams: BTreeMap<Name, Few<Arc<Path>>>,
    directories: HashMap<PathBuf, Directory>,
}

#[derive(Debug, Default)]
struct Directory {
    /// The stamp when it was last read, if a later change is visible.
    stamp: Option<Stamp>,
    /// The stream of each file in it.
    files: HashMap<Arc<Path>, Name>,
}

impl Tree {
    /// Forgets removed directories.
    pub(crate) fn retain_directories(&mut self) {
        let gone = self.directories.keys().filter(|path| !path.is_dir());
        for path in gone.cloned().collect::<Vec<_>>() {
            self.clear(&path);
            self.directories.remove(&path);
        }
    }

    /// Prepares to read a directory: its known contents are forgotten.
    pub(crate) fn begin(&mut self, directory: &Path) {
        let stamp = Stamp::of(directory).ok().filter(|stamp| stamp.is_settled());
        self.clear(directory);
        self.directories.entry(directory.to_owned()).or_default().stamp = stamp;
    }

    fn clear(&mut self, directory: &Path) {
        let files =
            self.directories.get_mut(directory).map(|known| std::mem::take(&mut known.files));
        for (path, stream) in files.into_iter().flatten() {
            self.take_out(&path, &stream);
        }
    }

    fn take_out(&mut self, path: &Path, stream: &Name) {
        if self.streams.get_mut(stream).is_some_and(|paths| paths.remove(path)) {
            self.streams.remove(stream);
        }
    }

    /// Adds a file to a stream, and returns the stream's name.
    pub(crate) fn insert(&mut self, path: &Path, stream: &str) -> Name {
        let path: Arc<Path> = path.into();
        let known = self.streams.get_key_value(stream);
        let stream = known.map_or_else(|| Name::new(stream), |(known, _)| known.clone());
        match self.streams.get_mut(&stream) {
            Some(paths) => drop(paths.add(Arc::clone(&path))),
            None => drop(self.streams.insert(stream.clone(), Few::One(Arc::clone(&path)))),
        }
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        let directory = self.directories.entry(directory).or_default();
        directory.files.insert(path, stream.clone());
        stream
    }

    /// Removes a file that no longer exists or was replaced.
    pub(crate) fn remove(&mut self, path: &Path) {
        let known = path.parent().and_then(|directory| self.directories.get_mut(directory));
        if let Some(stream) = known.and_then(|known| known.files.remove(path)) {
            self.take_out(path, &stream);
        }
    }

    /// Returns all streams and their files.
    pub(crate) fn streams(&self) -> impl Iterator<Item = (&Name, &Few<Arc<Path>>)> {
        self.streams.iter()
    }

    /// Returns the files of a stream.
    pub(crate) fn paths(&self, stream: &Name) -> Option<&Few<Arc<Path>>> {
        self.streams.get(stream)
    }

    /// Returns the streams that have files below a directory.
    pub(crate) fn streams_below(&self, directory: &Path) -> Vec<Name> {
        let below = self.directories.iter().filter(|(path, _)| path.starts_with(directory));
        let names: BTreeSet<&Name> = below.flat_map(|(_, known)| known.files.values()).collect();
        names.into_iter().cloned().collect()
    }

    /// Returns the directories that contain files of a stream.
    pub(crate) fn directories_of(&self, stream: &Name) -> BTreeSet<PathBuf> {
        let paths = self.paths(stream).into_iter().flat_map(Few::iter);
        paths.filter_map(|path| path.parent()).map(Path::to_owned).collect()
    }

    /// Whether a directory may have been replaced since it was read.
    pub(crate) fn has_changed(&self, directory: &Path) -> bool {
        let known = self.directories.get(directory).and_then(|known| known.stamp);
        known.is_none() || Stamp::of(directory).ok() != known
    }
}
