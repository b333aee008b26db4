// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line of heka-kafka.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use heka_core::cli::net::{CertArgs, ConnectArgs, RetryArgs};
use heka_core::cli::transport::{LoginArgs, TransportArgs};
use heka_core::cli::{Common, Help, Tool};
use heka_core::net::Backoff;
use heka_core::os::clock;
use heka_core::report::stats::Metric;
use heka_core::report::{self, Stop};
use rdkafka::ClientConfig;

use crate::address::{self, Address, Options, parse_sasl};
use crate::config;
use crate::numbers;
use crate::start::Start;

/// Write messages to Kafka, or read them from there
///
/// Writes Heka messages, or lines, from standard input to the topic of ADDRESS and waits until the
/// broker has stored them. With --read, writes the records of a topic to standard output and commits
/// their offsets. heka-send and heka-listen start heka-kafka for such addresses.
#[derive(Debug, Parser)]
pub(crate) struct Cli {
    /// Brokers, topic and options, as one address
    #[arg(value_name = "ADDRESS", value_parser = address::parse)]
    pub(crate) address: Address,
    #[command(flatten)]
    pub(crate) transport: TransportArgs,
    /// Setting of the client library (repeatable)
    #[arg(short = 'X', value_name = "SETTING", value_parser = config::parse_setting)]
    pub(crate) setting: Vec<(String, String)>,
    /// File with settings of the client library
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) client_config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) login: LoginArgs,
    /// SASL mechanism
    #[arg(long, value_name = "NAME", value_parser = parse_sasl, help_heading = "Login options")]
    pub(crate) sasl: Option<String>,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
    /// Enable TCP keepalive
    #[arg(long, help_heading = "Network options")]
    pub(crate) keepalive: bool,
    #[command(flatten)]
    retry: RetryArgs,
    #[command(flatten)]
    pub(crate) certificates: CertArgs,
    /// Do not verify server certificates
    #[arg(short = 'k', long, help_heading = "TLS options")]
    pub(crate) insecure: bool,
    #[command(flatten)]
    common: Common,
}

impl Tool for Cli {
    const NAME: &'static str = "heka-kafka";
    const METRICS: &'static [&'static [Metric]] = &[numbers::ALL];
    const HELP: Help = crate::help::HELP;
    fn common(&self) -> &Common {
        &self.common
    }
    fn adjust(command: clap::Command) -> clap::Command {
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
    pub(crate) connect_timeout: Duration,
    /// Time without any broker before a new client is created. Until then the library reconnects by
    /// itself, and the broker recognises what it has stored already.
    pub(crate) patience: Duration,
    /// Time for which the output may be blocked before fetching is paused: a tenth of the time after
    /// which a reader that does not poll is removed from its group.
    pub(crate) stall: Duration,
    pub(crate) config: ClientConfig,
    pub(crate) start: Start,
    /// Start of the tool, in milliseconds since 1970.
    pub(crate) since: i64,
    pub(crate) backoff: Backoff,
}

impl Cli {
    pub(crate) fn plan(self) -> Result<Plan, Stop> {
        let options = &self.address.options;
        let TransportArgs { read: reads, no_follow, ack, in_flight } = self.transport;
        check(options, reads)?;
        if self.insecure && self.address.is_tls {
            report::warning(format_args!(
                "{}: the server certificate is not verified",
                self.address.text
            ));
        }
        let config = config::make(&self)?;
        let start = Start::plan(options.common.from.as_ref())?;
        Ok(Plan {
            connect_timeout: self.connect_timeout(),
            address: self.address,
            reads,
            follows: !no_follow,
            acknowledges: ack,
            in_flight,
            patience: config::request_timeout(&config) * 3,
            stall: config::poll_interval(&config) / 10,
            config,
            start,
            since: clock::now_ns() / 1_000_000,
            backoff: self.retry.plan(Backoff::default()),
        })
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        self.connect.connect_timeout.0.unwrap_or(Duration::from_secs(3600))
    }
}

/// Rejects options without effect, and reading without a start.
fn check(options: &Options, reads: bool) -> Result<(), Stop> {
    let writing = [
        ("key", options.key.is_some()),
        ("acks", options.acks.is_some()),
        ("compression", options.compression.is_some()),
        ("linger", options.linger.is_some()),
        ("timestamp", options.has_message_time.is_some()),
    ];
    let reader = ("group", options.group.is_some(), "offsets");
    options.common.check(reads, &writing, reader).map_err(Stop::usage)
}

#[cfg(test)]
mod tests {
    #[test]
    fn documented() {
        heka_core::cli::testing::assert_documented::<super::Cli>();
    }
}
