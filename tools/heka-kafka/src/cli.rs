// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line of heka-kafka.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use heka_core::cli::net::RetryArgs;
use heka_core::cli::{Common, Help, Timeout, Tool, parse_buffer_size, parse_timeout};
use heka_core::delivery::transport::From;
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
    /// Setting of the client library (repeatable)
    #[arg(short = 'X', value_name = "SETTING", value_parser = config::parse_setting)]
    setting: Vec<(String, String)>,
    /// File with settings of the client library
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    client_config: Option<PathBuf>,
    /// User name
    #[arg(long, value_name = "NAME", requires = "password_file", help_heading = "Login options")]
    user: Option<String>,
    /// File with the user's password
    #[arg(long, value_name = "FILE", help_heading = "Login options", value_hint = clap::ValueHint::FilePath)]
    password_file: Option<PathBuf>,
    /// SASL mechanism
    #[arg(long, value_name = "NAME", value_parser = parse_sasl, help_heading = "Login options")]
    sasl: Option<String>,
    /// Connection timeout
    #[arg(short = 'w', long, value_name = "DURATION", default_value = "10s", value_parser = parse_timeout, help_heading = "Network options")]
    connect_timeout: Timeout,
    /// Use IPv4 only
    #[arg(short = '4', long, overrides_with = "ipv6", help_heading = "Network options")]
    ipv4: bool,
    /// Use IPv6 only
    #[arg(short = '6', long, overrides_with = "ipv4", help_heading = "Network options")]
    ipv6: bool,
    /// Enable TCP keepalive
    #[arg(long, help_heading = "Network options")]
    keepalive: bool,
    /// CAs to trust instead of the system's
    #[arg(long, value_name = "PEM", help_heading = "TLS options", value_hint = clap::ValueHint::FilePath)]
    ca_file: Option<PathBuf>,
    /// Client certificate
    #[arg(long, value_name = "PEM", help_heading = "TLS options", value_hint = clap::ValueHint::FilePath)]
    cert: Option<PathBuf>,
    /// Private key, if not in the certificate's file
    #[arg(long, value_name = "PEM", requires = "cert", help_heading = "TLS options", value_hint = clap::ValueHint::FilePath)]
    key: Option<PathBuf>,
    /// Do not verify server certificates
    #[arg(short = 'k', long, help_heading = "TLS options")]
    insecure: bool,
    #[command(flatten)]
    retry: RetryArgs,
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
}

/// What is to be done, checked.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) address: Address,
    pub(crate) reads: bool,
    pub(crate) follows: bool,
    pub(crate) acknowledges: bool,
    pub(crate) in_flight: usize,
    pub(crate) connect_timeout: Duration,
    pub(crate) config: ClientConfig,
    pub(crate) start: Start,
    /// When we began, in milliseconds since 1970.
    pub(crate) since: i64,
    pub(crate) backoff: Backoff,
}

/// Flags and options that become settings of the library.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) typed: Vec<(String, String)>,
    pub(crate) file: Option<PathBuf>,
    pub(crate) user: Option<String>,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) sasl: Option<String>,
    pub(crate) connect_timeout: Duration,
    pub(crate) family: Option<&'static str>,
    pub(crate) keepalive: bool,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) cert_key: Option<PathBuf>,
    pub(crate) insecure: bool,
}

impl Cli {
    pub(crate) fn plan(self) -> Result<Plan, Stop> {
        let options = self.address.options.clone();
        check(&options, self.read)?;
        let connect_timeout = self.connect_timeout.0.unwrap_or(Duration::from_secs(3600));
        let settings = Settings {
            typed: self.setting,
            file: self.client_config.or(options.client_config.clone()),
            user: self.user.or(options.user.clone()),
            password_file: self.password_file.or(options.password_file.clone()),
            sasl: self.sasl.or(options.sasl.clone()),
            connect_timeout,
            family: if self.ipv4 { Some("v4") } else { self.ipv6.then_some("v6") },
            keepalive: self.keepalive,
            ca_file: self.ca_file.or(options.ca_file.clone()),
            cert: self.cert.or(options.cert.clone()),
            cert_key: self.key.or(options.cert_key.clone()),
            insecure: self.insecure,
        };
        if self.insecure && self.address.is_tls {
            report::warning(format_args!(
                "{}: the server certificate is not verified",
                self.address.text
            ));
        }
        let config = config::make(&self.address, &settings, self.read)?;
        let start = Start::plan(options.from.as_ref())?;
        Ok(Plan {
            address: self.address,
            reads: self.read,
            follows: !self.no_follow,
            acknowledges: self.ack,
            in_flight: self.in_flight,
            connect_timeout,
            config,
            start,
            since: clock::now_ns() / 1_000_000,
            backoff: self.retry.plan(Backoff::default()),
        })
    }
}

/// An option that nothing would come of is a mistake.
fn check(options: &Options, reads: bool) -> Result<(), Stop> {
    let for_writing = [
        (options.form.is_some(), "form"),
        (options.key.is_some(), "key"),
        (options.acks.is_some(), "acks"),
        (options.compression.is_some(), "compression"),
        (options.linger.is_some(), "linger"),
        (options.has_message_time.is_some(), "timestamp"),
    ];
    let for_reading = [
        (options.group.is_some(), "group"),
        (options.from.is_some(), "from"),
        (options.origin, "origin"),
    ];
    let (wrong, other) =
        if reads { (&for_writing[..], "writing") } else { (&for_reading[..], "reading") };
    if let Some((_, name)) = wrong.iter().find(|(is_given, _)| *is_given) {
        return Err(Stop::usage(format_args!("{name}= in an address is for {other}")));
    }
    if reads && options.group.is_none() && matches!(options.from, None | Some(From::Stored)) {
        return Err(Stop::usage(
            "reading needs group=NAME, which remembers the offsets, or from=begin",
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
