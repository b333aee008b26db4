// SPDX-License-Identifier: MIT OR Apache-2.0
//! Turns text into Heka messages.

mod cli;
mod emit;
mod numbers;
mod run;
mod structure;

fn main() -> std::process::ExitCode {
    heka_core::cli::main::<cli::Cli>(|cli| run::run(&cli.plan()?))
}
