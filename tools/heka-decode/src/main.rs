// SPDX-License-Identifier: MIT OR Apache-2.0
//! Turns Heka messages into text.

mod cli;
mod run;

fn main() -> std::process::ExitCode {
    heka_core::cli::main::<cli::Cli>(|cli| run::run(&cli.plan()?))
}
