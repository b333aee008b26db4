// SPDX-License-Identifier: MIT OR Apache-2.0
//! Puts a UNIX domain socket into a pipe, as a client or as a server of many.

mod address;
mod audience;
mod batch;
mod bulk;
mod cli;
mod client;
mod compression;
mod datagrams;
mod door;
mod envelope;
mod exec;
mod facts;
mod formats;
mod framing;
mod help;
mod hub;
mod inbound;
mod intake;
mod link;
mod looks;
mod memory;
mod mode;
mod numbers;
mod packets;
mod peer;
mod peers;
mod plan;
mod queue;
mod run;
mod server;
mod sink;
mod source;

fn main() -> std::process::ExitCode {
    heka_core::cli::main::<cli::Cli>(|cli| run::run(cli.plan()?))
}
