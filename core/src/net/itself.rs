// SPDX-License-Identifier: MIT OR Apache-2.0
//! Connections to oneself: connecting to a local port of the ephemeral range where nobody listens may
//! choose that very port (RFC 9293, 3.5). What is sent there comes back, and whoever should listen
//! cannot.

use std::fs;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::time::Duration;

use nix::sys::socket::{Shutdown, SockaddrStorage, getpeername, getsockname, shutdown};
use socket2::{Socket, Type};

use super::{DialError, FaultKind};
use crate::report;

const CAUSE: &str = "connected to itself, nobody listens there";
/// Interval of checks of a library's connections.
const LOOK: Duration = Duration::from_millis(500);

/// Refuses a connection to itself.
pub(super) fn refuse_itself(socket: &Socket) -> Result<(), DialError> {
    let (local, peer) = (socket.local_addr()?, socket.peer_addr());
    if peer.is_ok_and(|peer| peer.as_socket() == local.as_socket()) {
        if socket.r#type()? == Type::STREAM {
            // Close without a state that keeps the port in use.
            socket.set_linger(Some(Duration::ZERO))?;
        }
        return Err(DialError::of(FaultKind::Refused, CAUSE));
    }
    Ok(())
}

/// From now on ends connections to itself that a library makes, which then connects again. Must be
/// called once.
pub fn refuse_itself_in_libraries() {
    std::thread::spawn(|| {
        loop {
            std::thread::park_timeout(LOOK);
            for addr in end_connections_to_itself() {
                report::repeated("connections to itself", format_args!("{addr}: {CAUSE}"));
            }
        }
    });
}

/// Ends all connections of this process to itself; returns their addresses.
fn end_connections_to_itself() -> Vec<SocketAddr> {
    let open = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let numbers = open.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter_map(end_if_to_itself).collect()
}

/// A descriptor that is closed meanwhile is not a socket, or not connected.
fn end_if_to_itself(fd: RawFd) -> Option<SocketAddr> {
    let local = getsockname::<SockaddrStorage>(fd).ok()?;
    let is_to_itself = getpeername::<SockaddrStorage>(fd).ok()? == local;
    let addr = match (local.as_sockaddr_in(), local.as_sockaddr_in6()) {
        (Some(v4), _) => SocketAddr::V4((*v4).into()),
        (_, Some(v6)) => SocketAddr::V6((*v6).into()),
        _ => return None,
    };
    (is_to_itself && shutdown(fd, Shutdown::Both).is_ok()).then_some(addr)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use super::*;

    #[test]
    fn only_connections_to_itself_are_ended() {
        let socket = Socket::new(socket2::Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        let own = socket.local_addr().unwrap();
        socket.connect(&own).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let other = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(end_connections_to_itself().contains(&own.as_socket().unwrap()));
        assert_eq!((&socket).read(&mut [0]).unwrap(), 0, "it has ended");
        other.set_nonblocking(true).unwrap();
        let error = (&other).read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "it has not");
    }
}
