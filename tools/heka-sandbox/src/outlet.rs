// SPDX-License-Identifier: MIT OR Apache-2.0
//! Standard output and the checkpoint file, shared by the plugin's thread and the keeper's.
//!
//! The plugin may block in a read that is not visible here, so messages that it has injected must
//! be written by another thread after a short while; and a checkpoint counts only once the messages
//! before it are written.
//!
//! That other thread also watches the plugin, so a reader that does not read must not block it:
//! nobody waits for room while the outlet is locked. The plugin's thread waits in
//! [`Outlet::wait_for_room`], until everything it has injected is written or it is forced to end.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use heka_core::delivery::checkpoint::CheckpointFile;
use heka_core::os::{Backlog, Output, wait};
use heka_core::report::{Cause as _, Explain as _, Stop};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Maximum time that a message is held back to be written with others.
const DELAY: Duration = Duration::from_millis(10);
/// Number of pending bytes at which the plugin waits until all are written.
const FULL: usize = 64 * 1024;
/// Interval of checks whether the plugin should continue to wait, in milliseconds.
const TICK: u8 = 100;

/// The destination of messages and checkpoints.
#[derive(Debug)]
pub(crate) struct Outlet {
    shared: Mutex<Shared>,
    filled: Condvar,
    /// The output's descriptor, for waiting without the lock.
    fd: OwnedFd,
    /// Whether the plugin's thread is waiting for room.
    waits: AtomicBool,
    file: Mutex<Option<CheckpointFile>>,
    /// Name of the source in the checkpoint file.
    key: String,
}

#[derive(Debug)]
struct Shared {
    out: Backlog,
    /// When the first pending message was added, or the reader last had no room.
    since: Option<Instant>,
    /// Checkpoint of the buffered messages, and of the written ones.
    buffered: Option<Vec<u8>>,
    written: Option<Vec<u8>>,
    /// The reason why nothing more can be written.
    failure: Option<Stop>,
    has_failed: bool,
}

impl Outlet {
    /// Creates an outlet: messages to `out`, checkpoints to `file` under `key`.
    ///
    /// # Errors
    /// If no descriptor is available.
    pub(crate) fn new(
        out: Output,
        file: Option<CheckpointFile>,
        key: String,
    ) -> Result<Self, Stop> {
        let fd = out.fd().try_clone_to_owned().at("write error")?;
        let shared = Shared {
            out: Backlog::new(out),
            since: None,
            buffered: None,
            written: None,
            failure: None,
            has_failed: false,
        };
        let (shared, file) = (Mutex::new(shared), Mutex::new(file));
        Ok(Self { shared, filled: Condvar::new(), fd, waits: AtomicBool::new(false), file, key })
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a message, created by `put`, and notes the checkpoint after it. `None` if nothing
    /// more can be written.
    pub(crate) fn put<E>(
        &self,
        checkpoint: Option<Vec<u8>>,
        put: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Option<Result<(), E>> {
        let mut shared = self.lock();
        if shared.has_failed {
            return None;
        }
        let len = shared.out.buffer().len();
        if let Err(error) = put(shared.out.buffer()) {
            shared.out.buffer().truncate(len);
            return Some(Err(error));
        }
        shared.buffered = checkpoint.or(shared.buffered.take());
        let ended = shared.out.end_record();
        shared.settle(ended);
        if shared.since.is_none() && shared.out.pending() > 0 {
            shared.since = Some(Instant::now());
            self.filled.notify_one();
        }
        (!shared.has_failed).then_some(Ok(()))
    }

    /// Notes a checkpoint without a message.
    pub(crate) fn note(&self, checkpoint: Vec<u8>) {
        let mut shared = self.lock();
        shared.buffered = Some(checkpoint);
        shared.settle(Ok(()));
    }

    /// Waits for the reader if much is pending, as long as `goes_on` returns `true`.
    pub(crate) fn wait_for_room(&self, goes_on: impl Fn() -> bool) {
        if self.lock().out.pending() < FULL {
            return;
        }
        self.waits.store(true, Ordering::SeqCst);
        while goes_on() && !self.flush() {
            let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLOUT)];
            // An error means that a signal came, which the keeper handles.
            let _ready = poll(&mut fds, PollTimeout::from(TICK));
        }
        self.waits.store(false, Ordering::SeqCst);
    }

    /// Whether the plugin's thread is waiting for the reader.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waits.load(Ordering::SeqCst)
    }

    /// Writes as much as the reader accepts now; returns whether that was everything.
    pub(crate) fn flush(&self) -> bool {
        self.lock().flush()
    }

    /// Waits until messages have been held back long enough, and writes them; at most for `tick`.
    pub(crate) fn flush_later(&self, tick: Duration) {
        let shared = self.lock();
        let timeout =
            shared.since.map_or(tick, |since| (since + DELAY) - Instant::now().min(since + DELAY));
        let waited = self.filled.wait_timeout(shared, timeout);
        let (mut shared, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if shared.since.is_some_and(|since| since.elapsed() >= DELAY) && !shared.flush() {
            // The reader has no room. Try again after the keeper's next check.
            shared.since = Some(Instant::now() + tick);
        }
    }

    /// Whether nothing more can be written, or the reader has gone.
    pub(crate) fn has_failed(&self) -> bool {
        let mut shared = self.lock();
        if !shared.has_failed && shared.is_unread() {
            shared.settle(Err(Stop::BrokenPipe));
        }
        shared.has_failed
    }

    /// Takes the reason why nothing more can be written.
    pub(crate) fn take_failure(&self) -> Option<Stop> {
        self.lock().failure.take()
    }

    /// Like [`Outlet::take_failure`], without blocking, after writing what is still possible.
    pub(crate) fn try_finish(&self) -> Option<Stop> {
        let mut shared = self.shared.try_lock().ok()?;
        shared.flush();
        let failure = shared.failure.take();
        drop(shared);
        failure.or(self.save().err())
    }

    /// Writes everything and stores the checkpoint.
    ///
    /// # Errors
    /// Any write error.
    pub(crate) fn finish(&self) -> Result<(), Stop> {
        while !self.flush() {
            if let Err(Stop::Signal(_)) = wait(&[(self.fd.as_fd(), PollFlags::POLLOUT)], None) {
                // A last attempt, which does not take long.
                self.lock().flush_in_grace();
                break;
            }
        }
        let saved = self.save();
        self.take_failure().map_or(saved, Err)
    }

    /// Stores the checkpoint of the written messages.
    ///
    /// # Errors
    /// `FILE: CAUSE`.
    pub(crate) fn save(&self) -> Result<(), Stop> {
        let written = self.lock().written.take();
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = file.as_mut() else { return Ok(()) };
        if let Some(written) = written {
            file.set(&self.key, &written);
        }
        let path = |file: &CheckpointFile| Path::to_path_buf(file.name());
        file.save().map_err(|error| {
            Stop::failed(format_args!("{}: {}", path(file).display(), error.cause()))
        })
    }
}

impl Shared {
    fn flush(&mut self) -> bool {
        if self.has_failed {
            return true;
        }
        let flushed = self.out.try_flush().map(drop);
        self.settle(flushed);
        self.has_failed || self.out.pending() == 0
    }

    /// Writes what the reader accepts within a short time, after a signal.
    fn flush_in_grace(&mut self) {
        if !self.has_failed {
            let flushed = self.out.flush();
            self.settle(flushed);
        }
    }

    /// Updates the state after an attempt to write.
    fn settle(&mut self, outcome: Result<(), Stop>) {
        match outcome {
            Ok(()) if self.out.pending() == 0 => {
                self.since = None;
                self.written = self.buffered.take().or(self.written.take());
            }
            Ok(()) => {}
            Err(stop) => {
                self.since = None;
                self.has_failed = true;
                self.failure = Some(stop);
            }
        }
    }

    fn is_unread(&self) -> bool {
        let Some((fd, flags)) = self.out.wanted() else { return false };
        let mut fds = [PollFd::new(fd, flags)];
        poll(&mut fds, PollTimeout::ZERO).is_ok()
            && fds[0].revents().is_some_and(|ready| ready.contains(PollFlags::POLLERR))
    }
}
