// SPDX-License-Identifier: MIT OR Apache-2.0
//! The thread beside the plugin: writes pending output, handles signals, and ends a plugin that
//! does not end.
//!
//! A plugin is stopped in three steps. It is asked (`is_running()` returns false); it is forced
//! (every instruction raises an error); and if it does not return from a call of C code, the
//! process ends. The last two steps also apply to a call that exceeds its processor time.
//!
//! A plugin that sleeps in a call does not notice that it is asked. The call is interrupted, twice
//! if necessary, and if it continues to sleep, the process ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use heka_core::os::{pulse, reporter, signal};
use heka_core::report::{self, Explain as _, Stop};
use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};

use crate::outlet::Outlet;
use crate::sandbox::{Cause, Limits};

/// Interval of checks.
const TICK: Duration = Duration::from_millis(100);
/// Interval at which checkpoints are stored.
const SAVE_PERIOD: Duration = Duration::from_secs(1);
/// Time for a plugin to end after it was asked to.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// Interval of checks after a signal.
const SHORT_TICK: Duration = Duration::from_millis(30);
/// Number of times that a sleeping call is interrupted before the process ends.
const INTERRUPTS: u32 = 2;
/// Time for a plugin to end after it was forced to.
const FORCE: Duration = Duration::from_secs(2);

/// The state shared by the two threads.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// Name of the plugin.
    name: String,
    pub(crate) limits: Arc<Limits>,
    /// The outlet that the plugin injects into; a decoder writes by itself.
    outlet: Option<Arc<Outlet>>,
    /// Limit on the processor time of one call whose instructions are limited.
    cpu_limit: Option<Duration>,
    /// Time for the plugin to end after a signal.
    patience: Duration,
    /// Whether the run has ended normally, so that there is nothing left to do.
    is_done: AtomicBool,
}

/// The observations of the keeper.
#[derive(Debug, Default)]
struct Watch {
    /// When a signal was noticed.
    signalled: Option<Instant>,
    /// When the plugin was forced to end.
    forced: Option<Instant>,
    /// The call in progress, and the processor time when it was first seen.
    call: Option<(u64, Duration)>,
    saved: Option<Instant>,
    /// Processor time of the plugin's thread when it was last seen asleep.
    asleep: Option<u64>,
    /// Number of times that the sleeping call was interrupted.
    interrupts: u32,
}

impl Keeper {
    /// Starts the thread; it lives as long as the process.
    ///
    /// # Errors
    /// If no thread can be created.
    pub(crate) fn start(
        name: &str,
        cpu_limit: Option<Duration>,
        patience: Duration,
        outlet: Option<&Arc<Outlet>>,
    ) -> Result<Arc<Self>, Stop> {
        signal::restart_calls().at("signals")?;
        let keeper = Arc::new(Self {
            name: name.to_owned(),
            limits: Arc::default(),
            outlet: outlet.map(Arc::clone),
            cpu_limit,
            patience,
            is_done: AtomicBool::new(false),
        });
        let this = Arc::clone(&keeper);
        let thread = std::thread::Builder::new().name("keeper".to_owned());
        thread.spawn(move || this.keep()).at("keeper")?;
        Ok(keeper)
    }

    /// Notes that the run has ended normally, so that there is nothing left to do.
    pub(crate) fn finish(&self) {
        self.is_done.store(true, Ordering::SeqCst);
    }

    fn keep(&self) {
        let mut watch = Watch::default();
        while !self.is_done.load(Ordering::SeqCst) {
            let is_pending = signal::pending().is_some();
            let tick = if is_pending { SHORT_TICK } else { TICK };
            match &self.outlet {
                Some(outlet) => outlet.flush_later(tick),
                None => std::thread::park_timeout(tick),
            }
            pulse::beat();
            self.save(&mut watch);
            self.look(&mut watch);
        }
    }

    fn save(&self, watch: &mut Watch) {
        if watch.saved.is_none_or(|saved| saved.elapsed() >= SAVE_PERIOD) {
            watch.saved = Some(Instant::now());
            if let Some(Err(Stop::Error { text, .. })) = self.outlet.as_ref().map(|it| it.save()) {
                report::warning(text);
            }
        }
    }

    fn look(&self, watch: &mut Watch) {
        if signal::pending().is_some() {
            self.limits.ask_to_end();
            let since = *watch.signalled.get_or_insert_with(Instant::now);
            if since.elapsed() >= self.patience {
                self.force(watch, Cause::Shutdown);
            }
            self.wake(watch);
        }
        let has_failed = self.outlet.as_ref().is_some_and(|outlet| outlet.has_failed());
        if has_failed || self.limits.is_over() {
            self.force(watch, Cause::Shutdown);
        }
        if self.is_over_time(watch) {
            self.force(watch, Cause::CpuLimit);
        }
        if watch.forced.is_some_and(|forced| forced.elapsed() >= FORCE) {
            self.end();
        }
    }

    /// Interrupts a call in which the plugin, or the destruction of its Lua state, sleeps. The
    /// host's own waits end with the signal, except the one for a reader of the output.
    fn wake(&self, watch: &mut Watch) {
        let is_waiting = self.outlet.as_ref().is_some_and(|outlet| outlet.is_waiting());
        let now = asleep().filter(|_| !is_waiting);
        let sleeps_on = now.is_some() && now == watch.asleep;
        watch.asleep = now;
        if !sleeps_on {
            watch.interrupts = 0;
        } else if watch.interrupts < INTERRUPTS {
            watch.interrupts += 1;
            signal::interrupt_call();
        } else {
            self.end();
        }
    }

    fn force(&self, watch: &mut Watch, cause: Cause) {
        self.limits.stop(cause);
        watch.forced.get_or_insert_with(Instant::now);
    }

    /// Whether the call in progress has exceeded its processor time.
    fn is_over_time(&self, watch: &mut Watch) -> bool {
        let (Some(limit), Some(call)) = (self.cpu_limit, self.limits.limited_call()) else {
            watch.call = None;
            return false;
        };
        let now =
            clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(Duration::ZERO, Into::into);
        match watch.call {
            Some((known, start)) if known == call => now.saturating_sub(start) >= limit,
            _ => {
                watch.call = Some((call, now));
                false
            }
        }
    }

    /// Ends the process: the plugin hangs where no error can be raised.
    fn end(&self) {
        if self.is_done.load(Ordering::SeqCst) {
            return;
        }
        let failure = self.outlet.as_ref().and_then(|outlet| outlet.try_finish());
        reporter::finish();
        report::progress::finish();
        report::print_suppressed();
        match (failure, signal::pending()) {
            (Some(Stop::BrokenPipe), _) => signal::die_of(Signal::SIGPIPE),
            (Some(Stop::Error { text, .. }), _) => report::error(text),
            (_, Some(signal)) => {
                report::warning(format_args!("{}: did not end, stopped", self.name));
                signal::die_of(signal)
            }
            _ if self.limits.is_over() => exit(0),
            _ => report::error(format_args!("{}: cpu_limit exceeded, stopped", self.name)),
        }
        exit(1)
    }
}

/// Returns the processor time of the main thread in ticks, if it is asleep (proc(5)).
fn asleep() -> Option<u64> {
    let pid = std::process::id();
    let stat = std::fs::read_to_string(format!("/proc/self/task/{pid}/stat")).ok()?;
    // The name, in brackets, may contain anything.
    let mut words = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let is_asleep = words.next()? == "S";
    let mut times = words.skip(10).map_while(|word| word.parse::<u64>().ok());
    let time = times.next()? + times.next()?;
    is_asleep.then_some(time)
}

fn exit(status: i32) -> ! {
    #[expect(clippy::exit, reason = "the main thread is stuck in code that is not ours")]
    std::process::exit(status)
}
