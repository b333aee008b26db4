// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line of heka-nats.

use std::path::PathBuf;

use clap::Parser;
use heka_core::cli::net::{CertArgs, NetArgs, RetryArgs, TlsArgs};
use heka_core::cli::transport::{LoginArgs, TransportArgs};
use heka_core::cli::{Common, Help, Tool};
use heka_core::net::{Backoff, Dialer, tls};
use heka_core::report::Stop;
use heka_core::report::stats::Metric;

use crate::address::{self, Address, Options};
use crate::auth::Credentials;
use crate::numbers;

/// Write messages to NATS JetStream, or read them from there
///
/// Publishes Heka messages, or lines, from standard input to the subject of ADDRESS and waits until
/// a stream has stored them. With --read, writes the messages of a stream to standard output and
/// acknowledges them. heka-send and heka-listen start heka-nats for such addresses.
#[derive(Debug, Parser)]
pub(crate) struct Cli {
    /// Servers, subject and options, as one address
    #[arg(value_name = "ADDRESS", value_parser = address::parse)]
    address: Address,
    #[command(flatten)]
    transport: TransportArgs,
    #[command(flatten)]
    login: LoginArgs,
    /// Credentials file: a token and its key
    #[arg(long, value_name = "FILE", help_heading = "Login options", value_hint = clap::ValueHint::FilePath)]
    creds: Option<PathBuf>,
    /// File with the seed of an nkey
    #[arg(long, value_name = "FILE", help_heading = "Login options", value_hint = clap::ValueHint::FilePath)]
    nkey: Option<PathBuf>,
    #[command(flatten)]
    net: NetArgs,
    #[command(flatten)]
    retry: RetryArgs,
    #[command(flatten)]
    tls_args: TlsArgs,
    #[command(flatten)]
    common: Common,
}

impl Tool for Cli {
    const NAME: &'static str = "heka-nats";
    const METRICS: &'static [&'static [Metric]] = &[numbers::ALL];
    const HELP: Help = crate::help::HELP;
    fn common(&self) -> &Common {
        &self.common
    }
    fn adjust(command: clap::Command) -> clap::Command {
        // Connections to a broker are kept.
        let command = command.mut_arg("idle_timeout", |flag| flag.hide(true));
        RetryArgs::show_defaults(command, Backoff::default())
    }
}

/// The validated task.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) address: Address,
    pub(crate) reads: bool,
    pub(crate) follows: bool,
    pub(crate) acknowledges: bool,
    pub(crate) in_flight: usize,
    pub(crate) credentials: Credentials,
    pub(crate) backoff: Backoff,
    pub(crate) dialer: Dialer,
}

impl Plan {
    /// Whether to reset a durable consumer.
    pub(crate) fn resets(&self) -> bool {
        !self.address.options.common.begins_where_stored()
    }
}

impl Cli {
    pub(crate) fn plan(self) -> Result<Plan, Stop> {
        let TransportArgs { read: reads, no_follow, ack, in_flight } = self.transport;
        check(&self.address.options, reads)?;
        if self.net.socket.idle_timeout.0.is_some() {
            return Err(Stop::usage("--idle-timeout: connections to a broker are kept"));
        }
        let credentials = self.credentials()?;
        let options = &self.address.options;
        let files = self.tls_args.files;
        let tls_args = TlsArgs {
            files: CertArgs {
                ca_file: files.ca_file.or(options.common.ca_file.clone()),
                cert: files.cert.or(options.common.cert.clone()),
                key: files.key.or(options.key.clone()),
            },
            server_name: self.tls_args.server_name.or(options.server_name.clone()),
            ..self.tls_args
        };
        let settings = self.net.plan(&["ALL_PROXY"])?;
        let dialer = Dialer { settings, tls: tls::Client::new(tls_args.plan()) };
        if self.address.is_tls {
            dialer.tls.config()?;
        }
        Ok(Plan {
            address: self.address,
            reads,
            follows: !no_follow,
            acknowledges: ack,
            in_flight,
            credentials,
            backoff: self.retry.plan(Backoff::default()),
            dialer,
        })
    }

    fn credentials(&self) -> Result<Credentials, Stop> {
        let options = &self.address.options;
        let login = self.login.plan(&options.common)?;
        let creds = self.creds.as_ref().or(options.creds.as_ref());
        let nkey = self.nkey.as_ref().or(options.nkey.as_ref());
        match (login, creds, nkey) {
            (None, None, None) => Ok(Credentials::None),
            (Some((user, path)), None, None) => Credentials::password(user, path),
            (None, Some(path), None) => Credentials::creds(path),
            (None, None, Some(path)) => Credentials::nkey(path),
            _ => Err(Stop::usage("only one of a user, credentials and an nkey")),
        }
    }
}

/// Rejects options without effect, and reading without a start.
fn check(options: &Options, reads: bool) -> Result<(), Stop> {
    let writing = [
        ("create", options.create.is_some()),
        ("batch", options.batch.is_some()),
        ("id", options.no_id),
    ];
    let reader = ("durable", options.durable.is_some(), "position");
    options.common.check(reads, &writing, reader).map_err(Stop::usage)
}

#[cfg(test)]
mod tests {
    #[test]
    fn documented() {
        heka_core::cli::testing::assert_documented::<super::Cli>();
    }
}
