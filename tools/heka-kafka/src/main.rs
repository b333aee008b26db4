// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes messages to Kafka, and reads them from there.
//!
//! The client is librdkafka. Its threads only add to [`events`]; one thread of our own does the
//! rest, and never waits for the library: slow requests are made in separate threads, and the
//! destruction of a client is left to one.

mod address;
mod cli;
mod cluster;
mod commits;
mod config;
mod consumer;
mod events;
mod feed;
mod help;
mod numbers;
mod origin;
mod places;
mod producer;
mod read;
mod start;
mod verdict;
mod window;
mod words;
mod write;

use heka_core::report::{Status, Stop};

fn main() -> std::process::ExitCode {
    heka_core::cli::main::<cli::Cli>(|cli| run(cli.plan()?))
}

fn run(plan: cli::Plan) -> Result<Status, Stop> {
    heka_core::net::refuse_itself_in_libraries();
    if plan.reads { read::run(plan) } else { write::run(plan) }
}
