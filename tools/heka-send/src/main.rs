// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sends messages to another machine.

mod check;
mod cli;
mod help;
mod input;
mod lane;
mod numbers;
mod packer;
mod patience;
mod peer;
mod place;
mod plan;
mod queue;
mod refusals;
mod run;
mod spool;
mod window;

fn main() -> std::process::ExitCode {
    heka_core::cli::main::<cli::Cli>(|cli| {
        let plan = cli.plan()?;
        if plan.checks { check::check(plan) } else { run::run(plan) }
    })
}
