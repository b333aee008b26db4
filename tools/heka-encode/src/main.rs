// SPDX-License-Identifier: MIT OR Apache-2.0
//! Converts text to Heka messages.

mod cli;
mod emit;
mod field_arg;
mod flaws;
mod frames;
mod help;
mod input;
mod join;
mod numbers;
mod parsing;
mod plan;
mod records;
mod run;
mod stage;

fn main() -> std::process::ExitCode {
    heka_core::cli::main::<cli::Cli>(|cli| run::run(&cli.plan()?))
}
