// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes messages to NATS JetStream, and reads them from there.
//!
//! The client is part of this tool: `JetStream` needs only a dozen lines of text from the protocol,
//! and JSON in ordinary messages. So connections, TLS and waiting are those of the other tools, and
//! unacknowledged messages are known at once when a connection breaks.

mod address;
mod auth;
mod cli;
mod client;
mod delivery;
mod help;
mod jetstream;
mod numbers;
mod origin;
mod packer;
mod protocol;
mod pulls;
mod read;
mod window;
mod write;

use heka_core::report::{Status, Stop};

fn main() -> std::process::ExitCode {
    heka_core::cli::main::<cli::Cli>(|cli| run(cli.plan()?))
}

fn run(plan: cli::Plan) -> Result<Status, Stop> {
    if plan.reads { read::run(plan) } else { write::run(plan) }
}
