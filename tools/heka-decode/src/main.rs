// SPDX-License-Identifier: MIT OR Apache-2.0
//! Converts Heka messages to text.

mod cli;
mod help;
mod positions;
mod run;
mod select;
mod sort;
mod tally;
mod write;

fn main() -> std::process::ExitCode {
    heka_core::cli::main::<cli::Cli>(|cli| run::run(&cli.plan()?))
}
