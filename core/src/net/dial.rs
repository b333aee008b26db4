// SPDX-License-Identifier: MIT OR Apache-2.0
//! Connects: tries every address of a name, each with a time limit; a signal ends the wait at once.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use nix::poll::PollFlags;
use socket2::{Domain, SockAddr, Socket, TcpKeepalive, Type};

use super::exec::Direction;
use super::itself::refuse_itself;
use super::{
    Addr, DialError, Family, Fault, FaultKind, HostPort, Proxy, Stream, UnixName, resolve,
};
use crate::os::{Deadline, wait, wait_for};

/// Delay before the first retry on a UNIX socket with a full backlog; doubled for each further
/// retry.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// Maximum delay between retries.
const LONGEST_PAUSE: Duration = Duration::from_millis(32);

/// Settings of connections.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Time limit for each address, including handshakes; the default is the system's.
    pub connect_timeout: Option<Duration>,
    /// IP addresses to use.
    pub family: Family,
    /// Local address of connections (`--source`); port 0 is any.
    pub source: Option<SocketAddr>,
    /// Idle time before TCP keepalive probes.
    pub keepalive: Option<Duration>,
    /// The proxy to use.
    pub proxy: Option<Proxy>,
    /// Addresses for hosts and ports that are not resolved (`--resolve`).
    pub resolve: Vec<(HostPort, IpAddr)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Some(Duration::from_secs(10)),
            family: Family::Any,
            source: None,
            keepalive: None,
            proxy: None,
            resolve: Vec::new(),
        }
    }
}

/// Creates connections with the same settings.
#[derive(Debug, Default)]
pub struct Dialer {
    /// The settings.
    pub settings: Settings,
    /// TLS for addresses that require it.
    #[cfg(feature = "tls")]
    pub tls: super::tls::Client,
}

impl Dialer {
    /// Connects to a stream address, including the TLS handshake, or starts the program in the
    /// address.
    ///
    /// # Errors
    /// [`DialError`], also for a datagram address.
    pub fn dial(&self, addr: &Addr) -> Result<Stream, DialError> {
        match addr {
            Addr::Tcp(at) => Ok(Stream::plain(self.dial_tcp(at)?)),
            #[cfg(feature = "tls")]
            Addr::Tls(at) => {
                let socket = self.dial_tcp(at)?;
                self.tls.handshake(socket, &at.host, self.deadline())
            }
            Addr::Unix(name) => Ok(Stream::plain(self.dial_unix(name, Type::STREAM)?)),
            Addr::Exec(program) => program.start(Direction::To, self.deadline()),
            _ => Err(DialError::failed("not a stream address")),
        }
    }

    /// Connects a datagram socket, which sets its destination and makes errors visible.
    ///
    /// # Errors
    /// [`DialError`].
    pub fn dial_datagram(&self, addr: &Addr) -> Result<Socket, DialError> {
        match addr {
            Addr::Udp(at) => self.each_address(at, |addr, _| {
                let socket = self.open(addr, Type::DGRAM)?;
                socket.connect(&SockAddr::from(addr))?;
                refuse_itself(&socket)?;
                Ok(socket)
            }),
            Addr::UnixGram(name) => self.dial_unix(name, Type::DGRAM),
            _ => Err(DialError::failed("not a datagram address")),
        }
    }

    /// Connects to a TCP port, through a proxy if one is configured for the host.
    ///
    /// # Errors
    /// [`DialError`].
    pub fn dial_tcp(&self, at: &HostPort) -> Result<Socket, DialError> {
        let Some(proxy) = self.settings.proxy.as_ref().filter(|proxy| proxy.serves(at)) else {
            return self.dial_directly(at);
        };
        proxy.check()?;
        let subject = |error: DialError| error.at(format_args!("proxy {}", proxy.at));
        let socket = self.dial_directly(&proxy.at).map_err(subject)?;
        let mut to = at.clone();
        if proxy.wants_address()
            && let Some(addr) = self.addresses(at)?.first()
        {
            to.host = addr.ip().to_string();
        }
        proxy.tunnel(&socket, &to, self.deadline()).map_err(subject)?;
        Ok(socket)
    }

    fn dial_directly(&self, at: &HostPort) -> Result<Socket, DialError> {
        self.each_address(at, |addr, deadline| {
            let socket = self.open(addr, Type::STREAM)?;
            connect(&socket, &addr.into(), deadline)?;
            refuse_itself(&socket)?;
            // Output is written in large blocks, which should leave at once.
            socket.set_tcp_nodelay(true)?;
            Ok(socket)
        })
    }

    /// Calls `connect` with each address of the host until one succeeds; otherwise returns the last
    /// error.
    fn each_address(
        &self,
        at: &HostPort,
        connect: impl Fn(SocketAddr, Deadline) -> Result<Socket, DialError>,
    ) -> Result<Socket, DialError> {
        let mut outcome = Err(DialError::of(FaultKind::Resolve, "no address"));
        for addr in self.addresses(at)? {
            if self.settings.source.is_some_and(|source| source.is_ipv4() != addr.is_ipv4()) {
                continue;
            }
            outcome = connect(addr, self.deadline());
            match &outcome {
                Ok(_) | Err(DialError::Stopped(_)) => break,
                Err(DialError::Failed(Fault { cause, .. })) => {
                    crate::report::debug(format_args!("{addr}: {cause}"));
                }
            }
        }
        outcome
    }

    fn addresses(&self, at: &HostPort) -> Result<Vec<SocketAddr>, DialError> {
        let given = self.settings.resolve.iter().filter(|(known, _)| {
            known.port == at.port && known.host.eq_ignore_ascii_case(&at.host)
        });
        let given: Vec<_> = given.map(|(_, addr)| SocketAddr::new(*addr, at.port)).collect();
        if given.is_empty() {
            return resolve(at, self.settings.family, self.deadline());
        }
        Ok(given)
    }

    fn open(&self, addr: SocketAddr, kind: Type) -> Result<Socket, DialError> {
        let socket = Socket::new(Domain::for_address(addr), kind, None)?;
        if let Some(source) = self.settings.source {
            socket.set_reuse_address(true)?;
            let bound = socket.bind(&source.into());
            bound.map_err(|error| DialError::from(error).at(format_args!("source {source}")))?;
        }
        if kind == Type::STREAM {
            keep_alive(&socket, self.settings.keepalive)?;
        }
        Ok(socket)
    }

    /// Connects to a UNIX socket of any type.
    ///
    /// # Errors
    /// [`DialError`].
    pub fn dial_unix(&self, name: &UnixName, kind: Type) -> Result<Socket, DialError> {
        let socket = Socket::new(Domain::UNIX, kind, None)?;
        connect_unix(&socket, &name.to_sockaddr()?, self.deadline())?;
        Ok(socket)
    }

    fn deadline(&self) -> Deadline {
        self.settings.connect_timeout.map(|limit| Instant::now() + limit)
    }
}

/// Enables TCP keepalive.
pub(super) fn keep_alive(socket: &Socket, period: Option<Duration>) -> std::io::Result<()> {
    match period {
        Some(period) => socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(period)),
        None => Ok(()),
    }
}

fn connect(socket: &Socket, addr: &SockAddr, deadline: Deadline) -> Result<(), DialError> {
    socket.set_nonblocking(true)?;
    match socket.connect(addr) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(nix::errno::Errno::EINPROGRESS as i32) => {
            if !wait_for(socket.as_fd(), PollFlags::POLLOUT, deadline)? {
                return Err(timed_out());
            }
            if let Some(error) = socket.take_error()? {
                return Err(error.into());
            }
        }
        Err(error) => return Err(error.into()),
    }
    Ok(socket.set_nonblocking(false)?)
}

/// Connects a UNIX socket, which succeeds at once or, while the backlog is full, fails; no event
/// reports room.
fn connect_unix(socket: &Socket, addr: &SockAddr, deadline: Deadline) -> Result<(), DialError> {
    socket.set_nonblocking(true)?;
    let mut pause = FIRST_PAUSE;
    loop {
        match socket.connect(addr) {
            Ok(()) => return Ok(socket.set_nonblocking(false)?),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        let now = Instant::now();
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Err(timed_out());
        }
        let next = now + pause;
        wait(&[], Some(deadline.map_or(next, |deadline| deadline.min(next))))?;
        pause = (2 * pause).min(LONGEST_PAUSE);
    }
}

fn timed_out() -> DialError {
    DialError::of(FaultKind::Timeout, "Connection timed out")
}
