// SPDX-License-Identifier: MIT OR Apache-2.0
//! TLS by rustls: the trust and identity of a client or server, prepared once, and reading and
//! writing of a TLS [`super::Stream`].
//!
//! System roots and user files are loaded when the first connection needs them, so that plain
//! connections cost nothing.

mod chosen;
mod client;
mod der;
mod insecure;
mod key;
mod material;
mod pinned;
mod server;
mod words;

use std::io::{self, ErrorKind, Read as _, Write as _};

use rustls::Connection;
use rustls::SupportedProtocolVersion;
use socket2::Socket;

pub use client::{Client, ClientSettings};
pub use material::{Identity, KeyPair, Roots, pem_cause};
pub use server::{ClientAuth, Server, ServerSettings};
pub use words::{explain, explain_io, is_alert, is_client_hello, speaks_tls};

static BOTH: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];
static ONLY_13: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS13];

/// The minimum accepted version of the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// TLS 1.2 (RFC 5246).
    #[default]
    V12,
    /// TLS 1.3 (RFC 8446).
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

/// A TLS session over a socket.
#[derive(Debug)]
pub struct Session {
    connection: Connection,
    /// Number of bytes that the socket has accepted.
    sent: u64,
    /// Whether there is no certificate to present.
    is_anonymous: bool,
}

impl Session {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, sent: 0, is_anonymous: false }
    }

    /// Marks the session of a client without a certificate.
    pub(super) fn anonymous(self) -> Self {
        Self { is_anonymous: true, ..self }
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    pub(super) fn version(&self) -> Option<&'static str> {
        match self.connection.protocol_version()? {
            rustls::ProtocolVersion::TLSv1_3 => Some("1.3"),
            rustls::ProtocolVersion::TLSv1_2 => Some("1.2"),
            _ => None,
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    pub(super) fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    /// Whether decrypted bytes are available.
    pub(super) fn has_plaintext(&mut self) -> bool {
        let state = self.connection.process_new_packets();
        state.is_ok_and(|state| state.plaintext_bytes_to_read() > 0)
    }

    /// Reads decrypted bytes. A peer that closes without `close_notify`, as many do, has ended its
    /// stream too: the contents show whether it is complete.
    pub(super) fn read(&mut self, socket: &mut Socket, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let is_handshaking = self.is_handshaking();
            match self.connection.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof && !is_handshaking => {
                    return Ok(0);
                }
                other => return other,
            }
            // A peer that stopped accepting data may have sent much before; reading finds the end.
            let _ = self.flush(socket);
            self.connection.read_tls(socket)?;
            if let Err(error) = self.connection.process_new_packets() {
                // The alert tells the peer the cause; the peer may have gone already.
                let _ = self.flush(socket);
                let error = words::meant(error, self.is_anonymous);
                return Err(io::Error::new(ErrorKind::InvalidData, error));
            }
        }
    }

    /// Encrypts some of `bytes` and writes as much as the socket accepts.
    pub(super) fn write(&mut self, socket: &mut Socket, bytes: &[u8]) -> io::Result<usize> {
        while self.is_handshaking() {
            self.connection.complete_io(socket)?;
        }
        self.flush(socket)?;
        let taken = self.connection.writer().write(bytes)?;
        match self.flush(socket) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    /// Writes encrypted bytes.
    pub(super) fn flush(&mut self, socket: &mut Socket) -> io::Result<()> {
        while self.connection.wants_write() {
            let len = self.connection.write_tls(socket)?;
            if len == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
            self.sent += len as u64;
        }
        Ok(())
    }

    /// Sends `close_notify`.
    pub(super) fn close(&mut self, socket: &mut Socket) -> io::Result<()> {
        self.connection.send_close_notify();
        self.flush(socket)
    }
}
