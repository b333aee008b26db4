// SPDX-License-Identifier: MIT OR Apache-2.0
//! Listening: sockets bound to an address, or inherited from the parent process.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::dial::keep_alive;
use super::unix::{self, OwnPath};
use super::{Addr, DialError, Family, HostPort, UnixName, resolve};
use crate::report::{Cause as _, Explain as _, Stop};

/// Time limit for resolving a name to listen on.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);
/// The first inherited descriptor (`sd_listen_fds(3)`).
const FIRST_INHERITED: RawFd = 3;

/// Settings of listeners.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// Length of the accept queue.
    pub backlog: i32,
    /// Mode of a UNIX socket, set before anybody can connect; from the umask if absent.
    pub mode: Option<u32>,
    /// Owner and group of a UNIX socket.
    pub owner: (Option<u32>, Option<u32>),
    /// Whether to replace whatever exists at a UNIX socket's path, even a socket in use or a file.
    pub force: bool,
    /// Whether to remove a UNIX socket's path at the end.
    pub unlink: bool,
    /// Type of a UNIX socket.
    pub unix_type: Type,
    /// Idle time before TCP keepalive probes.
    pub keepalive: Option<Duration>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            backlog: 4096,
            mode: None,
            owner: (None, None),
            force: false,
            unlink: true,
            unix_type: Type::STREAM,
            keepalive: None,
        }
    }
}

/// A bound socket that accepts connections or receives datagrams.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    /// The requested address, with the port that the system chose.
    pub addr: Addr,
    keepalive: Option<Duration>,
    is_inherited: bool,
    // Held for its destructor.
    _path: Option<OwnPath>,
}

/// An accepted connection.
#[derive(Debug)]
pub struct Accepted {
    /// The socket, non-blocking.
    pub socket: Socket,
    /// Address of the peer, for people: `IP:PORT`, or `unix`.
    pub peer: String,
}

impl Listener {
    /// Binds and listens.
    ///
    /// # Errors
    /// `ADDRESS: CAUSE`, status 1; status 3 if its name cannot be resolved.
    pub fn bind(addr: &Addr, options: &ListenOptions) -> Result<Self, Stop> {
        match addr {
            Addr::Tcp(at) | Addr::Tls(at) | Addr::Udp(at) => Self::bind_ip(addr, at, options),
            Addr::Unix(name) => Self::bind_unix(addr, name, options.unix_type, options),
            Addr::UnixGram(name) => Self::bind_unix(addr, name, Type::DGRAM, options),
            Addr::Exec(_) => Err(Stop::usage(format_args!("{addr}: nobody connects to a command"))),
        }
    }

    fn bind_ip(addr: &Addr, at: &HostPort, options: &ListenOptions) -> Result<Self, Stop> {
        let mut outcome = Err(io::Error::from(io::ErrorKind::AddrNotAvailable));
        for ip in interfaces(at).map_err(|error| error.into_stop(addr))? {
            outcome = listen_ip(ip, addr.is_datagram(), is_everywhere(at), options.backlog);
            if outcome.is_ok() {
                break;
            }
        }
        let socket = outcome.at(addr)?;
        let bound = socket.local_addr().at(addr)?.as_socket();
        let port = bound.map_or(at.port, |bound| bound.port());
        let at = HostPort { host: at.host.clone(), port };
        let addr = match addr {
            Addr::Tls(_) => Addr::Tls(at),
            Addr::Udp(_) => Addr::Udp(at),
            _ => Addr::Tcp(at),
        };
        Ok(Self { socket, addr, keepalive: options.keepalive, is_inherited: false, _path: None })
    }

    fn bind_unix(
        addr: &Addr,
        name: &UnixName,
        kind: Type,
        options: &ListenOptions,
    ) -> Result<Self, Stop> {
        let (socket, path) = unix::bind(name, kind, options)?;
        let (addr, keepalive) = (addr.clone(), options.keepalive);
        Ok(Self { socket, addr, keepalive, is_inherited: false, _path: path })
    }

    /// Takes over a socket that another process has opened; `subject` names its origin.
    ///
    /// # Errors
    /// If it is not a listening socket: status 2.
    pub fn adopt(socket: Socket, subject: &str, keepalive: Option<Duration>) -> Result<Self, Stop> {
        let wrong = |error: io::Error| Stop::usage(format_args!("{subject}: {}", error.cause()));
        let kind = socket.r#type().map_err(wrong)?;
        let local = socket.local_addr().map_err(wrong)?;
        socket.set_nonblocking(true).map_err(wrong)?;
        if kind != Type::DGRAM && !socket.is_listener().map_err(wrong)? {
            return Err(Stop::usage(format_args!("{subject}: nobody can connect to it")));
        }
        let addr = match (local.as_socket(), kind) {
            (Some(ip), kind) => {
                let at = HostPort { host: ip.ip().to_string(), port: ip.port() };
                if kind == Type::DGRAM { Addr::Udp(at) } else { Addr::Tcp(at) }
            }
            (None, Type::DGRAM) => Addr::UnixGram(UnixName::of(&local)),
            (None, _) => Addr::Unix(UnixName::of(&local)),
        };
        Ok(Self { socket, addr, keepalive, is_inherited: true, _path: None })
    }

    /// Accepts one connection; `None` if there is none.
    ///
    /// # Errors
    /// Any error of accept(2), e.g. no free descriptors.
    pub fn accept(&self) -> io::Result<Option<Accepted>> {
        match self.socket.accept() {
            Ok((socket, from)) => {
                socket.set_nonblocking(true)?;
                let peer = match from.as_socket() {
                    Some(ip) => {
                        socket.set_tcp_nodelay(true)?;
                        keep_alive(&socket, self.keepalive)?;
                        plain_ip(ip).to_string()
                    }
                    None => "unix".to_owned(),
                };
                Ok(Some(Accepted { socket, peer }))
            }
            Err(error) => match error.kind() {
                // Closed before it was accepted.
                io::ErrorKind::WouldBlock
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::Interrupted => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// Returns the bound socket.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Whether the socket was inherited, and may be open elsewhere too.
    pub fn is_inherited(&self) -> bool {
        self.is_inherited
    }

    /// Returns the address to connect to, as people type it: TCP as in [`Self::bound`], others with
    /// their scheme.
    pub fn reached_at(&self) -> String {
        let bound = self.bound();
        match &self.addr {
            Addr::Tcp(_) => bound,
            Addr::Tls(_) => format!("tls://{bound}"),
            Addr::Udp(_) => format!("udp://{bound}"),
            other => other.to_string(),
        }
    }

    /// Returns the bound address, with the port that the system chose: `127.0.0.1:40123`, or a
    /// path.
    pub fn bound(&self) -> String {
        let ip = self.socket.local_addr().ok().and_then(|addr| addr.as_socket());
        match (ip, &self.addr) {
            (Some(ip), _) => ip.to_string(),
            (None, Addr::Unix(name) | Addr::UnixGram(name)) => name.to_string(),
            (None, other) => other.to_string(),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Converts an IPv4 peer of a dual-stack socket to IPv4.
pub(crate) fn plain_ip(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

/// Whether the address means every interface of both families.
fn is_everywhere(at: &HostPort) -> bool {
    at.host.is_empty() || at.host == "*"
}

/// Returns the addresses to bind, best first: every interface with IPv6 where available.
fn interfaces(at: &HostPort) -> Result<Vec<SocketAddr>, DialError> {
    if is_everywhere(at) {
        let hosts = [IpAddr::from(Ipv6Addr::UNSPECIFIED), IpAddr::from(Ipv4Addr::UNSPECIFIED)];
        return Ok(hosts.iter().map(|&host| SocketAddr::new(host, at.port)).collect());
    }
    resolve(at, Family::Any, Some(Instant::now() + RESOLVE_TIMEOUT))
}

fn listen_ip(ip: SocketAddr, datagram: bool, both: bool, backlog: i32) -> io::Result<Socket> {
    let (kind, protocol) = match datagram {
        true => (Type::DGRAM, Protocol::UDP),
        false => (Type::STREAM, Protocol::TCP),
    };
    let socket = Socket::new(Domain::for_address(ip), kind, Some(protocol))?;
    if ip.is_ipv6() {
        socket.set_only_v6(!both)?;
    }
    if !datagram {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&ip.into())?;
    if !datagram {
        socket.listen(backlog)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Returns the listening sockets that systemd, or another parent, has opened. `keepalive` is as in
/// [`ListenOptions`].
///
/// # Errors
/// A descriptor that is not a listening socket: status 2.
pub fn inherited(keepalive: Option<Duration>) -> Result<Vec<Listener>, Stop> {
    let sockets = inherited_sockets()?.into_iter().zip(FIRST_INHERITED..);
    let adopt = |(socket, fd)| Listener::adopt(socket, &subject(fd), keepalive);
    sockets.map(adopt).collect()
}

/// Returns the sockets that systemd, or another parent, has opened: `LISTEN_FDS` descriptors
/// starting with 3, if `LISTEN_PID` is this process (`sd_listen_fds(3)`). Connections may be among
/// them.
///
/// # Errors
/// A descriptor that is not open.
pub fn inherited_sockets() -> Result<Vec<Socket>, Stop> {
    inherited_numbers().map(take_over).collect()
}

fn subject(fd: RawFd) -> String {
    format!("LISTEN_FDS: descriptor {fd}")
}

/// Returns the numbers of the inherited descriptors.
pub(super) fn inherited_numbers() -> Range<RawFd> {
    #[expect(clippy::disallowed_methods, reason = "the protocol of socket activation is these")]
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<i32>().ok());
    let is_for_us = number("LISTEN_PID") == i32::try_from(std::process::id()).ok();
    let count = number("LISTEN_FDS").filter(|_| is_for_us).unwrap_or(0);
    FIRST_INHERITED..FIRST_INHERITED.saturating_add(count)
}

fn take_over(fd: RawFd) -> Result<Socket, Stop> {
    #[expect(unsafe_code, reason = "a descriptor that is ours by the protocol has only a number")]
    // SAFETY: it is only duplicated here, which fails if it is not open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    let owned = borrowed.try_clone_to_owned().at(subject(fd))?;
    nix::unistd::close(fd).at(subject(fd))?;
    Ok(Socket::from(owned))
}
