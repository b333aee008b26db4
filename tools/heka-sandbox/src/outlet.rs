// SPDX-License-Identifier: MIT OR Apache-2.0
//! Standard output and the checkpoint file, shared by the plugin's thread and the keeper's.
//!
//! The plugin may block in a read that nobody here sees, so what it has injected must be written
//! by another thread after a short while; and a checkpoint counts only once the messages before it
//! are written.
//!
//! That other thread also watches the plugin, so a reader that does not read must not hold it up:
//! nobody waits for room while the outlet is locked. The plugin's thread waits in
//! [`Outlet::wait_for_room`], until all it has injected is taken or it is made to end.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use heka_core::delivery::checkpoint::CheckpointFile;
use heka_core::os::{Backlog, Output, wait};
use heka_core::report::{Cause as _, Explain as _, Stop};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How long a message may wait for company.
const DELAY: Duration = Duration::from_millis(10);
/// With this many bytes waiting the plugin waits too, until all are written.
const FULL: usize = 64 * 1024;
/// Time between two looks at whether the plugin is to wait on, in milliseconds.
const TICK: u8 = 100;

/// Where messages and checkpoints go.
#[derive(Debug)]
pub(crate) struct Outlet {
    shared: Mutex<Shared>,
    filled: Condvar,
    /// The output's descriptor, to wait for it with nothing locked.
    fd: OwnedFd,
    /// Whether the plugin's thread waits for room.
    waits: AtomicBool,
    file: Mutex<Option<CheckpointFile>>,
    /// Name of the source in the checkpoint file.
    key: String,
}

#[derive(Debug)]
struct Shared {
    out: Backlog,
    /// When the first message that is not written came, or the reader had no room last.
    since: Option<Instant>,
    /// Checkpoint of what is in the buffer, and of what is written.
    buffered: Option<Vec<u8>>,
    written: Option<Vec<u8>>,
    /// Why nothing more can be written.
    failure: Option<Stop>,
    has_failed: bool,
}

impl Outlet {
    /// Messages to `out`, checkpoints to `file` under `key`.
    ///
    /// # Errors
    /// If there is no descriptor left.
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

    /// Appends a message, as `put` makes it, and notes the checkpoint behind it. `None` if nothing
    /// can be written any more.
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

    /// Waits for the reader if much is buffered, as long as `goes_on`.
    pub(crate) fn wait_for_room(&self, goes_on: impl Fn() -> bool) {
        if self.lock().out.pending() < FULL {
            return;
        }
        self.waits.store(true, Ordering::SeqCst);
        while goes_on() && !self.flush() {
            let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLOUT)];
            // An error means that a signal came: the keeper knows what to do then.
            let _ready = poll(&mut fds, PollTimeout::from(TICK));
        }
        self.waits.store(false, Ordering::SeqCst);
    }

    /// Whether the plugin's thread waits until the reader takes something.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waits.load(Ordering::SeqCst)
    }

    /// Writes what the reader takes now; whether nothing is left to write.
    pub(crate) fn flush(&self) -> bool {
        self.lock().flush()
    }

    /// Waits until messages have waited long enough, and writes them; or for `tick`.
    pub(crate) fn flush_later(&self, tick: Duration) {
        let shared = self.lock();
        let timeout =
            shared.since.map_or(tick, |since| (since + DELAY) - Instant::now().min(since + DELAY));
        let waited = self.filled.wait_timeout(shared, timeout);
        let (mut shared, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if shared.since.is_some_and(|since| since.elapsed() >= DELAY) && !shared.flush() {
            // The reader has no room. It is asked again when the keeper has looked around.
            shared.since = Some(Instant::now() + tick);
        }
    }

    /// Whether nothing more can be written. Notices also that nobody reads.
    pub(crate) fn has_failed(&self) -> bool {
        let mut shared = self.lock();
        if !shared.has_failed && shared.is_unread() {
            shared.settle(Err(Stop::BrokenPipe));
        }
        shared.has_failed
    }

    /// Why nothing more can be written, once.
    pub(crate) fn take_failure(&self) -> Option<Stop> {
        self.lock().failure.take()
    }

    /// The same without waiting for anybody, after what can still be written is.
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
    /// What prevented it.
    pub(crate) fn finish(&self) -> Result<(), Stop> {
        while !self.flush() {
            if let Err(Stop::Signal(_)) = wait(&[(self.fd.as_fd(), PollFlags::POLLOUT)], None) {
                // A last try, which does not take long.
                self.lock().flush_in_grace();
                break;
            }
        }
        let saved = self.save();
        self.take_failure().map_or(saved, Err)
    }

    /// Stores the checkpoint of what is written.
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
        let path = |file: &CheckpointFile| Path::to_path_buf(file.path());
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

    /// Writes what the reader takes soon, once a signal has come.
    fn flush_in_grace(&mut self) {
        if !self.has_failed {
            let flushed = self.out.flush();
            self.settle(flushed);
        }
    }

    /// Draws the conclusions after something was written, or could not be.
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
