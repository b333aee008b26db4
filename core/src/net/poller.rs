// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waiting for very many descriptors at once (epoll(7)), with signals served on the way.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::os::{Deadline, pulse, serve_signals, signal};
use crate::report::{Explain as _, Stop};

/// Most descriptors that one call reports; the others come with the next.
const BATCH: usize = 256;
/// The token of the descriptor that signals write to.
const WAKE: u64 = u64::MAX;

/// What is wanted of a descriptor. Its end and its errors are always reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// To read from it.
    pub read: bool,
    /// To write to it.
    pub write: bool,
}

impl Interest {
    /// To read.
    pub const READ: Self = Self { read: true, write: false };
    /// To hear of errors only.
    pub const NONE: Self = Self { read: false, write: false };

    fn flags(self) -> EpollFlags {
        let mut flags = EpollFlags::empty();
        flags.set(EpollFlags::EPOLLIN, self.read);
        flags.set(EpollFlags::EPOLLOUT, self.write);
        flags
    }
}

/// A descriptor that is ready.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// What it was added with.
    pub token: u64,
    /// There is something to read, or its end.
    pub read: bool,
    /// It takes something.
    pub write: bool,
    /// It is broken, or a pipe without a reader.
    pub broken: bool,
    /// Both directions of a connection have ended.
    pub hung_up: bool,
}

/// A set of descriptors to wait for.
#[derive(Debug)]
pub struct Poller {
    epoll: Epoll,
}

impl Poller {
    /// An empty set; signals wake it.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> Result<Self, Stop> {
        let poller = Self { epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).at("epoll")? };
        if let Some(fd) = signal::wake_fd() {
            poller.add(fd, WAKE, Interest::READ).at("epoll")?;
        }
        Ok(poller)
    }

    /// Adds a descriptor.
    ///
    /// # Errors
    /// The system's: files on disks cannot be waited for.
    pub fn add(&self, fd: impl AsFd, token: u64, interest: Interest) -> nix::Result<()> {
        self.epoll.add(fd, EpollEvent::new(interest.flags(), token))
    }

    /// Adds a socket of which only changes are reported, once each, in both directions: the
    /// caller remembers what may be done with it until that proves wrong.
    ///
    /// # Errors
    /// The system's.
    pub fn add_edges(&self, fd: impl AsFd, token: u64) -> nix::Result<()> {
        let both = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLRDHUP;
        self.epoll.add(fd, EpollEvent::new(both | EpollFlags::EPOLLET, token))
    }

    /// Changes what is wanted of a descriptor.
    ///
    /// # Errors
    /// The system's.
    pub fn modify(&self, fd: impl AsFd, token: u64, interest: Interest) -> nix::Result<()> {
        self.epoll.modify(fd, &mut EpollEvent::new(interest.flags(), token))
    }

    /// Changes what is wanted of a descriptor from `before`; where that is `None`, it is not in the
    /// set, and not even its end is told.
    ///
    /// # Errors
    /// The system's.
    pub fn change(
        &self,
        fd: impl AsFd,
        token: u64,
        before: Option<Interest>,
        wanted: Option<Interest>,
    ) -> nix::Result<()> {
        match (before, wanted) {
            (before, wanted) if before == wanted => Ok(()),
            (None, Some(wanted)) => self.add(fd, token, wanted),
            (Some(_), Some(wanted)) => self.modify(fd, token, wanted),
            (_, None) => self.remove(fd),
        }
    }

    /// Forgets a descriptor.
    ///
    /// # Errors
    /// The system's.
    pub fn remove(&self, fd: impl AsFd) -> nix::Result<()> {
        self.epoll.delete(fd)
    }

    /// Waits until something is ready or the deadline has passed; nothing is ready then, nor when
    /// a signal such as HUP woke us.
    ///
    /// # Errors
    /// [`Stop::Signal`] as soon as INT or TERM has come.
    pub fn wait(&self, deadline: Deadline) -> Result<Vec<Ready>, Stop> {
        serve_signals()?;
        let mut events = [EpollEvent::empty(); BATCH];
        let count = match pulse::waiting(|| self.epoll.wait(&mut events, timeout(deadline))) {
            Err(Errno::EINTR) => 0,
            other => other.at("epoll")?,
        };
        let mut ready = Vec::with_capacity(count);
        for event in events.iter().take(count) {
            if event.data() == WAKE {
                signal::drain();
                continue;
            }
            let flags = event.events();
            let broken = flags.contains(EpollFlags::EPOLLERR);
            let hung_up = flags.contains(EpollFlags::EPOLLHUP);
            let has_input = flags.intersects(EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP);
            ready.push(Ready {
                token: event.data(),
                read: broken || hung_up || has_input,
                write: flags.contains(EpollFlags::EPOLLOUT),
                broken,
                hung_up,
            });
        }
        serve_signals()?;
        Ok(ready)
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

fn timeout(deadline: Deadline) -> EpollTimeout {
    let Some(deadline) = deadline else {
        return EpollTimeout::NONE;
    };
    // Rounded up, so that a deadline has passed when the wait is over.
    let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
    EpollTimeout::try_from(left.as_millis().min(i32::MAX as u128)).unwrap_or(EpollTimeout::MAX)
}
