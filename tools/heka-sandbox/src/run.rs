// SPDX-License-Identifier: MIT OR Apache-2.0
//! Loads the plugin and calls it: once, at intervals, or until it ends.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use heka_core::codec::Form;
use heka_core::delivery::checkpoint::{CheckpointFile, Positions, source_key};
use heka_core::os::{Output, signal, wait};
use heka_core::report::{self, Explain as _, Status, Stop};

use crate::cli::{Keep, Plan};
use crate::keeper::{self, Keeper};
use crate::numbers;
use crate::outlet::Outlet;
use crate::plugin::Plugin;
use crate::sandbox::{Limits, Outcome, Sandbox, State};
use crate::stdout::{self, Stdout};

/// Interval of checks of the keeper's state.
const TICK: Duration = Duration::from_millis(100);

/// Runs the plugin to its end.
pub(crate) fn run(plan: &Plan) -> Result<Status, Stop> {
    let plugin = Plugin::open(plan)?;
    if plan.check {
        return crate::check::check(plan, &plugin);
    }
    if let Some(decoding) = &plan.decoding {
        return crate::decoding::run(plan, decoding, &plugin);
    }
    let (encoder, out) = plan.showing.open(Form::Heka, plan.color, Output::stdout()?)?;
    let out = out.unbuffered(plan.writing.unbuffered);
    live_in_utc();
    signal::allow_interrupts().at("signals")?;
    let key = source_key(&plugin.logger).into_owned();
    let (file, position) = open_checkpoint(&plan.keep, &key)?;
    let has_marks = out.is_stream();
    let outlet = Arc::new(Outlet::new(out, file, key.clone())?);
    let keeper = Keeper::start(&plugin.name, plan.cpu_limit, keeper::PATIENCE, Some(&outlet))?;
    let limits = &keeper.limits;
    let checkpoint = position.and_then(|position| decode(&position, &key));
    let host = Rc::new(RefCell::new(Stdout {
        outlet: Arc::clone(&outlet),
        limits: Arc::clone(limits),
        encoder,
        written: 0,
        left: plan.max_count,
        travel: matches!(plan.keep, Keep::Downstream(_)).then_some(key),
        checkpoint,
        has_marks,
        travelling: Vec::new(),
    }));
    let ended = live(plan, &plugin, limits, &host);
    keeper.finish();
    // Messages injected before an error or a signal are written too.
    let written = outlet.finish();
    let status = outcome(ended, written)?;
    Ok(status.and(plan.writing.status(host.borrow().written)))
}

/// Determines the result of a run from the end of the plugin and the result of writing.
fn outcome(ended: Result<Status, Stop>, written: Result<(), Stop>) -> Result<Status, Stop> {
    match (ended, written) {
        (Err(Stop::Signal(signal)), Err(Stop::Error { text, .. })) => {
            report::error(text);
            Err(Stop::Signal(signal))
        }
        (ended, Ok(())) => ended,
        (_, written) => written.map(|()| Status::Failed),
    }
}

/// Sets the time zone to UTC, which plugins expect.
pub(crate) fn live_in_utc() {
    #[expect(unsafe_code, reason = "C's time functions, which Lua uses, know the zone from here")]
    // SAFETY: the one other thread that may run, the meter of --progress, is Rust throughout and
    // reads the environment under the lock of the standard library.
    unsafe {
        std::env::set_var("TZ", "UTC");
    }
}

fn open_checkpoint(
    keep: &Keep,
    key: &str,
) -> Result<(Option<CheckpointFile>, Option<Vec<u8>>), Stop> {
    Ok(match keep {
        Keep::Nothing => (None, None),
        Keep::Here(path) => {
            let file = CheckpointFile::open(path)?;
            let position = file.get(key).map(<[u8]>::to_vec);
            (Some(file), position)
        }
        Keep::Downstream(path) => (None, Positions::read(path)?.get(key).map(<[u8]>::to_vec)),
    })
}

fn decode(position: &[u8], key: &str) -> Option<crate::host::Checkpoint> {
    let checkpoint = stdout::decode(position);
    if checkpoint.is_none() {
        report::warning(format_args!("{key}: checkpoint not understood, skipped"));
    }
    checkpoint
}

/// The life of a plugin, from loading it to storing its global data.
fn live(
    plan: &Plan,
    plugin: &Plugin,
    limits: &Arc<Limits>,
    host: &Rc<RefCell<Stdout>>,
) -> Result<Status, Stop> {
    let loaded = Sandbox::new(plugin.script(), plugin.config.clone(), limits, host);
    // The error has been logged.
    let sandbox = loaded.map_err(|_| stopped(host).unwrap_or(Stop::Said(Status::Failed)))?;
    preserving(plan, &sandbox, || call(&plugin.name, &sandbox, plugin.ticker_interval, host))
}

/// Restores global data from the file of `--preserve` before a run, and stores it afterwards.
pub(crate) fn preserving(
    plan: &Plan,
    sandbox: &Sandbox,
    run: impl FnOnce() -> Result<Status, Stop>,
) -> Result<Status, Stop> {
    let Some(path) = &plan.preserve else {
        let ended = run();
        count(sandbox);
        return ended;
    };
    if let Some(broken) = sandbox.restore(path).map_err(Stop::failed)? {
        report::warning(broken);
    }
    let ended = run();
    count(sandbox);
    let kept = sandbox.preserve(path);
    let status = ended?;
    kept.map_err(Stop::failed)?;
    Ok(status)
}

/// Calls the plugin until it or its host ends the run.
fn call(
    name: &str,
    sandbox: &Sandbox,
    interval: Option<Duration>,
    host: &Rc<RefCell<Stdout>>,
) -> Result<Status, Stop> {
    let mut status = Status::Done;
    loop {
        let checkpoint = host.borrow().checkpoint.clone();
        let outcome = sandbox.process_message(checkpoint.as_ref());
        count(sandbox);
        if let Some(stop) = stopped(host) {
            if sandbox.state() == State::Terminated && matches!(stop, Stop::Signal(_)) {
                tell(name, &outcome, true);
            }
            return Err(stop);
        }
        if host.borrow().limits.is_over() {
            return Ok(status);
        }
        if sandbox.state() == State::Terminated {
            tell(name, &outcome, true);
            return Err(Stop::Said(Status::Failed));
        }
        tell(name, &outcome, false);
        status = Status::failed_if(outcome.status == -1);
        let Some(interval) = interval else { return Ok(status) };
        host.borrow().outlet.flush();
        let called = Instant::now();
        while called.elapsed() < interval {
            let left = interval.saturating_sub(called.elapsed());
            wait(&[], Some(Instant::now() + left.min(TICK)))?;
            if host.borrow().outlet.has_failed() {
                return Err(stopped(host).unwrap_or(Stop::Said(Status::Failed)));
            }
        }
    }
}

/// Returns the reason for the end of the run, other than the plugin itself.
fn stopped(host: &Rc<RefCell<Stdout>>) -> Option<Stop> {
    let failure = host.borrow().outlet.take_failure();
    failure.or_else(|| signal::pending().map(Stop::Signal))
}

fn tell(name: &str, outcome: &Outcome, is_over: bool) {
    let text = String::from_utf8_lossy(&outcome.text);
    match outcome.status {
        _ if is_over => report::error(format_args!("{name}: {text}")),
        -1 if !text.is_empty() => {
            let text = format_args!("{name}: process_message returned: -1 {text}");
            report::repeated("failed messages", text);
        }
        status if text.is_empty() => {
            report::note(format_args!("{name}: process_message returned: {status}"));
        }
        status => report::note(format_args!("{name}: process_message returned: {status} {text}")),
    }
}

pub(crate) fn count(sandbox: &Sandbox) {
    let counts = sandbox.counts();
    numbers::CALLS.set(counts.calls.get());
    numbers::FAILURES.set(counts.failures.get());
    numbers::MEMORY.set(counts.memory.get());
    numbers::INSTRUCTIONS.set(counts.instructions.get());
}
