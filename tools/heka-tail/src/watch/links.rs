// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether files get other names somewhere. The watch of a directory does not tell of it, nor of
//! what is written through those names.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

/// The number of a stream, which are fewer than descriptors may be open.
type Number = u32;

/// What reports the names of files.
#[derive(Debug)]
pub(crate) struct Links {
    inotify: Inotify,
    /// By stream.
    watches: Vec<Option<WatchDescriptor>>,
    /// Watches, and the streams that they are for.
    owners: BTreeSet<(i32, Number)>,
}

/// The streams whose files may have got other names.
pub(crate) enum Linked {
    Some(Vec<usize>),
    /// Events were lost.
    Any,
}

impl Links {
    /// # Errors
    /// If the system has no inotify instance left.
    pub(crate) fn new() -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        Ok(Self { inotify, watches: Vec::new(), owners: BTreeSet::new() })
    }

    /// Readable when there is something to [`Links::take`].
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// A stream reads this file from now on.
    ///
    /// # Errors
    /// If there are no watches left.
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

    /// A stream is gone, or reads another file.
    pub(crate) fn remove(&mut self, stream: usize) {
        let Some(watch) = self.watches.get_mut(stream).and_then(Option::take) else { return };
        self.owners.remove(&(watch.as_raw(), number(stream)));
        if self.owners_of(watch).next().is_none() {
            // Of a file that is gone the system has dropped it already.
            let _: nix::Result<()> = self.inotify.rm_watch(watch);
        }
    }

    fn owners_of(&self, watch: WatchDescriptor) -> impl Iterator<Item = usize> {
        let watch = watch.as_raw();
        self.owners.range((watch, 0)..=(watch, Number::MAX)).map(|(_, stream)| *stream as usize)
    }

    /// What has happened since the last call.
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
