// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs a Lua input plugin and writes its messages to standard output.

mod check;
mod cli;
mod config;
mod decoding;
mod defaults;
mod help;
mod host;
mod keeper;
mod numbers;
mod outlet;
mod plugin;
mod run;
mod sandbox;
mod stdout;

fn main() -> std::process::ExitCode {
    heka_core::cli::main::<cli::Cli>(|cli| run::run(&cli.plan()?))
}
