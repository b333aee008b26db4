// SPDX-License-Identifier: MIT OR Apache-2.0
//! Detects new hard links to files, and moves of the directories above them. The watch of a directory
//! reports neither, nor writes through other links.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use super::above::Above;

/// The number of a stream, bounded by the number of descriptors.
type Number = u32;

/// Watches the link counts of files, and the directories above them.
#[derive(Debug)]
pub(crate) struct Links {
    inotify: Inotify,
    above: Above,
    /// Indexed by stream.
    watches: Vec<Option<WatchDescriptor>>,
    /// Pairs of a watch and a stream that uses it.
    owners: BTreeSet<(i32, Number)>,
}

/// The streams whose files may have new links.
pub(crate) enum Linked {
    Some(Vec<usize>),
    /// Unknown: events were lost, or a directory was moved with everything below it.
    Any,
}

impl Links {
    /// Creates the watch.
    ///
    /// # Errors
    /// If the limit on inotify instances is reached.
    pub(crate) fn new() -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let (above, watches, owners) = (Above::default(), Vec::new(), BTreeSet::new());
        Ok(Self { inotify, above, watches, owners })
    }

    /// Returns a descriptor that is readable when there are events to [`Links::take`].
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// Watches the file that a stream reads now.
    ///
    /// # Errors
    /// If the limit on watches is reached.
    pub(crate) fn watch(&mut self, stream: usize, file: BorrowedFd<'_>) -> io::Result<()> {
        self.remove(stream);
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let watch = super::add_watch(&self.inotify, path.as_str(), AddWatchFlags::IN_ATTRIB)?;
        if self.watches.len() <= stream {
            self.watches.resize(stream + 1, None);
        }
        if let Some(slot) = self.watches.get_mut(stream) {
            *slot = Some(watch);
        }
        self.owners.insert((watch.as_raw(), number(stream)));
        Ok(())
    }

    /// Watches for moves of the directories above `directory`, a canonical path.
    ///
    /// # Errors
    /// If there are no watches left, or a directory is missing.
    pub(crate) fn watch_above(&mut self, directory: &Path) -> io::Result<()> {
        self.above.watch(&self.inotify, directory)
    }

    /// Whether moves of some of these directories are not reported.
    pub(crate) fn misses_moves(&self) -> bool {
        self.above.is_blind
    }

    /// Ends the watch of a stream that was removed or reads another file.
    pub(crate) fn remove(&mut self, stream: usize) {
        let Some(watch) = self.watches.get_mut(stream).and_then(Option::take) else { return };
        self.owners.remove(&(watch.as_raw(), number(stream)));
        if self.owners_of(watch).next().is_none() {
            // For a removed file, the system has dropped the watch already.
            let _: nix::Result<()> = self.inotify.rm_watch(watch);
        }
    }

    fn owners_of(&self, watch: WatchDescriptor) -> impl Iterator<Item = usize> {
        let watch = watch.as_raw();
        self.owners.range((watch, 0)..=(watch, Number::MAX)).map(|(_, stream)| *stream as usize)
    }

    /// Takes the events since the last call.
    pub(crate) fn take(&mut self) -> Linked {
        let (mut linked, mut is_any) = (Vec::new(), false);
        loop {
            let events = match self.inotify.read_events() {
                Ok(events) => events,
                Err(Errno::EINTR) => continue,
                Err(_) if is_any => return Linked::Any,
                Err(_) => return Linked::Some(linked),
            };
            for event in events {
                if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                    self.above.forget(&self.inotify);
                    is_any = true;
                }
                is_any |= self.above.note(&self.inotify, event.wd, event.mask);
                if event.mask.contains(AddWatchFlags::IN_ATTRIB) {
                    linked.extend(self.owners_of(event.wd));
                }
            }
        }
    }
}

fn number(stream: usize) -> Number {
    Number::try_from(stream).unwrap_or(Number::MAX)
}
