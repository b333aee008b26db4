// SPDX-License-Identifier: MIT OR Apache-2.0
//! The thread that reports the numbers, also while the tool is stuck in a write: on SIGUSR1, every
//! so often, and into a file. What the service manager is told has a thread of its own, as this one
//! waits for the reader of stderr.

use std::io;
use std::time::{Duration, Instant};

use super::life::Life;
use super::timer::{self, Timer};
use super::{MetricsFile, Notify, manager, signal};
use crate::report::stats;

static LIFE: Life = Life::new();

/// What is reported, and how often.
#[derive(Debug, Default)]
pub struct Reporter {
    /// Numbers on stderr.
    pub every: Option<Duration>,
    /// Numbers in a file.
    pub metrics: Option<MetricsFile>,
    /// The service manager.
    pub notify: Option<Notify>,
}

impl Reporter {
    /// Starts the thread. It lives until [`finish`].
    ///
    /// # Errors
    /// The system's, if there can be no thread.
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
            }
            manager::report_failure();
            if is_ending {
                return;
            }
            timer::wait(&[&metrics, &every], signal::reporter_fd());
            signal::drain_reporter();
        }
    }

    fn write_metrics(&self) {
        if let Some(metrics) = &self.metrics {
            metrics.write();
        }
    }
}

/// Has the last words said and the last numbers written, and ends the threads.
pub fn finish() {
    stats::end();
    manager::finish();
    // It may wait for a disk that is stuck, or for the reader of stderr.
    LIFE.finish(signal::wake_reporter);
}
