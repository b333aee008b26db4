// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waits for very many descriptors at once (epoll(7)), and handles signals meanwhile.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::os::{Deadline, pulse, serve_signals, signal};
use crate::report::{Explain as _, Stop};

/// Maximum number of descriptors reported by one call; the next call reports the rest.
const BATCH: usize = 256;
/// The token of the descriptor for signals.
const WAKE: u64 = u64::MAX;

/// The events to wait for. Hang-ups and errors are always reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Readable.
    pub read: bool,
    /// Writable.
    pub write: bool,
}

impl Interest {
    /// Waits until readable.
    pub const READ: Self = Self { read: true, write: false };
    /// Waits for errors only.
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
    /// The token with which it was added.
    pub token: u64,
    /// Readable, or at its end.
    pub read: bool,
    /// Writable.
    pub write: bool,
    /// In an error state, or a pipe without a reader.
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
    /// Creates an empty set that signals wake.
    ///
    /// # Errors
    /// Any error of epoll(7).
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
    /// Any error of `epoll_ctl(2)`: regular files cannot be waited for.
    pub fn add(&self, fd: impl AsFd, token: u64, interest: Interest) -> nix::Result<()> {
        self.epoll.add(fd, EpollEvent::new(interest.flags(), token))
    }

    /// Adds a socket in edge-triggered mode, for both directions: the caller remembers that it is
    /// ready until a call would block.
    ///
    /// # Errors
    /// Any error of `epoll_ctl(2)`.
    pub fn add_edges(&self, fd: impl AsFd, token: u64) -> nix::Result<()> {
        let both = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLRDHUP;
        self.epoll.add(fd, EpollEvent::new(both | EpollFlags::EPOLLET, token))
    }

    /// Changes the events to wait for.
    ///
    /// # Errors
    /// Any error of `epoll_ctl(2)`.
    pub fn modify(&self, fd: impl AsFd, token: u64, interest: Interest) -> nix::Result<()> {
        self.epoll.modify(fd, &mut EpollEvent::new(interest.flags(), token))
    }

    /// Changes the events to wait for from `before`. If an interest is `None`, the descriptor is
    /// not in the set, and not even hang-ups are reported.
    ///
    /// # Errors
    /// Any error of `epoll_ctl(2)`.
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

    /// Removes a descriptor.
    ///
    /// # Errors
    /// Any error of `epoll_ctl(2)`.
    pub fn remove(&self, fd: impl AsFd) -> nix::Result<()> {
        self.epoll.delete(fd)
    }

    /// Waits until a descriptor is ready or the deadline has passed. The result is empty at the
    /// deadline, and after a signal such as HUP.
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
    // Rounded up, so that a deadline has passed after the wait.
    let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
    EpollTimeout::try_from(left.as_millis().min(i32::MAX as u128)).unwrap_or(EpollTimeout::MAX)
}
