// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tunnels through an HTTP proxy: `CONNECT` (RFC 9110 §9.3.6), with the name and password in the
//! proxy's URL, if any. SOCKS5 proxies are in [`super::socks`].

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::IpAddr;
use std::os::fd::AsFd as _;

use data_encoding::BASE64;
use nix::poll::PollFlags;
use socket2::Socket;
use zeroize::Zeroizing;

use super::bypass::Rule;
use super::{DialError, Fault, FaultKind, HostPort};
use crate::os::{Deadline, wait_for};
use crate::report::words::{CLOSED, NO_ANSWER};
use crate::report::{self, Stop};

/// Maximum size of a proxy's answer in bytes.
const MAX_ANSWER_SIZE: usize = 16 * 1024;

/// A proxy, and the hosts that are reached without it.
#[derive(Clone)]
pub struct Proxy {
    /// Address of the proxy.
    pub at: HostPort,
    kind: Kind,
    /// `NAME:PASSWORD`.
    credentials: Option<Zeroizing<String>>,
    /// Hosts reached without the proxy, as in `NO_PROXY`.
    bypass: Vec<Rule>,
    /// Reason why the proxy is unusable, which matters only for connections that need it.
    trouble: Option<String>,
    /// Whether the proxy is used for loopback: only if the user specified the proxy for this run.
    serves_loopback: bool,
}

/// The protocol of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Http,
    /// SOCKS5 with addresses resolved locally.
    Socks5,
    /// SOCKS5 with names resolved by the proxy.
    Socks5h,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proxy({})", self.at)
    }
}

impl Proxy {
    /// Parses `http://[NAME:PASSWORD@]HOST[:PORT]`, also with `socks5://` or `socks5h://`. The
    /// scheme may be absent; the default port is then 3128 as in curl, otherwise 80 or 1080.
    ///
    /// # Errors
    /// A description of what is wrong, without the URL.
    pub fn parse(url: &str) -> Result<Self, String> {
        let (kind, rest, default_port) = match url.split_once("://") {
            Some(("http", rest)) => (Kind::Http, rest, 80),
            Some(("socks5", rest)) => (Kind::Socks5, rest, 1080),
            Some(("socks5h", rest)) => (Kind::Socks5h, rest, 1080),
            Some((scheme, _)) => {
                return Err(format!("unknown proxy scheme '{scheme}' (http, socks5, socks5h)"));
            }
            None => (Kind::Http, url, 3128),
        };
        let rest = rest.split('/').next().unwrap_or(rest);
        let (credentials, host) = match rest.rsplit_once('@') {
            Some((credentials, host)) => {
                (Some(Zeroizing::new(percent_decoded(credentials)?)), host)
            }
            None => (None, rest),
        };
        let at = if host.ends_with(']') || !host.contains(':') {
            HostPort::parse(&format!("{host}:{default_port}"))
        } else {
            HostPort::parse(host)
        };
        let at = at.map_err(|_| "expected http://HOST:PORT".to_owned())?;
        if at.host.is_empty() {
            return Err("expected http://HOST:PORT".to_owned());
        }
        let bypass = Vec::new();
        Ok(Self { at, kind, credentials, bypass, trouble: None, serves_loopback: true })
    }

    /// Creates an unusable proxy, which is only reported for connections that need it.
    pub fn unusable(trouble: String) -> Self {
        Self {
            at: HostPort { host: String::new(), port: 0 },
            kind: Kind::Http,
            credentials: None,
            bypass: Vec::new(),
            trouble: Some(trouble),
            serves_loopback: true,
        }
    }

    /// Checks that the proxy is usable.
    ///
    /// # Errors
    /// If it is not: status 2.
    pub(super) fn check(&self) -> Result<(), Stop> {
        self.trouble.as_ref().map_or(Ok(()), |trouble| Err(Stop::usage(trouble)))
    }

    /// Whether the proxy has a password.
    pub fn has_password(&self) -> bool {
        self.credentials.as_ref().is_some_and(|credentials| credentials.contains(':'))
    }

    /// Conceals the password in messages, also in its encoded form.
    #[must_use]
    pub fn concealed(self) -> Self {
        if let Some(credentials) = &self.credentials
            && let Some((_, password)) = credentials.split_once(':')
        {
            report::conceal(password);
            report::conceal(&BASE64.encode(credentials.as_bytes()));
        }
        self
    }

    /// Excludes the hosts of a comma-separated list (`NO_PROXY`).
    #[must_use]
    pub fn except(mut self, list: &str) -> Self {
        self.bypass.extend(Rule::parse_list(list));
        self
    }

    /// Excludes the local host, for proxies from the environment.
    #[must_use]
    pub fn except_loopback(mut self) -> Self {
        self.serves_loopback = false;
        self
    }

    /// Whether connections to a host use the proxy.
    pub fn serves(&self, at: &HostPort) -> bool {
        let host = at.host.to_ascii_lowercase();
        let is_loopback = host.is_empty()
            || host == "localhost"
            || host.parse::<IpAddr>().is_ok_and(|host| host.is_loopback());
        if is_loopback && !self.serves_loopback {
            return false;
        }
        !self.bypass.iter().any(|rule| rule.covers(at))
    }

    /// Whether the proxy accepts only addresses, so that names must be resolved first.
    pub(super) fn wants_address(&self) -> bool {
        self.kind == Kind::Socks5
    }

    /// Requests a tunnel over a connected socket.
    ///
    /// # Errors
    /// The proxy's refusal, or a [`DialError`] of the connection.
    pub fn tunnel(
        &self,
        socket: &Socket,
        to: &HostPort,
        deadline: Deadline,
    ) -> Result<(), DialError> {
        if self.kind != Kind::Http {
            return super::socks::tunnel(
                socket,
                self.credentials.as_ref().map(|text| text.as_str()),
                to,
                deadline,
            );
        }
        let mut socket = socket;
        socket.write_all(self.request(to).as_bytes())?;
        let answer = read_answer(socket, deadline)?;
        let line = answer.lines().next().unwrap_or_default();
        let (protocol, status) = line.split_once(' ').unwrap_or_default();
        match status.get(..3) {
            _ if !protocol.starts_with("HTTP/1.") => Err(not_http()),
            Some(code) if code.starts_with('2') => Ok(()),
            Some("407") => Err(Fault::new(FaultKind::Authentication, status)
                .hint("put NAME:PASSWORD@ into the proxy's URL in ALL_PROXY")
                .into()),
            _ => {
                let cause = format_args!("refuses a tunnel to {to}: {status}");
                Err(DialError::of(FaultKind::Handshake, cause))
            }
        }
    }

    fn request(&self, to: &HostPort) -> Zeroizing<String> {
        let token = self.credentials.as_ref().map(|text| BASE64.encode(text.as_bytes()));
        let token = token.map(Zeroizing::new);
        let (name, token, end) = match &token {
            Some(token) => ("Proxy-Authorization: Basic ", token.as_str(), "\r\n\r\n"),
            None => ("", "", "\r\n"),
        };
        let head = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n");
        // Allocated at once, so that no copy of the secret is left behind.
        Zeroizing::new([head.as_str(), name, token, end].concat())
    }
}

fn not_http() -> DialError {
    DialError::of(FaultKind::Protocol, "not an HTTP proxy")
}

/// Reads up to the empty line and no further: the rest belongs to the tunnel.
fn read_answer(mut socket: &Socket, deadline: Deadline) -> Result<String, DialError> {
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        if !wait_for(socket.as_fd(), PollFlags::POLLIN, deadline)? {
            return Err(DialError::of(FaultKind::Timeout, NO_ANSWER));
        }
        match socket.read(&mut byte) {
            Ok(0) => return Err(DialError::of(FaultKind::Closed, CLOSED)),
            Ok(_) => answer.extend_from_slice(&byte),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
        if answer.len() > MAX_ANSWER_SIZE {
            return Err(not_http());
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn percent_decoded(text: &str) -> Result<String, String> {
    let wrong = || "bad %-escape in the proxy's name or password".to_owned();
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or_else(wrong)?);
        rest = tail.get(2..).unwrap_or_default();
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str) -> HostPort {
        HostPort { host: host.to_owned(), port: 1 }
    }

    #[test]
    fn urls_have_defaults_and_credentials() {
        let proxy = Proxy::parse("http://me:p%40ss@proxy.example").unwrap();
        assert_eq!(proxy.at.to_string(), "proxy.example:80");
        assert_eq!(proxy.credentials.as_ref().map(|text| text.as_str()), Some("me:p@ss"));
        assert!(!format!("{proxy:?}").contains("ss@"));
        assert_eq!(Proxy::parse("proxy").unwrap().at.port, 3128);
        assert_eq!(Proxy::parse("http://[::1]:8080/").unwrap().at.to_string(), "[::1]:8080");
        assert_eq!(Proxy::parse("socks5h://p").unwrap().at.port, 1080);
        assert!(Proxy::parse("socks5://p").unwrap().wants_address());
        assert!(Proxy::parse("ftp://x").is_err());
        assert!(Proxy::parse("http://%zz@x").is_err());
    }

    #[test]
    fn what_no_proxy_names_is_not_served_and_hears_of_no_trouble() {
        for proxy in [Proxy::parse("p").unwrap(), Proxy::unusable("x".to_owned())] {
            let proxy = proxy.except("example.com, 10.0.0.0/8");
            assert!(!proxy.serves(&at("www.example.com")) && !proxy.serves(&at("10.0.0.1")));
            assert!(proxy.serves(&at("badexample.com")));
        }
        assert!(Proxy::unusable("x".to_owned()).check().is_err());
    }

    #[test]
    fn the_environment_s_proxy_does_not_serve_this_machine() {
        let proxy = Proxy::parse("p").unwrap();
        assert!(proxy.serves(&at("127.0.0.1")));
        let proxy = proxy.except_loopback();
        assert!(!proxy.serves(&at("127.0.0.1")) && !proxy.serves(&at("localhost")));
    }
}
