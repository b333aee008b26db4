// SPDX-License-Identifier: MIT OR Apache-2.0
//! The thread that tells the numbers, also while the tool is stuck in a write: on SIGUSR1, every
//! so often, into a file, and to the service manager.

use std::io;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::pulse::{self, Pulse};
use super::{MetricsFile, Notify, signal};
use crate::report::stats;

/// What the thread needs: texts of some kilobytes.
const STACK: usize = 256 * 1024;
/// How often the service manager hears how things are.
const STATUS_PERIOD: Duration = Duration::from_secs(10);
/// How long the end waits for numbers to be written to a disk that is stuck.
const PATIENCE: Duration = Duration::from_secs(1);

static PHASE: Mutex<Phase> = Mutex::new(Phase::Absent);
static CHANGED: Condvar = Condvar::new();

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Absent,
    Running,
    /// The tool has ended, and waits for the last words.
    Ending,
    Done,
}

/// What is told, and how often.
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
    pub fn start(self) -> io::Result<()> {
        if self.notify.is_some() {
            pulse::await_first();
        }
        let thread = std::thread::Builder::new().name("reporter".to_owned()).stack_size(STACK);
        set_phase(Phase::Running);
        let started = thread.spawn(move || self.run());
        started.map(drop).inspect_err(|_| set_phase(Phase::Absent))
    }

    fn run(self) {
        let mut timers = Timers::new(&self);
        let mut manager = Manager::default();
        loop {
            let now = Instant::now();
            if timers.metrics.is_due(now) {
                self.write_metrics();
            }
            if timers.every.is_due(now) {
                stats::print();
            }
            if let Some(notify) = &self.notify {
                manager.tell(notify, &mut timers, now);
            }
            if signal::take_usr1() {
                stats::print();
            }
            if phase() == Phase::Ending {
                self.end();
                return;
            }
            wait_until(timers.next());
            signal::drain_reporter();
        }
    }

    fn write_metrics(&self) {
        if let Some(metrics) = &self.metrics {
            metrics.write();
        }
    }

    fn end(&self) {
        self.write_metrics();
        if let Some(notify) = &self.notify {
            notify.tell("STOPPING=1");
        }
        set_phase(Phase::Done);
    }
}

/// Has the last numbers written, and ends the thread.
pub fn finish() {
    stats::end();
    let mut phase = PHASE.lock().unwrap_or_else(PoisonError::into_inner);
    if *phase != Phase::Running {
        return;
    }
    *phase = Phase::Ending;
    signal::wake_reporter();
    // If it hangs, it dies with the process.
    drop(CHANGED.wait_timeout_while(phase, PATIENCE, |phase| *phase != Phase::Done));
}

fn phase() -> Phase {
    *PHASE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn set_phase(new: Phase) {
    *PHASE.lock().unwrap_or_else(PoisonError::into_inner) = new;
    CHANGED.notify_all();
}

fn wait_until(deadline: Option<Instant>) {
    let Some(fd) = signal::reporter_fd() else { return std::thread::park() };
    let timeout = deadline.map_or(PollTimeout::NONE, |deadline| {
        // Rounded up, so that it has passed then.
        let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
        PollTimeout::try_from(left.as_millis().min(i32::MAX as u128)).unwrap_or(PollTimeout::MAX)
    });
    // An interruption is as good as an event.
    let _ = poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], timeout);
}

/// When something is to be done again.
#[derive(Debug)]
struct Timer {
    period: Option<Duration>,
    due: Option<Instant>,
}

impl Timer {
    fn new(period: Option<Duration>, first: Duration) -> Self {
        Self { period, due: period.map(|_| Instant::now() + first) }
    }

    /// Whether it is time; the next time is a period later.
    fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.due.is_some_and(|due| due <= now);
        if is_due {
            self.due = self.period.map(|period| now + period);
        }
        is_due
    }
}

#[derive(Debug)]
struct Timers {
    metrics: Timer,
    every: Timer,
    status: Timer,
    watchdog: Timer,
}

impl Timers {
    fn new(reporter: &Reporter) -> Self {
        let Reporter { every, metrics, notify } = reporter;
        let watchdog = notify.as_ref().and_then(Notify::watchdog_period);
        Self {
            metrics: Timer::new(metrics.as_ref().map(MetricsFile::period), Duration::ZERO),
            every: Timer::new(*every, every.unwrap_or_default()),
            status: Timer::new(notify.as_ref().map(|_| STATUS_PERIOD), STATUS_PERIOD),
            watchdog: Timer::new(watchdog, watchdog.unwrap_or_default()),
        }
    }

    fn next(&self) -> Option<Instant> {
        [&self.metrics, &self.every, &self.status, &self.watchdog]
            .into_iter()
            .filter_map(|timer| timer.due)
            .min()
    }
}

/// What the service manager knows of us.
#[derive(Debug, Default)]
struct Manager {
    is_ready: bool,
    is_stopping: bool,
    pulse: Pulse,
}

impl Manager {
    fn tell(&mut self, notify: &Notify, timers: &mut Timers, now: Instant) {
        let pulse = Pulse::take();
        if !self.is_ready && pulse.has_begun() {
            self.is_ready = true;
            notify.tell(&format!("READY=1\n{}", status()));
        }
        if !self.is_stopping && signal::pending().is_some() {
            self.is_stopping = true;
            notify.tell("STOPPING=1");
        }
        if timers.status.is_due(now) {
            notify.tell(&status());
        }
        if timers.watchdog.is_due(now) {
            if pulse.is_alive_since(self.pulse) {
                notify.tell("WATCHDOG=1");
            }
            self.pulse = pulse;
        }
    }
}

fn status() -> String {
    format!("STATUS={}: {}", crate::report::program(), stats::line())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_due_once_a_period() {
        let start = Instant::now();
        let period = Duration::from_secs(10);
        let mut timer = Timer::new(Some(period), Duration::ZERO);
        let later = start + Duration::from_secs(1);
        assert!(timer.is_due(later) && !timer.is_due(later));
        assert!(!timer.is_due(later + period / 2) && timer.is_due(later + period));
        assert!(!Timer::new(None, Duration::ZERO).is_due(later));
    }
}
