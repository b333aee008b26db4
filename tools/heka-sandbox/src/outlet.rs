// SPDX-License-Identifier: MIT OR Apache-2.0
//! Standard output and the checkpoint file, shared by the plugin's thread and the keeper's.
//!
//! The plugin may block in a read that nobody here sees, so what it has injected must be written
//! by another thread after a short while; and a checkpoint counts only once the messages before it
//! are written.

use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use heka_core::delivery::checkpoint::CheckpointFile;
use heka_core::exit::{Cause as _, Stop};
use heka_core::io::Output;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How long a message may wait for company.
const DELAY: Duration = Duration::from_millis(10);

/// Where messages and checkpoints go.
#[derive(Debug)]
pub(crate) struct Outlet {
    shared: Mutex<Shared>,
    filled: Condvar,
    file: Mutex<Option<CheckpointFile>>,
    /// Name of the source in the checkpoint file.
    key: String,
}

#[derive(Debug)]
struct Shared {
    out: Output,
    /// When the first message that is not written came.
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
    pub(crate) fn new(out: Output, file: Option<CheckpointFile>, key: String) -> Self {
        let shared = Shared {
            out,
            since: None,
            buffered: None,
            written: None,
            failure: None,
            has_failed: false,
        };
        Self { shared: Mutex::new(shared), filled: Condvar::new(), file: Mutex::new(file), key }
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
        let len = shared.out.pending();
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

    /// Writes what is buffered.
    pub(crate) fn flush(&self) {
        self.lock().flush();
    }

    /// Waits until messages have waited long enough, and writes them; or for `tick`.
    pub(crate) fn flush_later(&self, tick: Duration) {
        let shared = self.lock();
        let timeout =
            shared.since.map_or(tick, |since| (since + DELAY) - Instant::now().min(since + DELAY));
        let waited = self.filled.wait_timeout(shared, timeout);
        let (mut shared, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if shared.since.is_some_and(|since| since.elapsed() >= DELAY) {
            shared.flush();
        }
    }

    /// Whether nothing can be written any more. Notices also that nobody reads.
    pub(crate) fn has_failed(&self) -> bool {
        let mut shared = self.lock();
        if !shared.has_failed && shared.is_unread() {
            shared.settle(Err(Stop::BrokenPipe));
        }
        shared.has_failed
    }

    /// Why nothing can be written any more, once.
    pub(crate) fn take_failure(&self) -> Option<Stop> {
        self.lock().failure.take()
    }

    /// The same without waiting for a thread that holds the outlet.
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
        self.flush();
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
    fn flush(&mut self) {
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
        let Some((fd, flags)) = self.out.reader_watch() else { return false };
        let mut fds = [PollFd::new(fd, flags)];
        poll(&mut fds, PollTimeout::ZERO).is_ok()
            && fds[0].revents().is_some_and(|ready| ready.contains(PollFlags::POLLERR))
    }
}
