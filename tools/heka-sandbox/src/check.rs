// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--check`: what a plugin's author wants to know before it runs.

use std::cell::RefCell;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::sync::Arc;

use heka_core::diag;
use heka_core::exit::{Status, Stop};
use heka_core::io::Output;

use crate::host::{Checkpoint, Host, answer, level};
use crate::plugin::Plugin;
use crate::sandbox::{Limits, Sandbox};

/// Takes everything and passes nothing on.
struct Nowhere;

impl Host for Nowhere {
    fn inject(&mut self, _: Option<&[u8]>, _: Option<&Checkpoint>) -> i32 {
        answer::TAKEN
    }

    fn log(&mut self, level: u8, component: &str, text: &str) {
        match level {
            level::ERROR => diag::error(format_args!("{component}: {text}")),
            _ => diag::warning(format_args!("{component}: {text}")),
        }
    }

    fn wait_readable(&mut self, _: BorrowedFd<'_>) -> bool {
        false
    }
}

/// Loads the plugin and tells how it looks; its messages go nowhere.
pub(crate) fn check(plugin: Plugin) -> Result<Status, Stop> {
    let Plugin { name, source, config, ticker_interval, logger } = plugin;
    let limits = Arc::new(Limits::default());
    let host = Rc::new(RefCell::new(Nowhere));
    let sandbox = Sandbox::new(&name, &source, config, &limits, &host)
        .map_err(|_| Stop::Said(Status::Failed))?;
    if !sandbox.is_callable() {
        let text = "process_message() function was not found";
        return Err(Stop::failed(format_args!("{name}: {text}")));
    }
    let counts = sandbox.counts();
    let (memory, instructions) = (counts.memory.get(), counts.instructions.get());
    let often = ticker_interval.map_or_else(
        || "called once".to_owned(),
        |interval| format!("called every {} s", interval.as_secs_f64()),
    );
    let line = format!(
        "{name}: loads as {logger}, {often}; {memory} bytes of memory, \
         {instructions} instructions so far\n"
    );
    let mut out = Output::stdout()?.text();
    out.put(line.as_bytes());
    out.flush()?;
    Ok(Status::Done)
}
