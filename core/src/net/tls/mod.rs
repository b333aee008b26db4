// SPDX-License-Identifier: MIT OR Apache-2.0
//! TLS by rustls: what a client or a server trusts and shows, made ready once, and the reading and
//! writing of a [`super::Stream`] that speaks it.
//!
//! Roots of the system and files of the user are loaded when the first connection needs them, so
//! a plain connection costs nothing of it.

mod client;
mod insecure;
mod material;
mod server;
mod words;

use std::io::{self, ErrorKind, Read as _, Write as _};

use rustls::Connection;
use rustls::SupportedProtocolVersion;
use socket2::Socket;

pub use client::{Client, ClientSettings};
pub use material::{Identity, Roots};
pub use server::{ClientAuth, Server, ServerSettings};
pub use words::{explain, explain_io};

static BOTH: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];
static ONLY_13: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS13];

/// Oldest version of the protocol that is accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Version {
    /// TLS 1.2 (RFC 5246).
    #[default]
    #[value(name = "1.2")]
    V12,
    /// TLS 1.3 (RFC 8446).
    #[value(name = "1.3")]
    V13,
}

impl Version {
    fn and_newer(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            Self::V12 => &BOTH,
            Self::V13 => &ONLY_13,
        }
    }
}

/// Reads decrypted bytes. A peer that closes without `close_notify`, as many do, has ended its
/// stream all the same: what is in it tells where it ends.
pub(super) fn read(
    tls: &mut Connection,
    socket: &mut Socket,
    buffer: &mut [u8],
) -> io::Result<usize> {
    loop {
        match tls.reader().read(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof && !tls.is_handshaking() => {
                return Ok(0);
            }
            other => return other,
        }
        match flush(tls, socket) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
        tls.read_tls(socket)?;
        if let Err(error) = tls.process_new_packets() {
            // The alert that tells the peer why; it may be gone already.
            let _ = flush(tls, socket);
            return Err(io::Error::new(ErrorKind::InvalidData, error));
        }
    }
}

/// Encrypts some of `bytes` and writes as much as the socket takes.
pub(super) fn write(tls: &mut Connection, socket: &mut Socket, bytes: &[u8]) -> io::Result<usize> {
    while tls.is_handshaking() {
        tls.complete_io(socket)?;
    }
    flush(tls, socket)?;
    let taken = tls.writer().write(bytes)?;
    match flush(tls, socket) {
        Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
        _ => Ok(taken),
    }
}

/// Writes what has been encrypted.
pub(super) fn flush(tls: &mut Connection, socket: &mut Socket) -> io::Result<()> {
    while tls.wants_write() {
        if tls.write_tls(socket)? == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
    }
    Ok(())
}
