// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sends messages to another machine.

mod arrival;
mod cli;
mod commit;
mod dialing;
mod lane;
mod link;
mod packer;
mod place;
mod run;
mod source;
mod spool;
mod target;

fn main() -> std::process::ExitCode {
    heka_core::cli::main::<cli::Cli>(|cli| run::run(cli.plan()?))
}
