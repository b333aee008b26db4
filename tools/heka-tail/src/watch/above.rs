// SPDX-License-Identifier: MIT OR Apache-2.0
//! Watches the directories above watched ones: the watch of a directory does not report that one above
//! it was moved, with every file below.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::inotify::{AddWatchFlags, Inotify, WatchDescriptor};

/// Watches of directories above others, by canonical path. If a directory is watched, so are those
/// above it.
#[derive(Debug, Default)]
pub(super) struct Above {
    watches: BTreeMap<PathBuf, WatchDescriptor>,
    paths: HashMap<i32, PathBuf>,
    /// Whether one of them is not readable, so that its moves are not reported.
    pub(super) is_blind: bool,
}

impl Above {
    /// Watches the directories above `directory`, except the root, which cannot be moved.
    ///
    /// # Errors
    /// If there are no watches left, or a directory is missing.
    pub(super) fn watch(&mut self, inotify: &Inotify, directory: &Path) -> io::Result<()> {
        for above in directory.ancestors().skip(1).filter(|above| above.parent().is_some()) {
            if self.watches.contains_key(above) {
                break;
            }
            let flags = AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_ONLYDIR;
            let watch = match super::add_watch(inotify, above, flags) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    self.is_blind = true;
                    continue;
                }
                watch => watch?,
            };
            self.watches.insert(above.to_owned(), watch);
            self.paths.insert(watch.as_raw(), above.to_owned());
        }
        Ok(())
    }

    /// Handles an event; returns whether a directory was moved.
    pub(super) fn note(
        &mut self,
        inotify: &Inotify,
        watch: WatchDescriptor,
        mask: AddWatchFlags,
    ) -> bool {
        let is_moved = mask.contains(AddWatchFlags::IN_MOVE_SELF);
        if !is_moved && !mask.contains(AddWatchFlags::IN_IGNORED) {
            return false;
        }
        let Some(path) = self.paths.remove(&watch.as_raw()) else { return false };
        // The directories below have moved, too.
        let below = self.watches.range(path.clone()..).take_while(|(at, _)| at.starts_with(&path));
        let below: Vec<_> = below.map(|(at, watch)| (at.clone(), *watch)).collect();
        for (at, watch) in below {
            self.watches.remove(&at);
            self.paths.remove(&watch.as_raw());
            // The kernel removes the watch of a deleted directory itself.
            let _: nix::Result<()> = inotify.rm_watch(watch);
        }
        is_moved
    }

    /// Drops all watches.
    pub(super) fn forget(&mut self, inotify: &Inotify) {
        for watch in std::mem::take(&mut self.watches).into_values() {
            let _: nix::Result<()> = inotify.rm_watch(watch);
        }
        self.paths.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nix::sys::inotify::InitFlags;

    use super::*;

    /// Whether a directory was moved.
    fn take(above: &mut Above, inotify: &Inotify) -> bool {
        let mut is_moved = false;
        while let Ok(events) = inotify.read_events() {
            for event in events {
                is_moved |= above.note(inotify, event.wd, event.mask);
            }
        }
        is_moved
    }

    #[test]
    fn a_move_above_is_reported_and_what_is_below_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| fs::canonicalize(dir.path()).unwrap().join(name);
        fs::create_dir_all(at("a/b/c/d")).unwrap();
        fs::create_dir_all(at("a/e")).unwrap();
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
        let mut above = Above::default();
        above.watch(&inotify, &at("a/b/c/d")).unwrap();
        above.watch(&inotify, &at("a/e")).unwrap();
        let count = above.watches.len();
        fs::write(at("a/b/file"), "").unwrap();
        assert!(!take(&mut above, &inotify), "nothing was moved");
        fs::rename(at("a/b"), at("b")).unwrap();
        assert!(take(&mut above, &inotify));
        assert_eq!((above.watches.len(), above.paths.len()), (count - 2, count - 2));
        // What has the name now is watched, until it is deleted.
        fs::create_dir_all(at("a/b/c/d")).unwrap();
        above.watch(&inotify, &at("a/b/c/d")).unwrap();
        assert_eq!(above.watches.len(), count);
        fs::remove_dir_all(at("a/b")).unwrap();
        assert!(!take(&mut above, &inotify));
        assert_eq!((above.watches.len(), above.paths.len()), (count - 2, count - 2));
        above.forget(&inotify);
        take(&mut above, &inotify);
        assert!(above.watches.is_empty() && above.paths.is_empty());
    }
}
