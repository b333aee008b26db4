// SPDX-License-Identifier: MIT OR Apache-2.0
//! The thread that reports statistics, even while the tool is stuck in a write: on SIGUSR1,
//! periodically, and into a file. The service manager is notified by a separate thread, as this one
//! may wait for the reader of stderr.

use std::io;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::life::Life;
use super::timer::{self, Timer};
use super::{MetricsFile, Notify, manager, signal};
use crate::report::stats;

/// Time limit for the main thread to react to a signal, in milliseconds.
const HEARING: u8 = 50;

static LIFE: Life = Life::new();

/// The reports and their intervals.
#[derive(Debug, Default)]
pub struct Reporter {
    /// Interval of statistics on stderr.
    pub every: Option<Duration>,
    /// The file for metrics.
    pub metrics: Option<MetricsFile>,
    /// The service manager.
    pub notify: Option<Notify>,
}

impl Reporter {
    /// Starts the thread. It lives until [`finish`].
    ///
    /// # Errors
    /// If no thread can be created.
    pub fn start(mut self) -> io::Result<()> {
        if let Some(notify) = self.notify.take() {
            manager::start(notify)?;
        }
        LIFE.start("reporter", move || self.run())
    }

    fn run(self) {
        let period = self.metrics.as_ref().map(MetricsFile::period);
        let mut metrics = Timer::new(period, Duration::ZERO);
        let mut every = Timer::new(self.every, self.every.unwrap_or_default());
        let unheard = Unheard::new();
        let mut fds: Vec<_> = signal::reporter_fd().into_iter().collect();
        fds.extend(unheard.iter().map(|unheard| unheard.0.as_fd()));
        loop {
            let is_ending = LIFE.is_ending();
            let now = Instant::now();
            if metrics.is_due(now) || is_ending {
                self.write_metrics();
            }
            if every.is_due(now) {
                stats::print();
            }
            if signal::take_usr1() {
                stats::print();
            } else if unheard.as_ref().is_some_and(Unheard::take) {
                signal::pass_on_usr1();
                stats::print();
            }
            manager::report_failure();
            if is_ending {
                return;
            }
            timer::wait(&[&metrics, &every], &fds);
            signal::drain_reporter();
        }
    }

    fn write_metrics(&self) {
        if let Some(metrics) = &self.metrics {
            metrics.write();
        }
    }
}

/// A SIGUSR1 that the kernel delivers to the main thread, which cannot handle it while it writes to
/// a stuck disk.
struct Unheard(SignalFd);

impl Unheard {
    fn new() -> Option<Self> {
        let mut usr1 = SigSet::empty();
        usr1.add(Signal::SIGUSR1);
        SignalFd::with_flags(&usr1, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).ok().map(Self)
    }

    /// Takes the signal if it is pending, and still is after a while.
    fn take(&self) -> bool {
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        if !poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0) {
            return false;
        }
        if let Some(fd) = signal::reporter_fd() {
            // The main thread's handler writes to this pipe.
            let _ = poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], HEARING);
        }
        self.0.read_signal().is_ok_and(|signal| signal.is_some())
    }
}

/// Makes the final reports and ends the threads.
pub fn finish() {
    stats::end();
    manager::finish();
    // The reporter may be waiting for a stuck disk, or for the reader of stderr.
    LIFE.finish(signal::wake_reporter);
}
