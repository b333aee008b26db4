// SPDX-License-Identifier: MIT OR Apache-2.0
//! Follows log files and converts their lines to Heka messages.

mod charset;
mod cli;
mod due;
mod emit;
mod few;
mod follow;
mod habits;
mod help;
mod labels;
mod numbers;
mod plan;
mod reported;
mod run;
mod select;
mod show;
mod sources;
mod state;
mod streams;
mod timers;
mod watch;
mod watching;

fn main() -> std::process::ExitCode {
    heka_core::cli::main::<cli::Cli>(|cli| run::run(cli.plan()?))
}
