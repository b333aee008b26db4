// SPDX-License-Identifier: MIT OR Apache-2.0
//! Receives messages from other machines.

mod cli;
mod connection;
mod conversations;
mod datagram;
mod doors;
mod gelf;
mod help;
mod intake;
mod limits;
mod numbers;
mod place;
mod positions;
mod programs;
mod relay;
mod run;
mod senders;
mod server;
mod source;
mod streams;
mod taken;
mod transport;

fn main() -> std::process::ExitCode {
    heka_core::cli::main::<cli::Cli>(|cli| run::run(&cli.plan()?))
}
