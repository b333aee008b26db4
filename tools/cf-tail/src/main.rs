// SPDX-License-Identifier: MIT OR Apache-2.0
//! Follows the logs of a Cloud Foundry app.

mod access;
mod access_args;
mod again;
mod api;
mod apps;
mod choose;
mod cli;
mod command;
mod config;
mod endpoint;
mod envelope;
mod failure;
mod feed;
mod filter;
mod follow;
mod form;
mod help;
mod http;
mod intake;
mod json;
mod legacy;
mod log_cache;
mod meta;
mod multipart;
mod net_args;
mod numbers;
mod parts;
mod rlp;
mod run;
mod secret;
mod seen;
mod selection;
mod server;
mod session;
mod sink;
mod sse;
mod token;
mod uaa;
mod v1;
mod wire;

fn main() -> std::process::ExitCode {
    heka_core::cli::main::<cli::Cli>(|cli| run::run(cli.plan()?))
}
