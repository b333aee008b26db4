// SPDX-License-Identifier: MIT OR Apache-2.0
//! A thread that lives as long as the tool, and makes a final report.

use std::io;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::SigSet;

/// Stack size: such a thread only needs texts of some kilobytes.
const STACK: usize = 256 * 1024;
/// Time limit for the final report.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Absent,
    Running,
    /// The tool has ended and waits for the final report.
    Ending,
    Done,
}

/// The phase of the thread's life.
#[derive(Debug)]
pub(super) struct Life {
    phase: Mutex<Phase>,
    changed: Condvar,
}

impl Life {
    pub(super) const fn new() -> Self {
        Self { phase: Mutex::new(Phase::Absent), changed: Condvar::new() }
    }

    /// Starts the thread, which executes `run` and then exits.
    pub(super) fn start(
        &'static self,
        name: &str,
        run: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let thread = std::thread::Builder::new().name(name.to_owned()).stack_size(STACK);
        self.set(Phase::Running);
        let started = thread.spawn(move || {
            // Signals are for the main thread: they interrupt whatever it waits in, and it does not
            // continue before the handler has run.
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

    /// Ends the thread; `wake` must wake it.
    pub(super) fn finish(&self, wake: fn()) {
        let mut phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        if *phase != Phase::Running {
            return;
        }
        *phase = Phase::Ending;
        wake();
        // A thread that hangs dies with the process.
        drop(self.changed.wait_timeout_while(phase, PATIENCE, |phase| *phase != Phase::Done));
    }

    fn set(&self, new: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = new;
        self.changed.notify_all();
    }
}
