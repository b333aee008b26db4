// SPDX-License-Identifier: MIT OR Apache-2.0
//! The flags of sockets, with the same meaning in all tools. A tool flattens the groups that it
//! needs and calls their `plan`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{Timeout, parse_duration, parse_timeout};
use crate::net::{Backoff, Family, Proxy, Retries, Settings};
use crate::report::Stop;

/// Default idle time before TCP keepalive probes: Linux's own.
const KEEPALIVE: &str = "7200s";

/// Parses `forever` (or -1, as in Heka) or a number.
///
/// # Errors
/// A description of what is wrong.
pub fn parse_retries(text: &str) -> Result<Retries, String> {
    match text {
        "forever" | "-1" => Ok(Retries::Forever),
        _ => text
            .parse()
            .map(Retries::Times)
            .map_err(|_| "expected a number or 'forever'".to_owned()),
    }
}

/// Flags of tools that connect.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Network options")]
pub struct NetArgs {
    /// Settings for connecting.
    #[command(flatten)]
    pub connect: ConnectArgs,
    /// HTTP or SOCKS5 proxy to connect through
    #[arg(short = 'x', long, value_name = "URL", value_hint = clap::ValueHint::Url)]
    pub proxy: Option<String>,
    /// Ignore proxy settings in the environment
    #[arg(long, conflicts_with = "proxy")]
    pub no_proxy: bool,
    /// Settings of established connections.
    #[command(flatten)]
    pub socket: SocketArgs,
}

/// Flags of everything that connects.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Network options")]
pub struct ConnectArgs {
    /// Connection timeout
    #[arg(short = 'w', long, value_name = "DURATION", default_value = "10s", value_parser = parse_timeout)]
    pub connect_timeout: Timeout,
    /// Use IPv4 only
    #[arg(short = '4', long, overrides_with = "ipv6")]
    pub ipv4: bool,
    /// Use IPv6 only
    #[arg(short = '6', long, overrides_with = "ipv4")]
    pub ipv6: bool,
}

impl ConnectArgs {
    /// Returns the address family to use.
    pub fn family(&self) -> Family {
        match (self.ipv4, self.ipv6) {
            (true, _) => Family::V4,
            (_, true) => Family::V6,
            _ => Family::Any,
        }
    }
}

/// Flags of everything that has connections.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Network options")]
pub struct SocketArgs {
    /// Close connections idle for DURATION
    #[arg(long, value_name = "DURATION", default_value = "none", value_parser = parse_timeout)]
    pub idle_timeout: Timeout,
    /// Enable TCP keepalive
    #[arg(long, value_name = "PERIOD", num_args = 0..=1, require_equals = true, default_missing_value = KEEPALIVE, value_parser = parse_duration)]
    pub keepalive: Option<Duration>,
}

impl NetArgs {
    /// Validates the flags. The variables for a proxy depend on the protocol: the first of
    /// `variables` that is set counts, also in lower case.
    ///
    /// # Errors
    /// An invalid proxy: status 2.
    pub fn plan(&self, variables: &[&str]) -> Result<Settings, Stop> {
        Ok(Settings {
            connect_timeout: self.connect.connect_timeout.0,
            family: self.connect.family(),
            source: None,
            keepalive: self.socket.keepalive,
            proxy: self.plan_proxy(variables)?,
            resolve: Vec::new(),
        })
    }

    fn plan_proxy(&self, variables: &[&str]) -> Result<Option<Proxy>, Stop> {
        if self.no_proxy {
            return Ok(None);
        }
        let except = environment("NO_PROXY").unwrap_or_default();
        if let Some(url) = &self.proxy {
            let proxy =
                Proxy::parse(url).map_err(|error| Stop::usage(format_args!("--proxy: {error}")))?;
            if proxy.has_password() {
                return Err(Stop::usage(
                    "--proxy: a password there is visible to other users; put the URL into ALL_PROXY",
                ));
            }
            return Ok(Some(proxy.except(&except)));
        }
        let Some((name, url)) =
            variables.iter().find_map(|name| variable(name).map(|url| (name, url)))
        else {
            return Ok(None);
        };
        let proxy =
            Proxy::parse(&url).unwrap_or_else(|error| Proxy::unusable(format!("{name}: {error}")));
        Ok(Some(proxy.concealed().except(&except).except_loopback()))
    }
}

/// Returns a variable for a proxy. In a CGI program, `HTTP_PROXY` is a header from the client and
/// is ignored.
#[expect(clippy::disallowed_methods, reason = "the environment of the network flags is read here")]
fn variable(name: &str) -> Option<String> {
    if name == "HTTP_PROXY" && environment("REQUEST_METHOD").is_some() {
        return std::env::var("http_proxy").ok().filter(|value| !value.is_empty());
    }
    environment(name)
}

/// Returns a variable, or the same in lower case, unless it is empty.
#[expect(clippy::disallowed_methods, reason = "the environment of the network flags is read here")]
fn environment(name: &str) -> Option<String> {
    [name.to_ascii_lowercase(), name.to_owned()]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty())
}

/// Flags of tools that retry. The tool has its own default for each.
#[derive(Args, Clone, Copy, Debug, Default)]
#[command(next_help_heading = "Retry options")]
pub struct RetryArgs {
    /// Number of retries, or 'forever'
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = parse_retries)]
    pub retry: Option<Retries>,
    /// Delay before the first retry
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub retry_delay: Option<Duration>,
    /// Factor by which the delay grows
    #[arg(long, value_name = "FACTOR", value_parser = parse_growth)]
    pub retry_growth: Option<f64>,
    /// Maximum delay between retries
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub retry_max_delay: Option<Duration>,
    /// Maximum random time added to each delay
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub retry_jitter: Option<Duration>,
}

impl RetryArgs {
    /// Adds a tool's defaults to the help of its flags.
    pub fn show_defaults(command: clap::Command, defaults: Backoff) -> clap::Command {
        let values = [
            ("retry", defaults.retries.to_string()),
            ("retry_delay", duration(defaults.delay)),
            ("retry_growth", defaults.growth.to_string()),
            ("retry_max_delay", duration(defaults.max_delay)),
            ("retry_jitter", duration(defaults.jitter)),
        ];
        command.mut_args(|arg| {
            let Some((_, value)) = values.iter().find(|(id, _)| arg.get_id() == id) else {
                return arg;
            };
            let help = arg.get_help().cloned().unwrap_or_default();
            arg.help(format!("{help} [default: {value}]"))
        })
    }

    /// Applies the flags to a tool's defaults.
    pub fn plan(&self, defaults: Backoff) -> Backoff {
        Backoff {
            delay: self.retry_delay.unwrap_or(defaults.delay),
            growth: self.retry_growth.unwrap_or(defaults.growth),
            max_delay: self.retry_max_delay.unwrap_or(defaults.max_delay),
            jitter: self.retry_jitter.unwrap_or(defaults.jitter),
            retries: self.retry.unwrap_or(defaults.retries),
        }
    }
}

/// Returns a duration as it is written on the command line.
fn duration(time: Duration) -> String {
    match time.as_millis() {
        0 => "0".to_owned(),
        ms if ms % 60_000 == 0 => format!("{}m", ms / 60_000),
        ms if ms % 1000 == 0 => format!("{}s", ms / 1000),
        ms => format!("{ms}ms"),
    }
}

fn parse_growth(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if (1.0..=100.0).contains(&factor) => Ok(factor),
        _ => Err("expected a factor from 1 to 100".to_owned()),
    }
}

/// Parses `ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`, the local address of connections (a value
/// parser).
///
/// # Errors
/// A description of what is wrong.
pub fn parse_source(text: &str) -> Result<SocketAddr, String> {
    if let Some(port) = text.strip_prefix(':').and_then(|port| port.parse::<u16>().ok()) {
        return Ok(SocketAddr::from(([0, 0, 0, 0], port)));
    }
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>()
        .map(|addr| SocketAddr::new(addr, 0))
        .or_else(|_| text.parse::<SocketAddr>())
        .map_err(|_| "expected ADDRESS or ADDRESS:PORT, both in numbers".to_owned())
}

/// Files of TLS clients.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "TLS options")]
pub struct CertArgs {
    /// Trust only the CAs in this file
    #[arg(long, value_name = "PEM", value_hint = clap::ValueHint::FilePath)]
    pub ca_file: Option<PathBuf>,
    /// Client certificate to present
    #[arg(long, value_name = "PEM", value_hint = clap::ValueHint::FilePath)]
    pub cert: Option<PathBuf>,
    /// Private key, if not in the certificate's file
    #[arg(long, value_name = "PEM", requires = "cert", value_hint = clap::ValueHint::FilePath)]
    pub key: Option<PathBuf>,
}

#[cfg(feature = "tls")]
pub use tls_args::{ServerTlsArgs, TlsArgs, TlsChoice};

#[cfg(feature = "tls")]
mod tls_args {
    use std::path::PathBuf;

    use clap::Args;

    use super::CertArgs;
    use crate::net::Addr;
    use crate::net::tls::{ClientAuth, ClientSettings, Identity, Roots, ServerSettings, Version};
    use crate::report::Stop;

    /// The flag of tools where TLS is optional.
    #[derive(Args, Clone, Copy, Debug)]
    #[command(next_help_heading = "TLS options")]
    pub struct TlsChoice {
        /// Use TLS on TCP addresses
        #[arg(long)]
        pub tls: bool,
    }

    impl TlsChoice {
        /// Returns the addresses, with TLS if it was chosen, and whether any of them uses TLS.
        ///
        /// # Errors
        /// An address that cannot use TLS: status 2.
        pub fn apply(self, mut addresses: Vec<Addr>) -> Result<(Vec<Addr>, bool), Stop> {
            if self.tls {
                let with_tls = addresses.into_iter().map(Addr::with_tls);
                addresses = with_tls.collect::<Result<_, _>>().map_err(Stop::usage)?;
            }
            let uses_tls = self.tls || addresses.iter().any(|addr| matches!(addr, Addr::Tls(_)));
            Ok((addresses, uses_tls))
        }
    }

    /// Flags of TLS clients.
    #[derive(Args, Clone, Debug, Default)]
    #[command(next_help_heading = "TLS options")]
    pub struct TlsArgs {
        /// Certificates and their key.
        #[command(flatten)]
        pub files: CertArgs,
        /// Name to expect in the server certificate
        #[arg(long, value_name = "NAME")]
        pub server_name: Option<String>,
        /// Minimum TLS version
        #[arg(long, value_name = "VERSION", default_value = "1.2")]
        pub tls_min: Version,
        /// Do not verify the server certificate
        #[arg(short = 'k', long, conflicts_with = "ca_file")]
        pub insecure: bool,
    }

    impl TlsArgs {
        /// Whether any flag but the version was given.
        pub fn is_used(&self) -> bool {
            let named = self.files.cert.is_some() || self.server_name.is_some();
            self.insecure || self.files.ca_file.is_some() || named
        }

        /// Returns the settings of a client.
        pub fn plan(&self) -> ClientSettings {
            ClientSettings {
                roots: self.files.ca_file.clone().map_or(Roots::System, Roots::Pem),
                identity: identity(self.files.cert.as_ref(), self.files.key.as_ref()),
                server_name: self.server_name.clone(),
                min: self.tls_min,
                insecure: self.insecure,
            }
        }
    }

    /// Flags of TLS servers.
    #[derive(Args, Clone, Debug, Default)]
    #[command(next_help_heading = "TLS options")]
    pub struct ServerTlsArgs {
        /// Server certificate, followed by its issuers'
        #[arg(long, value_name = "PEM", value_hint = clap::ValueHint::FilePath)]
        pub cert: Option<PathBuf>,
        /// Private key, if not in the certificate's file
        #[arg(long, value_name = "PEM", requires = "cert", value_hint = clap::ValueHint::FilePath)]
        pub key: Option<PathBuf>,
        /// Trust client certificates of the CAs in this file
        #[arg(long, value_name = "PEM", value_hint = clap::ValueHint::FilePath)]
        pub client_ca: Option<PathBuf>,
        /// Whether clients present a certificate [default: require with --client-ca, else none]
        #[arg(long, value_name = "WHETHER")]
        pub client_auth: Option<ClientAuth>,
        /// Minimum TLS version
        #[arg(long, value_name = "VERSION", default_value = "1.2")]
        pub tls_min: Version,
    }

    impl ServerTlsArgs {
        /// Whether any flag but the version was given.
        pub fn is_used(&self) -> bool {
            self.cert.is_some() || self.client_ca.is_some() || self.client_auth.is_some()
        }

        /// Returns the settings of a server.
        ///
        /// # Errors
        /// If something is missing: status 2.
        pub fn plan(&self) -> Result<ServerSettings, Stop> {
            let identity = identity(self.cert.as_ref(), self.key.as_ref())
                .ok_or_else(|| Stop::usage("TLS needs --cert (and --key)"))?;
            let by_default = match self.client_ca {
                Some(_) => ClientAuth::Require,
                None => ClientAuth::None,
            };
            Ok(ServerSettings {
                identity,
                client_roots: self.client_ca.clone().map_or(Roots::System, Roots::Pem),
                client_auth: self.client_auth.unwrap_or(by_default),
                min: self.tls_min,
            })
        }
    }

    fn identity(cert: Option<&PathBuf>, key: Option<&PathBuf>) -> Option<Identity> {
        let cert = cert?.clone();
        let key = key.unwrap_or(&cert).clone();
        Some(Identity::Pem { cert, key })
    }
}
