// SPDX-License-Identifier: MIT OR Apache-2.0
//! A thread that lives as long as the tool, and has a last word.

use std::io;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::SigSet;

/// What such a thread needs: texts of some kilobytes.
const STACK: usize = 256 * 1024;
/// How long the end waits for it.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Absent,
    Running,
    /// The tool has ended, and waits for the last words.
    Ending,
    Done,
}

/// How far its life is.
#[derive(Debug)]
pub(super) struct Life {
    phase: Mutex<Phase>,
    changed: Condvar,
}

impl Life {
    pub(super) const fn new() -> Self {
        Self { phase: Mutex::new(Phase::Absent), changed: Condvar::new() }
    }

    /// Starts the thread, which does `run` and is over then.
    pub(super) fn start(
        &'static self,
        name: &str,
        run: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let thread = std::thread::Builder::new().name(name.to_owned()).stack_size(STACK);
        self.set(Phase::Running);
        let started = thread.spawn(move || {
            // They are for the main thread: what it waits in is interrupted, and it does not go on
            // before the handler has run.
            let _blocked = SigSet::all().thread_block();
            run();
            self.set(Phase::Done);
        });
        started.map(drop).inspect_err(|_| self.set(Phase::Absent))
    }

    /// Whether the tool has ended.
    pub(super) fn is_ending(&self) -> bool {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) == Phase::Ending
    }

    /// Ends it: `wake` has it look.
    pub(super) fn finish(&self, wake: fn()) {
        let mut phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        if *phase != Phase::Running {
            return;
        }
        *phase = Phase::Ending;
        wake();
        // If it hangs, it dies with the process.
        drop(self.changed.wait_timeout_while(phase, PATIENCE, |phase| *phase != Phase::Done));
    }

    fn set(&self, new: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = new;
        self.changed.notify_all();
    }
}
