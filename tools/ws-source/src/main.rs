// SPDX-License-Identifier: MIT OR Apache-2.0
//! Receives messages from a WebSocket server.

mod cli;
mod connect;
mod help;
mod keystore;
mod numbers;
mod outbound;
mod record;
mod request;
mod run;
mod session;

fn main() -> std::process::ExitCode {
    heka_core::cli::main::<cli::Cli>(|cli| run::run(cli.plan()?))
}
