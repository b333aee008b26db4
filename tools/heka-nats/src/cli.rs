// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line of heka-nats.

use std::path::PathBuf;

use clap::Parser;
use heka_core::cli::net::{NetArgs, RetryArgs, TlsArgs};
use heka_core::cli::{Common, Help, Tool, parse_buffer_size};
use heka_core::delivery::transport::From;
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
    /// Read from the broker
    #[arg(short, long)]
    read: bool,
    /// Read to the end as it was at the start, then exit
    #[arg(long, requires = "read")]
    no_follow: bool,
    /// Exchange acknowledgements on standard input and output
    #[arg(long)]
    ack: bool,
    /// Limit on unacknowledged data
    #[arg(long, value_name = "SIZE", default_value = "8M", value_parser = parse_buffer_size)]
    in_flight: usize,
    /// User name
    #[arg(long, value_name = "NAME", requires = "password_file", help_heading = "Login options")]
    user: Option<String>,
    /// File with the user's password
    #[arg(long, value_name = "FILE", help_heading = "Login options", value_hint = clap::ValueHint::FilePath)]
    password_file: Option<PathBuf>,
    /// Credentials file: a token and its key
    #[arg(long, value_name = "FILE", help_heading = "Login options", value_hint = clap::ValueHint::FilePath)]
    creds: Option<PathBuf>,
    /// File with the seed of an nkey
    #[arg(long, value_name = "FILE", help_heading = "Login options", value_hint = clap::ValueHint::FilePath)]
    nkey: Option<PathBuf>,
    #[command(flatten)]
    tls_args: TlsArgs,
    #[command(flatten)]
    net: NetArgs,
    #[command(flatten)]
    retry: RetryArgs,
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
        // A broker's connections are kept.
        command.mut_arg("idle_timeout", |flag| flag.hide(true))
    }
}

/// What is to be done, checked.
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
    /// Whether a durable consumer begins anew.
    pub(crate) fn resets(&self) -> bool {
        !matches!(self.address.options.from, None | Some(From::Stored))
    }
}

impl Cli {
    pub(crate) fn plan(mut self) -> Result<Plan, Stop> {
        check(&self.address.options, self.read)?;
        if self.net.socket.idle_timeout.0.is_some() {
            return Err(Stop::usage("--idle-timeout: connections to a broker are kept"));
        }
        let credentials = self.credentials()?;
        let options = &self.address.options;
        let tls_args = TlsArgs {
            ca_file: self.tls_args.ca_file.take().or(options.ca_file.clone()),
            cert: self.tls_args.cert.take().or(options.cert.clone()),
            key: self.tls_args.key.take().or(options.key.clone()),
            server_name: self.tls_args.server_name.take().or(options.server_name.clone()),
            ..self.tls_args
        };
        let settings = self.net.plan(&["ALL_PROXY"])?;
        let dialer = Dialer { settings, tls: tls::Client::new(tls_args.plan()) };
        if self.address.is_tls {
            dialer.tls.config()?;
        }
        Ok(Plan {
            address: self.address,
            reads: self.read,
            follows: !self.no_follow,
            acknowledges: self.ack,
            in_flight: self.in_flight,
            credentials,
            backoff: self.retry.plan(Backoff::default()),
            dialer,
        })
    }

    fn credentials(&self) -> Result<Credentials, Stop> {
        let options = &self.address.options;
        let user = self.user.as_ref().or(options.user.as_ref());
        let password = self.password_file.as_ref().or(options.password_file.as_ref());
        let creds = self.creds.as_ref().or(options.creds.as_ref());
        let nkey = self.nkey.as_ref().or(options.nkey.as_ref());
        match (user, password, creds, nkey) {
            (None, None, None, None) => Ok(Credentials::None),
            (Some(user), Some(path), None, None) => Credentials::password(user, path),
            (None, None, Some(path), None) => Credentials::creds(path),
            (None, None, None, Some(path)) => Credentials::nkey(path),
            (Some(_), None, ..) | (None, Some(_), ..) => {
                Err(Stop::usage("a user and a password file go together"))
            }
            _ => Err(Stop::usage("only one of a user, credentials and an nkey")),
        }
    }
}

/// An option that nothing would come of is a mistake.
fn check(options: &Options, reads: bool) -> Result<(), Stop> {
    let for_writing = [
        (options.create.is_some(), "create"),
        (options.form.is_some(), "form"),
        (options.batch.is_some(), "batch"),
        (options.no_id, "id"),
    ];
    let for_reading = [
        (options.durable.is_some(), "durable"),
        (options.from.is_some(), "from"),
        (options.origin, "origin"),
    ];
    let (wrong, other) =
        if reads { (&for_writing[..], "writing") } else { (&for_reading[..], "reading") };
    if let Some((_, name)) = wrong.iter().find(|(is_given, _)| *is_given) {
        return Err(Stop::usage(format_args!("{name}= in an address is for {other}")));
    }
    if reads && options.durable.is_none() && matches!(options.from, None | Some(From::Stored)) {
        return Err(Stop::usage(
            "reading needs durable=NAME, which remembers the position, or from=begin",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn documented() {
        heka_core::cli::testing::assert_documented::<super::Cli>();
    }
}
