// SPDX-License-Identifier: MIT OR Apache-2.0
//! Resolves names to addresses without blocking on the resolver.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;

use nix::poll::PollFlags;

use super::{DialError, FaultKind, HostPort};
use crate::os::{Deadline, wait_for};
use crate::report::Cause as _;

/// The IP addresses to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// All.
    #[default]
    Any,
    /// IPv4 only (`-4`).
    V4,
    /// IPv6 only (`-6`).
    V6,
}

impl Family {
    /// Whether `addr` is of this family.
    pub fn includes(self, addr: &SocketAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => addr.is_ipv4(),
            Self::V6 => addr.is_ipv6(),
        }
    }
}

/// Resolves a host to its addresses of the wanted family, in the resolver's order. An empty host is
/// the local host.
///
/// # Errors
/// If there are none, at the deadline, or a signal.
pub fn resolve(
    at: &HostPort,
    family: Family,
    deadline: Deadline,
) -> Result<Vec<SocketAddr>, DialError> {
    let all = if at.host.is_empty() {
        let hosts = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        hosts.iter().map(|&host| SocketAddr::new(host, at.port)).collect()
    } else if let Ok(host) = at.host.parse::<IpAddr>() {
        vec![SocketAddr::new(host, at.port)]
    } else {
        ask(at.clone(), deadline)?
    };
    let wanted: Vec<_> = all.into_iter().filter(|addr| family.includes(addr)).collect();
    if wanted.is_empty() {
        let kind = if family == Family::V6 { "IPv6" } else { "IPv4" };
        return Err(DialError::of(FaultKind::Resolve, format_args!("no {kind} address")));
    }
    Ok(wanted)
}

/// Calls the resolver in a thread of its own: getaddrinfo(3) cannot be interrupted.
fn ask(at: HostPort, deadline: Deadline) -> Result<Vec<SocketAddr>, DialError> {
    let (done, finished) = UnixStream::pair()?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let found = (at.host.as_str(), at.port).to_socket_addrs();
        // Nobody receives it after the deadline.
        let _ = sender.send(found.map(Iterator::collect));
        drop(done);
    });
    wait_for(finished.as_fd(), PollFlags::POLLIN, deadline)?;
    match receiver.try_recv() {
        Ok(found) => {
            found.map_err(|error| DialError::of(FaultKind::Resolve, plain(&error.cause())))
        }
        Err(_) => Err(DialError::of(FaultKind::Resolve, "the name server does not answer")),
    }
}

/// Removes the prefix that the standard library adds to the resolver's message.
fn plain(words: &str) -> &str {
    words.strip_prefix("failed to lookup address information: ").unwrap_or(words)
}
