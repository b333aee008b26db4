// SPDX-License-Identifier: MIT OR Apache-2.0
//! Detects new hard links to files. The watch of a directory reports neither them nor writes
//! through them.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

/// The number of a stream, bounded by the number of descriptors.
type Number = u32;

/// Watches the link counts of files.
#[derive(Debug)]
pub(crate) struct Links {
    inotify: Inotify,
    /// Indexed by stream.
    watches: Vec<Option<WatchDescriptor>>,
    /// Pairs of a watch and a stream that uses it.
    owners: BTreeSet<(i32, Number)>,
}

/// The streams whose files may have new links.
pub(crate) enum Linked {
    Some(Vec<usize>),
    /// Unknown: events were lost.
    Any,
}

impl Links {
    /// Creates the watch.
    ///
    /// # Errors
    /// If the limit on inotify instances is reached.
    pub(crate) fn new() -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        Ok(Self { inotify, watches: Vec::new(), owners: BTreeSet::new() })
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
        let watch = match self.inotify.add_watch(path.as_str(), AddWatchFlags::IN_ATTRIB) {
            Err(Errno::ENOSPC) => return Err(super::no_watches_left()),
            watch => watch?,
        };
        if self.watches.len() <= stream {
            self.watches.resize(stream + 1, None);
        }
        if let Some(slot) = self.watches.get_mut(stream) {
            *slot = Some(watch);
        }
        self.owners.insert((watch.as_raw(), number(stream)));
        Ok(())
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
    pub(crate) fn take(&self) -> Linked {
        let mut linked = Vec::new();
        loop {
            let events = match self.inotify.read_events() {
                Ok(events) => events,
                Err(Errno::EINTR) => continue,
                Err(_) => return Linked::Some(linked),
            };
            for event in events {
                if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                    return Linked::Any;
                }
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
