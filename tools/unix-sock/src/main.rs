// SPDX-License-Identifier: MIT OR Apache-2.0
//! Puts a UNIX domain socket into a pipe, as a client or as a server of many.

mod audience;
mod bulk;
mod cli;
mod client;
mod datagram;
mod door;
mod envelope;
mod exec;
mod facts;
mod framing;
mod hub;
mod link;
mod mode;
mod packets;
mod peer;
mod plan;
mod queue;
mod run;
mod server;
mod sink;
mod source;
mod wait;

fn main() -> std::process::ExitCode {
    heka_core::cli::main::<cli::Cli>(|cli| run::run(&cli.plan()?))
}
