// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of a process: the number of each [`Status`], and genuine deaths by signal.

use std::process::ExitCode;

use nix::sys::signal::Signal;

use crate::os::signal;
use crate::report::{self, Status, Stop};

/// Returns the exit status, the same in all tools.
fn number(status: Status) -> u8 {
    match status {
        Status::Done => 0,
        Status::Failed => 1,
        Status::Usage => 2,
        Status::Unreachable => 3,
        Status::Nothing => 4,
        Status::Unauthorized => 5,
        Status::NotFound => 6,
        Status::BadResponse => 7,
        Status::BadRequest => 8,
    }
}

/// Prints pending reports, then the error that ended the tool, if any.
pub(super) fn explain(outcome: Result<Status, Stop>) -> Result<Status, Stop> {
    report::progress::finish();
    report::print_suppressed();
    let Err(Stop::Error { status, text }) = outcome else { return outcome };
    report::error(&text);
    if status == Status::Usage {
        report::plain(format_args!("Try '{} --help' for more information.", report::program()));
    }
    Err(Stop::Said(status))
}

/// Prints what is still to be printed, and converts the outcome into the exit of the process.
pub fn finish(outcome: Result<Status, Stop>) -> ExitCode {
    let status = match explain(outcome) {
        Ok(status) | Err(Stop::Said(status) | Stop::Error { status, .. }) => status,
        Err(Stop::BrokenPipe) => signal::die_of(Signal::SIGPIPE),
        Err(Stop::Signal(signal)) => signal::die_of(signal),
    };
    ExitCode::from(number(status))
}
