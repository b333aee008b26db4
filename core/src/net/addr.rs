// SPDX-License-Identifier: MIT OR Apache-2.0
//! Addresses as people type them.
//!
//! ```text
//! HOST:PORT  :PORT  [::1]:PORT       TCP (no host: all interfaces, or this machine)
//! tcp://… tls://… udp://…            with a protocol, followed by a host and a port
//! unix:PATH  unixgram:PATH           sockets in the file system (unix://PATH too)
//! @NAME  unix:@NAME  unixgram:@NAME  abstract sockets (Linux), unix(7)
//! exec:COMMAND                       a command's standard input and output
//! kafka://… kafkas://… nats://… natss://…  short for a command that speaks a broker's protocol
//! ```

use std::path::{Path, PathBuf};

use socket2::SockAddr;

use super::exec::Program;

/// An address to connect to or to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Addr {
    /// A TCP port.
    Tcp(HostPort),
    /// A TCP port with TLS.
    Tls(HostPort),
    /// A UDP port.
    Udp(HostPort),
    /// A unix stream socket.
    Unix(UnixName),
    /// A unix datagram socket.
    UnixGram(UnixName),
    /// The standard input and output of a program.
    Exec(Program),
}

/// A host and a port. Without a host, all interfaces to listen on, or the loopback interface to
/// connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// A name or an IP address without brackets; may be empty.
    pub host: String,
    /// The port; 0 lets the system choose a port to listen on.
    pub port: u16,
}

/// The name of a UNIX socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UnixName {
    /// In the file system.
    Path(PathBuf),
    /// In the abstract name space, without the leading NUL.
    Abstract(Vec<u8>),
}

/// The prefix of an address, and the parser for the rest.
#[derive(Clone, Copy, Debug)]
pub struct Scheme {
    /// The prefix, such as `tcp://`.
    pub prefix: &'static str,
    /// Parses the rest.
    pub parse: fn(&str) -> Result<Addr, String>,
}

/// All schemes; the first matching prefix counts.
const SCHEMES: &[Scheme] = &[
    Scheme { prefix: "tcp://", parse: |rest| Ok(Addr::Tcp(HostPort::parse(rest)?)) },
    Scheme { prefix: "tls://", parse: |rest| Ok(Addr::Tls(HostPort::parse(rest)?)) },
    Scheme { prefix: "udp://", parse: |rest| Ok(Addr::Udp(HostPort::parse(rest)?)) },
    Scheme { prefix: "unixgram://", parse: |rest| Ok(Addr::UnixGram(UnixName::parse(rest)?)) },
    Scheme { prefix: "unixgram:", parse: |rest| Ok(Addr::UnixGram(UnixName::parse(rest)?)) },
    Scheme { prefix: "unix://", parse: |rest| Ok(Addr::Unix(UnixName::parse(rest)?)) },
    Scheme { prefix: "unix:", parse: |rest| Ok(Addr::Unix(UnixName::parse(rest)?)) },
    Scheme { prefix: "@", parse: |rest| Ok(Addr::Unix(UnixName::named(rest)?)) },
    Scheme { prefix: "exec:", parse: parse_command },
];

/// Parses an address (a value parser for clap).
///
/// # Errors
/// A description of what is wrong.
pub fn parse_addr(text: &str) -> Result<Addr, String> {
    for scheme in SCHEMES {
        if let Some(rest) = text.strip_prefix(scheme.prefix) {
            return (scheme.parse)(rest);
        }
    }
    if let Some((_, tool)) = BROKERS.iter().find(|(prefix, _)| text.starts_with(prefix)) {
        return Ok(Addr::Exec(Program::Broker { tool, url: text.to_owned() }));
    }
    if let Some((scheme, _)) = text.split_once("://") {
        return Err(format!(
            "unknown scheme '{scheme}://' (tcp, tls, udp, unix, unixgram, kafka, kafkas, nats, natss)"
        ));
    }
    if text.starts_with('/') || text.starts_with("./") {
        return Err(format!("a path is written unix:{text}"));
    }
    HostPort::parse(text).map(Addr::Tcp)
}

/// Addresses that another heka tool handles; that tool parses the rest.
const BROKERS: &[(&str, &str)] = &[
    ("kafka://", "heka-kafka"),
    ("kafkas://", "heka-kafka"),
    ("nats://", "heka-nats"),
    ("natss://", "heka-nats"),
];

fn parse_command(line: &str) -> Result<Addr, String> {
    match line.trim() {
        "" => Err("expected a command behind exec:".to_owned()),
        _ => Ok(Addr::Exec(Program::Shell(line.to_owned()))),
    }
}

impl HostPort {
    /// Parses `HOST:PORT`, `:PORT` or `[ADDRESS]:PORT`.
    ///
    /// # Errors
    /// A description of what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "expected HOST:PORT, :PORT or [ADDRESS]:PORT".to_owned();
        let text = text.strip_suffix('/').unwrap_or(text);
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or_else(wrong)?,
            None if host.contains(':') => {
                return Err("an IPv6 address needs brackets, as in [::1]:5565".to_owned());
            }
            None => host,
        };
        if host.contains(['/', '[', ']', ' ']) {
            return Err(wrong());
        }
        let port = port.parse().map_err(|_| "the port is a number from 0 to 65535".to_owned())?;
        Ok(Self { host: host.to_owned(), port })
    }
}

impl UnixName {
    /// Returns the name that a socket is bound to; empty for an unnamed socket.
    pub fn of(addr: &SockAddr) -> Self {
        match addr.as_pathname() {
            Some(path) => Self::Path(path.to_owned()),
            None => Self::Abstract(addr.as_abstract_namespace().unwrap_or(b"").to_vec()),
        }
    }

    /// Parses a path, or `@NAME`.
    ///
    /// # Errors
    /// A description of what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix('@') {
            _ if text.is_empty() => Err("expected a path".to_owned()),
            Some(name) => Self::named(name),
            None => Ok(Self::Path(text.into())),
        }
    }

    /// Parses an abstract name, without its `@`.
    fn named(name: &str) -> Result<Self, String> {
        match name {
            "" => Err("expected a name behind @".to_owned()),
            name => Ok(Self::Abstract(name.into())),
        }
    }

    /// Returns the path, unless the name is abstract.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            Self::Abstract(_) => None,
        }
    }

    /// Converts to a socket address.
    ///
    /// # Errors
    /// If the name is longer than the 107 bytes that unix(7) allows.
    pub fn to_sockaddr(&self) -> std::io::Result<SockAddr> {
        use std::os::unix::ffi::OsStrExt as _;
        match self {
            Self::Path(path) => SockAddr::unix(path),
            Self::Abstract(name) => {
                let name = [b"\0", name.as_slice()].concat();
                SockAddr::unix(std::ffi::OsStr::from_bytes(&name))
            }
        }
    }
}

impl Addr {
    /// Returns the address with TLS (`--tls`).
    ///
    /// # Errors
    /// A description, if this kind of address cannot use TLS.
    pub fn with_tls(self) -> Result<Self, String> {
        match self {
            Self::Tcp(at) | Self::Tls(at) => Ok(Self::Tls(at)),
            other => Err(format!("{other}: TLS needs a TCP address")),
        }
    }

    /// Whether the address is for datagrams rather than a stream.
    pub fn is_datagram(&self) -> bool {
        matches!(self, Self::Udp(_) | Self::UnixGram(_))
    }
}

impl std::fmt::Display for HostPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl std::fmt::Display for UnixName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Abstract(name) => write!(f, "@{}", String::from_utf8_lossy(name)),
        }
    }
}

impl std::fmt::Display for Addr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(at) => at.fmt(f),
            Self::Tls(at) => write!(f, "tls://{at}"),
            Self::Udp(at) => write!(f, "udp://{at}"),
            Self::Unix(name) => write!(f, "unix:{name}"),
            Self::UnixGram(name) => write!(f, "unixgram:{name}"),
            Self::Exec(program) => program.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_printed_as_they_are_typed() {
        for text in [
            "127.0.0.1:9612",
            ":5565",
            "[::1]:5565",
            "host.example:0",
            "tls://host:6514",
            "udp://[::1]:514",
            "unix:/run/heka.sock",
            "unix:@heka",
            "unixgram:/run/gram",
            "exec:ssh relay 'heka-listen --stdio'",
            "nats://n1,n2:4223/logs.{Logger}?stream=LOGS",
            "kafkas://b1,b2/logs?key=Logger",
        ] {
            assert_eq!(parse_addr(text).expect(text).to_string(), text);
        }
        assert_eq!(parse_addr("tcp://h:1"), parse_addr("h:1"));
        assert_eq!(parse_addr("@heka"), parse_addr("unix:@heka"));
        assert_eq!(parse_addr("unix:///run/x"), parse_addr("unix:/run/x"));
    }

    #[test]
    fn what_is_no_address_is_told_why() {
        for (text, words) in [
            ("host", "expected HOST:PORT"),
            ("::1:5565", "brackets"),
            ("host:http", "number"),
            ("host:65536", "number"),
            ("ftp://host:1", "unknown scheme"),
            ("/run/heka.sock", "unix:/run/heka.sock"),
            ("unix:", "path"),
            ("@", "name"),
            ("unixgram:@", "name"),
            ("exec: ", "command"),
            ("", "expected"),
        ] {
            let error = parse_addr(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
