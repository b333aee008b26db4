// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waits for descriptors, and handles signals meanwhile.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::os::{pulse, signal};
use crate::report::{Explain as _, Stop};

/// A time limit, or `None` to wait forever.
pub type Deadline = Option<Instant>;

/// A descriptor and the events to wait for.
pub type Wanted<'a> = (BorrowedFd<'a>, PollFlags);

/// Waits until one of `wanted` is ready, the deadline has passed or a signal has come; returns the
/// ready events of each. All are empty after the deadline, and when HUP requests reopening of
/// files.
///
/// # Errors
/// [`Stop::Signal`] as soon as INT or TERM has come.
pub fn wait(wanted: &[Wanted<'_>], deadline: Deadline) -> Result<Vec<PollFlags>, Stop> {
    let mut fds: Vec<PollFd<'_>> =
        wanted.iter().map(|&(fd, flags)| PollFd::new(fd, flags)).collect();
    fds.extend(signal::wake_fd().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
    loop {
        serve_signals()?;
        match pulse::waiting(|| poll(&mut fds, timeout(deadline))) {
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => {}
            Err(error) => return Err(error).at("poll"),
        }
        let woken = fds.len() > wanted.len()
            && fds.last().and_then(PollFd::revents).is_some_and(|ready| !ready.is_empty());
        if woken {
            signal::drain();
        }
        serve_signals()?;
        let ready: Vec<PollFlags> = fds
            .iter()
            .take(wanted.len())
            .map(|fd| fd.revents().unwrap_or(PollFlags::empty()))
            .collect();
        let expired = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if woken || expired || ready.iter().any(|ready| !ready.is_empty()) {
            return Ok(ready);
        }
    }
}

/// Like [`wait`], for a process that is already ending: signals are not checked, and a second one
/// ends the process.
///
/// # Errors
/// Any error of poll(2).
pub fn wait_at_the_end(wanted: &[Wanted<'_>], deadline: Deadline) -> Result<Vec<PollFlags>, Stop> {
    let mut fds: Vec<PollFd<'_>> =
        wanted.iter().map(|&(fd, flags)| PollFd::new(fd, flags)).collect();
    match poll(&mut fds, timeout(deadline)) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(error).at("poll"),
    }
    Ok(fds.iter().map(|fd| fd.revents().unwrap_or(PollFlags::empty())).collect())
}

/// Waits for one descriptor, across unrelated wake-ups; `false` at the deadline.
///
/// # Errors
/// As [`wait`].
pub fn wait_for(fd: BorrowedFd<'_>, flags: PollFlags, deadline: Deadline) -> Result<bool, Stop> {
    loop {
        if wait(&[(fd, flags)], deadline)?.iter().any(|ready| !ready.is_empty()) {
            return Ok(true);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(false);
        }
    }
}

/// Handles signals, as [`wait`] does.
///
/// # Errors
/// A signal that requests the end.
pub fn serve_signals() -> Result<(), Stop> {
    match signal::pending() {
        Some(signal) => Err(Stop::Signal(signal)),
        None => Ok(()),
    }
}

fn timeout(deadline: Deadline) -> PollTimeout {
    let Some(deadline) = deadline else {
        return PollTimeout::NONE;
    };
    // Rounded up, so that a deadline has passed when poll returns.
    let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
    PollTimeout::try_from(left.as_millis().min(i32::MAX as u128)).unwrap_or(PollTimeout::MAX)
}
