// SPDX-License-Identifier: MIT OR Apache-2.0
//! The thread beside the plugin: writes what waits, sees to signals, and ends what does not end.
//!
//! A plugin is stopped in three steps. It is asked (`is_running()` turns false); it is made to
//! (every instruction raises an error); and if it does not come back from a call of C code, the
//! process ends. The same two last steps meet a call that takes more than its processor time.
//!
//! A plugin that sleeps in a call does not see that it is asked. The call is interrupted, twice if
//! need be, and if it sleeps on, the process ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use heka_core::os::{pulse, reporter, signal};
use heka_core::report::{self, Explain as _, Stop};
use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};

use crate::outlet::Outlet;
use crate::sandbox::{Cause, Limits};

/// Time between two looks.
const TICK: Duration = Duration::from_millis(100);
/// Time between two stores of a checkpoint.
const SAVE_PERIOD: Duration = Duration::from_secs(1);
/// How long a plugin may take to end when it is asked to.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// Time between two looks once a signal has come.
const SHORT_TICK: Duration = Duration::from_millis(50);
/// How often a call that sleeps is interrupted before the process ends.
const INTERRUPTS: u32 = 2;
/// How long it may take when it is made to.
const FORCE: Duration = Duration::from_secs(2);

/// What the two threads share.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// Name of the plugin.
    name: String,
    pub(crate) limits: Arc<Limits>,
    /// What the plugin injects into; a decoder writes by itself.
    outlet: Option<Arc<Outlet>>,
    /// Processor time of one call whose instructions are limited.
    cpu_limit: Option<Duration>,
    /// How long the plugin may take to end when a signal asks for it.
    patience: Duration,
    /// Whether the run has ended normally, so that nothing remains to be kept.
    is_done: AtomicBool,
}

/// What the keeper has seen so far.
#[derive(Debug, Default)]
struct Watch {
    /// When a signal was seen.
    signalled: Option<Instant>,
    /// When the plugin was made to end.
    forced: Option<Instant>,
    /// The call that is running, and the processor time at its first sight.
    call: Option<(u64, Duration)>,
    saved: Option<Instant>,
    /// Processor time of the plugin's thread when it was last seen asleep.
    asleep: Option<u64>,
    /// How often the call in which it sleeps was interrupted.
    interrupts: u32,
}

impl Keeper {
    /// Starts the thread; it dies with the process.
    ///
    /// # Errors
    /// If there can be no thread.
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

    /// The run has ended in order, so that nothing remains to be kept.
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

    /// Interrupts a call that the plugin, or the end of its Lua state, sleeps in. Our own waits end
    /// with the signal, but for the one for a reader of the output.
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

    /// Whether the call that is running has had its processor time.
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

    /// The plugin hangs where no error can be raised: the process ends under it.
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

/// Processor time of the main thread in ticks, if it is asleep (proc(5)).
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
