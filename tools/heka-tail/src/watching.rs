// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files and directories that are watched for changes, and those that have to be polled instead.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use heka_core::os::Wanted;
use heka_core::report::{self, Cause as _};
use nix::poll::PollFlags;

use crate::follow::Stream;
use crate::select::listing::Stamp;
use crate::streams::Streams;
use crate::watch::{Changes, Watch};

/// The watch, if watching is possible.
#[derive(Debug, Default)]
pub(crate) struct Watching {
    watch: Option<Watch>,
    /// Streams whose directories are not watched.
    unwatched: BTreeSet<usize>,
    /// Streams whose files are written to without notification.
    untold: BTreeSet<usize>,
    /// Streams whose files may be renamed without notification.
    unlinked: BTreeSet<usize>,
    /// Whether a file system was mounted or unmounted.
    is_remounted: bool,
    /// Whether a directory in which streams may appear is not watched.
    is_blind: bool,
}

impl Watching {
    /// Begins to watch; above `busy_rate` changes per second only the busiest files are polled
    /// instead.
    pub(crate) fn start(&mut self, busy_rate: u64) {
        match Watch::new(busy_rate) {
            Ok(watch) => self.watch = Some(watch),
            Err(error) => {
                tell_polling(&format!("{} (see fs.inotify.max_user_instances)", error.cause()));
            }
        }
    }

    /// Watches a stream, possibly under other names than before; `true` if that succeeded.
    pub(crate) fn add(&mut self, number: usize) -> bool {
        self.unwatched.insert(number)
    }

    /// Watches directories in which streams may appear; `begun` is the start of the scan. Returns
    /// the directories in which something may have appeared before they were watched.
    pub(crate) fn add_directories(
        &mut self,
        directories: &[PathBuf],
        begun: u64,
    ) -> BTreeSet<PathBuf> {
        let mut changed = BTreeSet::new();
        let Some(watch) = &mut self.watch else { return changed };
        for directory in directories {
            match watch.add_directory(directory) {
                Ok(false) => {}
                Ok(true) => {
                    if Stamp::of(directory).is_ok_and(|stamp| stamp.may_be_since(begun)) {
                        changed.insert(directory.clone());
                    }
                }
                Err(error) => {
                    self.is_blind = true;
                    if error.kind() != io::ErrorKind::NotFound {
                        tell_polling(&error.cause());
                    }
                }
            }
        }
        changed
    }

    /// Requests a report of the next write to files that belong to no stream.
    pub(crate) fn await_writes(&self, paths: &[PathBuf]) {
        if let Some(watch) = &self.watch {
            paths.iter().for_each(|path| watch.await_write(path));
        }
    }

    /// Tries to watch what is not watched yet. Newly watched streams must be processed: something
    /// may have happened before.
    pub(crate) fn try_again(&mut self, streams: &Streams) -> Vec<usize> {
        let mut new = Vec::new();
        let Some(watch) = &mut self.watch else { return new };
        watch.check_routes();
        let mut full = None;
        for number in std::mem::take(&mut self.unwatched) {
            let Some(followed) = streams.get(number) else { continue };
            let path = followed.stream.shared_path();
            match watch.add(path, number) {
                Ok(added) => {
                    new.extend(added.is_new.then_some(number));
                    if added.is_told {
                        self.untold.remove(&number);
                    } else {
                        self.untold.insert(number);
                    }
                }
                // A directory that reappears is scanned, but not the target of a link.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    if !followed.is_met || path.is_symlink() {
                        self.unwatched.insert(number);
                    }
                }
                Err(error) => {
                    full = Some(error.cause());
                    self.unwatched.insert(number);
                }
            }
        }
        if let Some(cause) = full {
            tell_polling(&cause);
        }
        new
    }

    /// Returns the streams without notifications.
    pub(crate) fn polled(&self) -> impl Iterator<Item = usize> {
        self.unwatched.iter().chain(&self.untold).chain(&self.unlinked).copied()
    }

    /// Whether anything has to be polled.
    pub(crate) fn is_polling(&self) -> bool {
        let misses_moves = self.watch.as_ref().is_some_and(Watch::misses_moves);
        self.is_blind || self.is_remounted || misses_moves || self.polled().next().is_some()
    }

    /// Updates the watch after a stream was processed: it may read another file than before.
    pub(crate) fn looked_at(&mut self, number: usize, stream: &mut Stream) {
        let Some(watch) = &mut self.watch else { return };
        let Some(file) = stream.take_new_file() else { return };
        match watch.watch_links(number, file) {
            Ok(()) => drop(self.unlinked.remove(&number)),
            Err(error) => {
                self.unlinked.insert(number);
                tell_polling(&error.cause());
            }
        }
    }

    /// Handles mounts and unmounts since the last call, and moves that are not reported. Returns the
    /// streams whose files have moved or may now be written to by an overlay, and whether a directory
    /// has moved.
    pub(crate) fn take_mounted(&mut self, streams: &Streams) -> (Vec<usize>, bool) {
        if !std::mem::take(&mut self.is_remounted) {
            let is_lost = |watch: &Watch| watch.misses_moves() && watch.has_lost();
            return (Vec::new(), self.watch.as_ref().is_some_and(is_lost));
        }
        let covered = streams.iter().filter(|(_, one)| one.stream.is_covered());
        let mut touched: Vec<usize> = covered.map(|(number, _)| number).collect();
        let Some(watch) = &mut self.watch else { return (touched, false) };
        let mut hidden = watch.written_through();
        hidden.retain(|number| !self.untold.contains(number));
        touched.extend(hidden);
        (touched, watch.has_lost())
    }

    /// Whether streams may appear without notification.
    pub(crate) fn is_blind(&self) -> bool {
        self.is_blind || self.watch.is_none()
    }

    /// Prepares to try all directories again.
    pub(crate) fn look_again(&mut self) {
        self.is_blind = false;
    }

    /// Stops watching directories that have moved; everything is scanned anyway.
    pub(crate) fn forget_lost(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.forget_lost();
        }
    }

    /// Removes streams, which were at these paths.
    pub(crate) fn remove(&mut self, streams: &[(usize, Arc<Path>)]) {
        for (number, _) in streams {
            self.unwatched.remove(number);
            self.untold.remove(number);
            self.unlinked.remove(number);
        }
        if let Some(watch) = &mut self.watch {
            watch.remove(streams);
        }
    }

    /// Notes that a stream had news.
    pub(crate) fn grew(&mut self, number: usize) {
        if let Some(watch) = &mut self.watch {
            watch.grew(number);
        }
    }

    /// Returns the descriptors to wait for.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = Wanted<'_>> {
        self.watch.iter().flat_map(Watch::wanted)
    }

    /// Notes which of them are ready. Mounts may be many, so they are handled later.
    pub(crate) fn note(&mut self, ready: &[PollFlags]) {
        if ready.iter().any(|ready| ready.contains(PollFlags::POLLPRI)) {
            self.is_remounted = true;
            self.watch.iter_mut().for_each(Watch::forget_mounts);
        }
    }

    /// Returns when to call [`Watching::take`] even without events.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.watch.as_ref().and_then(Watch::deadline)
    }

    /// Returns the changes since the last call.
    pub(crate) fn take(&mut self, now: Instant) -> Changes {
        self.watch.as_mut().map(|watch| watch.take(now)).unwrap_or_default()
    }
}

fn tell_polling(cause: &str) {
    use std::sync::atomic::{AtomicBool, Ordering};
    static TOLD: AtomicBool = AtomicBool::new(false);
    if !TOLD.swap(true, Ordering::Relaxed) {
        report::warning(format_args!("inotify: {cause}; falling back to polling"));
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::Duration;

    use super::*;
    use crate::follow::identity::just_before_now;

    #[test]
    fn a_directory_that_changes_before_it_is_watched_is_looked_at_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut watching = Watching::default();
        watching.start(1000);
        let mut add = |name: &str, age: u64| {
            let path = dir.path().join(name);
            let begun = just_before_now();
            fs::create_dir_all(&path).unwrap();
            let opened = File::open(&path).unwrap();
            let now = opened.metadata().unwrap().modified().unwrap();
            opened.set_modified(now - Duration::from_secs(age)).unwrap();
            !watching.add_directories(&[path], begun).is_empty()
        };
        assert!(add("new", 0));
        assert!(!add("new", 0), "it is watched");
        assert!(!add("old", 10));
    }
}
