// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line of ws-source.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use heka_core::cli::net::{NetArgs, RetryArgs, TlsArgs};
use heka_core::cli::secret::unusable;
use heka_core::cli::{
    Common, Help, Timeout, Tool, Writing, forms, parse_buffer_size, parse_timeout,
};
use heka_core::codec::Form;
use heka_core::net::Retries;
use heka_core::net::tls::ClientSettings;
use heka_core::net::ws::{Endpoint, Kind, Message, Options};
use heka_core::net::{Addr, Backoff, HostPort, Settings, UnixName};
use heka_core::record;
use heka_core::report::stats::Metric;
use heka_core::report::{Cause as _, Stop};

use crate::keystore::KeystoreArgs;
use crate::request::{Headers, RequestArgs};

/// Receive messages from a WebSocket server
///
/// Connects to URL, sends initial messages, writes every message to standard output, and reconnects
/// when the connection breaks.
#[derive(Debug, Parser)]
#[command(mut_arg("insecure", |arg| arg.visible_alias("trust-all-certs")))]
pub(crate) struct Cli {
    /// URL to connect to: ws://…, wss://…, ws+unix:PATH:/…
    #[arg(value_name = "URL", value_hint = clap::ValueHint::Url)]
    url: String,
    /// Send TEXT after every connect (repeatable)
    #[arg(short = 'p', long, value_name = "TEXT", allow_hyphen_values = true)]
    init_message: Vec<String>,
    /// Send the contents of FILE after every connect, before -p
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    init_file: Vec<PathBuf>,
    /// Send the contents of FILE as a binary message after every connect
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    init_binary: Vec<PathBuf>,
    /// Send each record of standard input as a message
    #[arg(long)]
    stdin: bool,
    /// Type of messages to send [default: text; with --framing none: binary]
    #[arg(long, value_name = "TYPE")]
    send: Option<Sent>,
    /// Send each message back
    #[arg(long)]
    echo: bool,
    /// Time to stay connected after the end of standard input
    #[arg(long, value_name = "DURATION", default_value = "none", requires = "stdin", value_parser = parse_timeout)]
    linger: Timeout,
    /// Output format
    #[arg(short, long, value_name = "FORM", default_value = "payload",
          value_parser = forms(&[Form::Payload, Form::Json, Form::Heka]))]
    output: Form,
    /// The same as -o json
    #[arg(short, long, conflicts_with = "output")]
    json: bool,
    /// Framing of payloads, and of records of --stdin
    #[arg(long, value_name = "HOW", default_value = "lines")]
    framing: Framing,
    /// The same as --framing null
    #[arg(short = '0', long, conflicts_with = "framing")]
    null: bool,
    /// How to write binary messages as payload
    #[arg(long, value_name = "HOW", default_value = "raw")]
    binary: Binary,
    /// Text before the payload of text messages, also in --stdin
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        allow_hyphen_values = true,
        hide_default_value = true
    )]
    text_prefix: String,
    /// Text before the payload of binary messages, also in --stdin
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        allow_hyphen_values = true,
        hide_default_value = true
    )]
    binary_prefix: String,
    /// Stop after NUM messages
    #[arg(short = 'n', long, value_name = "NUM")]
    max_count: Option<u64>,
    /// Type of Heka messages
    #[arg(short = 't', long = "type", value_name = "TYPE", default_value = "websocket")]
    type_: String,
    /// Logger of Heka messages; the URL's host if absent
    #[arg(short, long, value_name = "LOGGER")]
    logger: Option<String>,
    /// Longest message to accept
    #[arg(long = "max-record", alias = "max-message", value_name = "SIZE", default_value = "64M", value_parser = parse_buffer_size)]
    max_message: usize,
    /// Stop reading when SIZE of output is pending
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = parse_buffer_size)]
    max_backlog: usize,
    #[command(flatten)]
    request: RequestArgs,
    /// Ping interval
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_timeout, help_heading = "Connection options")]
    ping_interval: Timeout,
    /// Disconnect if a ping is not answered within DURATION
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = parse_timeout, help_heading = "Connection options")]
    ping_timeout: Timeout,
    /// Do not offer compression
    #[arg(long, help_heading = "Connection options")]
    no_compression: bool,
    /// Close code to send
    #[arg(long, value_name = "CODE", default_value_t = 1000, value_parser = parse_close_code, help_heading = "Connection options")]
    close_code: u16,
    /// Close reason
    #[arg(long, value_name = "TEXT", default_value = "", value_parser = parse_close_reason, help_heading = "Connection options")]
    close_reason: String,
    /// Follow up to NUM redirects
    #[arg(long, value_name = "NUM", default_value_t = 0, help_heading = "Connection options")]
    location: u32,
    /// Connect through this UNIX socket
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::FilePath, help_heading = "Connection options")]
    unix: Option<String>,
    /// Connect to ADDR for this host and port (repeatable)
    #[arg(long, value_name = "HOST:PORT:ADDR", value_parser = parse_resolve, help_heading = "Connection options")]
    resolve: Vec<(HostPort, IpAddr)>,
    #[command(flatten)]
    net: NetArgs,
    #[command(flatten)]
    retry: RetryArgs,
    #[command(flatten)]
    tls: TlsArgs,
    #[command(flatten)]
    keystore: KeystoreArgs,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    common: Common,
}

/// The separation of payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Framing {
    /// A newline after each
    Lines,
    /// NUL after each
    Null,
    /// Four-byte length before each, big-endian
    Len32,
    /// Nothing; standard input is sent as it is read
    None,
}

/// The prefixes that mark the type of payloads, if any.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prefixes {
    text: Vec<u8>,
    binary: Vec<u8>,
}

impl Prefixes {
    pub(crate) fn of(&self, kind: Kind) -> &[u8] {
        match kind {
            Kind::Text => &self.text,
            Kind::Binary => &self.binary,
        }
    }

    /// Returns the type that a prefix marks, and the rest.
    pub(crate) fn strip<'a>(&self, record: &'a [u8]) -> Option<(Kind, &'a [u8])> {
        [Kind::Text, Kind::Binary].into_iter().find_map(|kind| {
            let prefix = Some(self.of(kind)).filter(|prefix| !prefix.is_empty())?;
            Some((kind, record.strip_prefix(prefix)?))
        })
    }
}

/// The conversion of binary messages to payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Binary {
    /// Their bytes
    Raw,
    /// Their bytes in base64
    Base64,
    /// Not at all
    Skip,
}

/// The type of outgoing messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sent {
    /// Text (UTF-8)
    Text,
    /// Binary messages
    Binary,
}

impl Tool for Cli {
    const NAME: &'static str = "ws-source";
    const METRICS: &'static [&'static [Metric]] = &[crate::numbers::ALL];
    const HELP: Help = crate::help::HELP;
    fn common(&self) -> &Common {
        &self.common
    }
    fn adjust(command: clap::Command) -> clap::Command {
        RetryArgs::show_defaults(command, BACKOFF)
    }
}

/// The validated task.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) endpoint: Endpoint,
    pub(crate) headers: Headers,
    pub(crate) init: Vec<Message>,
    pub(crate) stdin: bool,
    pub(crate) send: Kind,
    pub(crate) prefixes: Prefixes,
    pub(crate) echo: bool,
    pub(crate) linger: Option<Duration>,
    pub(crate) form: Form,
    pub(crate) framing: record::Framing,
    pub(crate) binary: Binary,
    pub(crate) max_count: Option<u64>,
    pub(crate) type_: String,
    pub(crate) logger: Option<String>,
    pub(crate) writing: Writing,
    pub(crate) options: Options,
    pub(crate) close: (u16, String),
    pub(crate) redirects: u32,
    pub(crate) unix: Option<UnixName>,
    pub(crate) settings: Settings,
    pub(crate) tls: ClientSettings,
    pub(crate) backoff: Backoff,
}

/// The original's defaults: every 30 s, forever.
const BACKOFF: Backoff = Backoff {
    delay: Duration::from_secs(30),
    growth: 1.0,
    max_delay: Duration::from_secs(300),
    jitter: Duration::ZERO,
    retries: Retries::Forever,
};

impl Cli {
    pub(crate) fn plan(self) -> Result<Plan, Stop> {
        let endpoint = Endpoint::parse(&self.url)
            .map_err(|error| Stop::usage(format_args!("URL: {error}")))?;
        let settings = self.settings(&endpoint)?;
        let unix = self.unix.as_deref().map(UnixName::parse).transpose();
        let form = if self.json { Form::Json } else { self.output };
        self.check_prefixes(form)?;
        Ok(Plan {
            init: self.init_messages()?,
            framing: self.record_framing(),
            send: self.kind_to_send(),
            options: self.options(),
            headers: self.request.plan(&endpoint)?,
            stdin: self.stdin,
            prefixes: Prefixes {
                text: self.text_prefix.into_bytes(),
                binary: self.binary_prefix.into_bytes(),
            },
            echo: self.echo,
            linger: self.linger.0,
            form,
            binary: self.binary,
            max_count: self.max_count,
            type_: self.type_,
            logger: self.logger,
            writing: self.writing,
            close: (self.close_code, self.close_reason),
            redirects: self.location,
            unix: unix.map_err(|error| Stop::usage(format_args!("--unix: {error}")))?,
            settings,
            tls: self.keystore.plan(self.tls.plan())?,
            backoff: self.retry.plan(BACKOFF),
            endpoint,
        })
    }

    fn settings(&self, endpoint: &Endpoint) -> Result<Settings, Stop> {
        let variables: &[&str] = match endpoint.addr {
            Addr::Tls(_) => &["HTTPS_PROXY", "ALL_PROXY"],
            _ => &["HTTP_PROXY", "ALL_PROXY"],
        };
        let mut settings = self.net.plan(variables)?;
        settings.resolve.clone_from(&self.resolve);
        Ok(settings)
    }

    fn options(&self) -> Options {
        Options {
            max_message: self.max_message,
            ping_interval: self.ping_interval.0,
            ping_timeout: self.ping_timeout.0,
            idle_timeout: self.net.socket.idle_timeout.0,
            max_backlog: self.max_backlog,
            text_as_binary: false,
            compression: !self.no_compression,
        }
    }

    fn check_prefixes(&self, form: Form) -> Result<(), Stop> {
        let has_prefix = !self.text_prefix.is_empty() || !self.binary_prefix.is_empty();
        if has_prefix && (form != Form::Payload || self.framing == Framing::None) {
            return Err(Stop::usage(
                "--text-prefix and --binary-prefix are for payloads that are framed",
            ));
        }
        Ok(())
    }

    fn kind_to_send(&self) -> Kind {
        match self.send {
            None if self.framing == Framing::None => Kind::Binary,
            Some(Sent::Binary) => Kind::Binary,
            None | Some(Sent::Text) => Kind::Text,
        }
    }

    /// Returns the framing of payloads in the output.
    fn record_framing(&self) -> record::Framing {
        match self.framing {
            _ if self.null => record::Framing::Delimited(0),
            Framing::Lines => record::Framing::Delimited(b'\n'),
            Framing::Null => record::Framing::Delimited(0),
            Framing::Len32 => record::Framing::Length(record::Width::Bits32),
            Framing::None => record::Framing::None,
        }
    }

    /// Returns the messages to send after every connect, in order.
    fn init_messages(&self) -> Result<Vec<Message>, Stop> {
        let read =
            |path: &PathBuf| std::fs::read(path).map_err(|error| unusable(path, &error.cause()));
        let mut init = Vec::new();
        for path in &self.init_file {
            let mut text = read(path)?;
            if std::str::from_utf8(&text).is_err() {
                return Err(unusable(path, "not UTF-8 (--init-binary sends other bytes)"));
            }
            if text.ends_with(b"\n") {
                text.pop();
                text.pop_if(|byte| *byte == b'\r');
            }
            init.push(Message { kind: Kind::Text, data: text.into() });
        }
        for path in &self.init_binary {
            init.push(Message { kind: Kind::Binary, data: read(path)?.into() });
        }
        let texts = self.init_message.iter();
        init.extend(texts.map(|text| Message { kind: Kind::Text, data: text.clone().into() }));
        Ok(init)
    }
}

/// Parses a close code that an application may send (RFC 6455 §7.4.2).
fn parse_close_code(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(code @ (1000..=1003 | 1007..=1014 | 3000..=4999)) => Ok(code),
        _ => Err("expected 1000 to 1003, 1007 to 1014, or 3000 to 4999".to_owned()),
    }
}

/// Parses a close reason: a control frame holds 125 bytes, two of them the code.
fn parse_close_reason(text: &str) -> Result<String, String> {
    if text.len() > 123 {
        return Err("more than 123 bytes".to_owned());
    }
    Ok(text.to_owned())
}

/// Parses curl's form of `--resolve`.
fn parse_resolve(text: &str) -> Result<(HostPort, IpAddr), String> {
    let wrong = || "expected HOST:PORT:ADDR, ADDR in numbers".to_owned();
    let (at, addr) = match text.strip_suffix(']').and_then(|rest| rest.rsplit_once(":[")) {
        Some(found) => found,
        None => text.rsplit_once(':').ok_or_else(wrong)?,
    };
    let at = HostPort::parse(at).map_err(|_| wrong())?;
    Ok((at, addr.parse().map_err(|_| wrong())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented() {
        heka_core::cli::testing::assert_documented::<Cli>();
    }

    #[test]
    fn addresses_are_given_as_to_curl() {
        let (at, addr) = parse_resolve("h.example:443:127.0.0.1").unwrap();
        assert_eq!(
            (at.to_string().as_str(), addr.to_string().as_str()),
            ("h.example:443", "127.0.0.1")
        );
        assert_eq!(parse_resolve("h:1:[::1]").unwrap().1.to_string(), "::1");
        assert!(parse_resolve("h:1").is_err() && parse_resolve("h:1:x").is_err());
    }

    #[test]
    fn close_codes_are_those_that_may_be_sent() {
        assert_eq!(parse_close_code("4999"), Ok(4999));
        for reserved in ["1004", "1005", "1006", "1015", "0", "5000", "x"] {
            assert!(parse_close_code(reserved).is_err(), "{reserved}");
        }
    }
}
