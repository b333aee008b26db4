// SPDX-License-Identifier: MIT OR Apache-2.0
//! The network flags of cf-tail: those of all tools, and the choice of proxy and certificates.

use std::time::Duration;

use clap::Args;
use heka_core::cli::net::{self, ConnectArgs, SocketArgs, TlsArgs};
use heka_core::cli::{Timeout, parse_timeout};
use heka_core::net::Settings;
use heka_core::net::tls::ClientSettings;
use heka_core::report::Stop;

/// Settings of connections. (cf-tail has a `--keepalive` of its own, so the shared group does not
/// fit.)
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Network options")]
pub(crate) struct NetArgs {
    /// Connection timeout
    #[arg(short = 'w', long, value_name = "DURATION", default_value = "10s", value_parser = parse_timeout)]
    connect_timeout: Timeout,
    /// Disconnect if no message arrives within DURATION
    #[arg(long, value_name = "DURATION", value_parser = parse_timeout)]
    idle_timeout: Option<Timeout>,
    /// Time limit for a request and its response (not a stream)
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = parse_timeout)]
    max_time: Timeout,
    /// Use IPv4 only
    #[arg(short = '4', long, overrides_with = "ipv6")]
    ipv4: bool,
    /// Use IPv6 only
    #[arg(short = '6', long, overrides_with = "ipv4")]
    ipv6: bool,
    /// HTTP or SOCKS5 proxy to connect through
    #[arg(short = 'x', long, value_name = "URL", value_hint = clap::ValueHint::Url)]
    proxy: Option<String>,
    /// Ignore proxy settings in the environment
    #[arg(long, conflicts_with = "proxy")]
    no_proxy: bool,
    #[arg(long, help = "Use HTTP_PROXY for private connections too")]
    legacy_proxy: bool,
    /// The same as --insecure
    #[arg(long)]
    skip_ssl_validation: bool,
    /// Skip verification if config.json says so
    #[arg(long)]
    honour_ssl_disabled: bool,
    /// Print requests and responses, without secrets
    #[arg(long)]
    trace: bool,
}

/// Settings of connections.
#[derive(Debug)]
pub(crate) struct NetPlan {
    pub(crate) plain: Settings,
    pub(crate) private: Settings,
    pub(crate) tls: TlsArgs,
    pub(crate) honour_ssl_disabled: bool,
    pub(crate) idle: Option<Timeout>,
    /// Time limit for a request and its response.
    pub(crate) max_time: Option<Duration>,
    pub(crate) trace: bool,
}

impl NetPlan {
    /// Returns the settings of TLS; `disabled` is cf's setting.
    pub(crate) fn tls(&self, disabled: bool) -> ClientSettings {
        let mut settings = self.tls.plan();
        settings.insecure |= disabled && self.honour_ssl_disabled;
        settings
    }
}

impl NetArgs {
    pub(crate) fn plan(self, mut tls: TlsArgs) -> Result<NetPlan, Stop> {
        let net = net::NetArgs {
            connect: ConnectArgs {
                connect_timeout: self.connect_timeout,
                ipv4: self.ipv4,
                ipv6: self.ipv6,
            },
            proxy: self.proxy,
            no_proxy: self.no_proxy,
            socket: SocketArgs { idle_timeout: Timeout(None), keepalive: None },
        };
        let https: &[&str] = match self.legacy_proxy {
            true => &["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"],
            false => &["HTTPS_PROXY", "ALL_PROXY"],
        };
        tls.insecure |= self.skip_ssl_validation;
        if tls.insecure && tls.files.ca_file.is_some() {
            return Err(Stop::usage("--insecure and --ca-file exclude each other"));
        }
        Ok(NetPlan {
            plain: net.plan(&["HTTP_PROXY", "ALL_PROXY"])?,
            private: net.plan(https)?,
            tls,
            honour_ssl_disabled: self.honour_ssl_disabled,
            idle: self.idle_timeout,
            max_time: self.max_time.0,
            trace: self.trace,
        })
    }
}
