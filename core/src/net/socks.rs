// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tunnels through a SOCKS5 proxy (RFC 1928), with the name and password (RFC 1929) in the proxy's
//! URL, if any.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::IpAddr;
use std::os::fd::AsFd as _;

use nix::poll::PollFlags;
use socket2::Socket;
use zeroize::Zeroizing;

use super::{DialError, Fault, FaultKind, HostPort};
use crate::os::{Deadline, wait_for};
use crate::report::words::{CLOSED, NO_ANSWER};

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const NAME_AND_PASSWORD: u8 = 2;

/// Requests a tunnel over a connected socket. `credentials` are `NAME:PASSWORD`.
///
/// # Errors
/// The proxy's refusal, or a [`DialError`] of the connection.
pub(super) fn tunnel(
    mut socket: &Socket,
    credentials: Option<&str>,
    to: &HostPort,
    deadline: Deadline,
) -> Result<(), DialError> {
    greet(socket, credentials, deadline)?;
    socket.write_all(&request(to)?)?;
    let [version, reply, _, address_type] = read::<4>(socket, deadline)?;
    if version != VERSION {
        return Err(not_socks());
    }
    if reply != 0 {
        let cause = format_args!("no way to {to}: {}", words(reply));
        return Err(DialError::of(kind(reply), cause));
    }
    // The proxy's end of the tunnel: not needed, but it has to be read.
    let address_len = match address_type {
        1 => 4,
        4 => 16,
        3 => usize::from(read::<1>(socket, deadline)?[0]),
        _ => return Err(not_socks()),
    };
    for _ in 0..address_len + 2 {
        read::<1>(socket, deadline)?;
    }
    Ok(())
}

/// Negotiates and performs authentication.
fn greet(
    mut socket: &Socket,
    credentials: Option<&str>,
    deadline: Deadline,
) -> Result<(), DialError> {
    let methods: &[u8] = match credentials {
        Some(_) => &[VERSION, 2, NO_AUTHENTICATION, NAME_AND_PASSWORD],
        None => &[VERSION, 1, NO_AUTHENTICATION],
    };
    socket.write_all(methods)?;
    match (read::<2>(socket, deadline)?, credentials) {
        ([VERSION, NO_AUTHENTICATION], _) => {}
        ([VERSION, NAME_AND_PASSWORD], Some(credentials)) => {
            authenticate(socket, credentials, deadline)?;
        }
        ([VERSION, _], None) => {
            let fault = Fault::new(FaultKind::Authentication, "wants a name and a password");
            let hint = "put NAME:PASSWORD@ into the proxy's URL in ALL_PROXY";
            return Err(fault.hint(hint).into());
        }
        ([VERSION, _], _) => {
            return Err(DialError::of(FaultKind::Authentication, "takes no name and password"));
        }
        _ => return Err(not_socks()),
    }
    Ok(())
}

fn authenticate(
    mut socket: &Socket,
    credentials: &str,
    deadline: Deadline,
) -> Result<(), DialError> {
    let (name, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let len = |part: &str| {
        u8::try_from(part.len())
            .map_err(|_| DialError::failed("name or password is longer than SOCKS5 allows"))
    };
    let lens = (len(name)?, len(password)?);
    // Allocated at once, so that no copy of the secret is left behind.
    let request = [&[1, lens.0][..], name.as_bytes(), &[lens.1], password.as_bytes()].concat();
    socket.write_all(&Zeroizing::new(request))?;
    match read::<2>(socket, deadline)? {
        [_, 0] => Ok(()),
        _ => {
            let cause = "does not take this name and password";
            Err(DialError::of(FaultKind::Authentication, cause))
        }
    }
}

fn not_socks() -> DialError {
    DialError::of(FaultKind::Protocol, "not a SOCKS5 proxy")
}

/// Builds a `CONNECT` request for an address, or for a name that the proxy resolves.
fn request(to: &HostPort) -> Result<Vec<u8>, DialError> {
    let mut request = vec![VERSION, 1, 0];
    match to.host.parse() {
        Ok(IpAddr::V4(addr)) => {
            request.push(1);
            request.extend_from_slice(&addr.octets());
        }
        Ok(IpAddr::V6(addr)) => {
            request.push(4);
            request.extend_from_slice(&addr.octets());
        }
        Err(_) => {
            let len = u8::try_from(to.host.len())
                .map_err(|_| DialError::failed("the host's name is longer than SOCKS5 allows"))?;
            request.extend_from_slice(&[3, len]);
            request.extend_from_slice(to.host.as_bytes());
        }
    }
    request.extend_from_slice(&to.port.to_be_bytes());
    Ok(request)
}

fn read<const LEN: usize>(mut socket: &Socket, deadline: Deadline) -> Result<[u8; LEN], DialError> {
    let mut bytes = [0; LEN];
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        if !wait_for(socket.as_fd(), PollFlags::POLLIN, deadline)? {
            return Err(DialError::of(FaultKind::Timeout, NO_ANSWER));
        }
        match socket.read(rest) {
            Ok(0) => return Err(DialError::of(FaultKind::Closed, CLOSED)),
            Ok(len) => done += len,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(bytes)
}

fn kind(reply: u8) -> FaultKind {
    match reply {
        3 | 4 => FaultKind::Unreachable,
        5 => FaultKind::Refused,
        6 => FaultKind::Timeout,
        _ => FaultKind::Handshake,
    }
}

/// Describes a reply code (RFC 1928 §6).
fn words(reply: u8) -> &'static str {
    match reply {
        2 => "not allowed",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "time to live exceeded",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "general failure",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_left_to_the_proxy_and_addresses_sent_as_such() {
        let request = |host: &str| request(&HostPort { host: host.to_owned(), port: 443 }).unwrap();
        assert_eq!(request("ab.c"), b"\x05\x01\x00\x03\x04ab.c\x01\xbb");
        assert_eq!(request("10.0.0.1"), b"\x05\x01\x00\x01\x0a\x00\x00\x01\x01\xbb");
        assert_eq!(request("::1").len(), 4 + 16 + 2);
    }
}
