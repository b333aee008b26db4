// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--check`: reports what a plugin's author needs to know before running it.

use std::cell::RefCell;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::time::Duration;

use heka_core::os::{Output, signal};
use heka_core::report::{self, Status, Stop};

use crate::cli::Plan;
use crate::host::{Checkpoint, Host, answer, level};
use crate::keeper::Keeper;
use crate::plugin::Plugin;
use crate::sandbox::{Decoder, Sandbox};

/// Accepts everything and forwards nothing.
struct Nowhere;

impl Host for Nowhere {
    fn inject(&mut self, _: Option<&[u8]>, _: Option<&Checkpoint>) -> i32 {
        answer::TAKEN
    }

    fn log(&mut self, level: u8, component: &str, text: &str) {
        match level {
            level::ERROR => report::error(format_args!("{component}: {text}")),
            _ => report::warning(format_args!("{component}: {text}")),
        }
    }

    fn wait_readable(&mut self, _: BorrowedFd<'_>) -> bool {
        false
    }
}

/// Loads the plugin and reports on it; its messages are discarded.
pub(crate) fn check(plan: &Plan, plugin: &Plugin) -> Result<Status, Stop> {
    let Plugin { name, ticker_interval, logger, .. } = &plugin;
    let host = Rc::new(RefCell::new(Nowhere));
    // A check has no orderly end to wait for.
    let keeper = Keeper::start(name, plan.cpu_limit, Duration::ZERO, None)?;
    let sandbox = Sandbox::new(plugin.script(), plugin.config.clone(), &keeper.limits, &host)
        .map_err(|_| signal::pending().map_or(Stop::Said(Status::Failed), Stop::Signal))?;
    let counts = sandbox.counts().clone();
    let (memory, instructions) = (counts.memory.get(), counts.instructions.get());
    let wrong = |text: &str| Stop::failed(format_args!("{name}: {text}"));
    let often = match (&plugin.module, ticker_interval) {
        (Some(_), _) => "called for each message".to_owned(),
        (None, Some(interval)) => format!("called every {} s", interval.as_secs_f64()),
        (None, None) => "called once".to_owned(),
    };
    let loads_as = plugin.module.as_ref().unwrap_or(logger);
    if plugin.module.is_some() {
        Decoder::new(sandbox).map_err(|why| wrong(&why))?;
    } else if !sandbox.is_callable() {
        return Err(wrong("process_message() function was not found"));
    }
    let line = format!(
        "{name}: loads as {loads_as}, {often}; {memory} bytes of memory, \
         {instructions} instructions so far\n"
    );
    let mut out = Output::stdout()?.text();
    out.put(line.as_bytes());
    out.flush()?;
    Ok(Status::Done)
}
