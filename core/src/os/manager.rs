// SPDX-License-Identifier: MIT OR Apache-2.0
//! The thread that notifies the service manager of readiness, status, liveness and exit. It never
//! waits for anything else: not for the tool, a disk, or the reader of stderr.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::life::Life;
use super::pulse::{self, Pulse};
use super::timer::{self, Timer};
use super::{Notify, signal};
use crate::report::{self, Cause as _, stats};

/// Interval of status reports to the service manager.
const STATUS_PERIOD: Duration = Duration::from_secs(10);

static LIFE: Life = Life::new();
/// The cause of the last failed notification.
static FAILURE: Mutex<Option<String>> = Mutex::new(None);

/// Starts the thread. It lives until [`finish`].
///
/// # Errors
/// If no thread can be created.
pub(super) fn start(notify: Notify) -> io::Result<()> {
    signal::open_manager()?;
    pulse::await_ready();
    let manager = Manager { notify, is_ready: false, is_stopping: false, pulse: Pulse::default() };
    LIFE.start("manager", move || manager.run())
}

/// Notifies the service manager of the exit, and ends the thread.
pub(super) fn finish() {
    LIFE.finish(signal::wake_manager);
}

/// Reports a failed notification.
pub(super) fn report_failure() {
    let failure = FAILURE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(cause) = failure {
        report::repeated("NOTIFY_SOCKET", format_args!("NOTIFY_SOCKET: {cause}"));
    }
}

/// The state that the service manager knows.
#[derive(Debug)]
struct Manager {
    notify: Notify,
    is_ready: bool,
    is_stopping: bool,
    pulse: Pulse,
}

impl Manager {
    fn run(mut self) {
        let period = self.notify.watchdog_period();
        let mut watchdog = Timer::new(period, period.unwrap_or_default());
        let mut status = Timer::new(Some(STATUS_PERIOD), STATUS_PERIOD);
        loop {
            let is_ending = LIFE.is_ending();
            let now = Instant::now();
            self.tell_phase(is_ending);
            if status.is_due(now) {
                self.tell(&words());
            }
            if watchdog.is_due(now) {
                self.tell_alive();
            }
            if is_ending {
                return;
            }
            timer::wait(&[&watchdog, &status], signal::manager_fd().as_slice());
            signal::drain_manager();
        }
    }

    fn tell_phase(&mut self, is_ending: bool) {
        if !self.is_ready && Pulse::take().is_ready() {
            self.is_ready = true;
            self.tell(&format!("READY=1\n{}", words()));
        }
        if !self.is_stopping && (is_ending || signal::pending().is_some()) {
            self.is_stopping = true;
            self.tell("STOPPING=1");
        }
    }

    fn tell_alive(&mut self) {
        let pulse = Pulse::take();
        if pulse.is_alive_since(self.pulse) {
            self.tell("WATCHDOG=1");
        }
        self.pulse = pulse;
    }

    fn tell(&self, text: &str) {
        if let Err(error) = self.notify.tell(text) {
            *FAILURE.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.cause());
            signal::wake_reporter();
        }
    }
}

fn words() -> String {
    format!("STATUS={}: {}", report::program(), stats::line())
}
