// SPDX-License-Identifier: MIT OR Apache-2.0
//! A connected stream socket, with or without TLS.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitStatus;
use std::time::Duration;

use socket2::Socket;

use super::exec::Process;
use super::stdio::Copying;

/// A connection over TCP or a UNIX socket, plain or TLS. Blocking unless
/// [`Stream::set_nonblocking`] is used.
#[derive(Debug)]
pub struct Stream {
    pub(super) socket: Socket,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Box<super::tls::Session>>,
    // The last member, so that it is dropped after the socket is closed.
    behind: Option<Behind>,
}

/// The owner of the other end of a socket pair.
#[derive(Debug)]
enum Behind {
    Program(Process),
    Copies {
        // Held for its destructor.
        _out: Copying,
    },
}

impl Stream {
    /// Creates a plain stream over a connected socket.
    pub fn plain(socket: Socket) -> Self {
        Self {
            socket,
            #[cfg(feature = "tls")]
            tls: None,
            behind: None,
        }
    }

    /// Creates a stream over a socket pair whose other end belongs to a program.
    pub(super) fn of_program(socket: Socket, process: Process) -> Self {
        Self { behind: Some(Behind::Program(process)), ..Self::plain(socket) }
    }

    /// Creates a stream over a socket pair whose other end is copied by threads.
    pub(super) fn of_copies(socket: Socket, out: Copying) -> Self {
        Self { behind: Some(Behind::Copies { _out: out }), ..Self::plain(socket) }
    }

    /// Returns the program at the other end, if there is one.
    pub(super) fn program(&mut self) -> Option<&mut Process> {
        match &mut self.behind {
            Some(Behind::Program(process)) => Some(process),
            _ => None,
        }
    }

    /// Returns the exit status of the program at the other end, if it has exited.
    pub fn program_exit(&mut self) -> Option<ExitStatus> {
        self.program().and_then(Process::exit)
    }

    /// Creates a TLS stream over a connected socket. The handshake is part of the first reads and
    /// writes.
    #[cfg(feature = "tls")]
    pub fn tls(socket: Socket, connection: rustls::Connection) -> Self {
        let session = Box::new(super::tls::Session::new(connection));
        Self { tls: Some(session), ..Self::plain(socket) }
    }

    /// Like [`Stream::tls`], for a client that has no certificate to present.
    #[cfg(feature = "tls")]
    pub(super) fn anonymous_tls(socket: Socket, connection: rustls::Connection) -> Self {
        let session = Box::new(super::tls::Session::new(connection).anonymous());
        Self { tls: Some(session), ..Self::plain(socket) }
    }

    /// Returns the socket; direct writes to it bypass TLS.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Whether the stream uses TLS.
    pub fn is_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        return false;
    }

    /// Returns the negotiated version of TLS, if any.
    pub fn tls_version(&self) -> Option<&'static str> {
        #[cfg(feature = "tls")]
        return self.tls.as_ref().and_then(|tls| tls.version());
        #[cfg(not(feature = "tls"))]
        return None;
    }

    /// Whether a read can return bytes although the socket has none: bytes that TLS has decrypted
    /// and nobody has read.
    pub fn has_buffered(&mut self) -> bool {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            return tls.has_plaintext();
        }
        false
    }

    /// Whether TLS has bytes that the socket has not accepted.
    pub fn wants_write(&self) -> bool {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return tls.wants_write();
        }
        false
    }

    /// Whether the TLS handshake is in progress.
    pub fn is_handshaking(&self) -> bool {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return tls.is_handshaking();
        }
        false
    }

    /// Returns the number of bytes that the socket has accepted for TLS, without the handshake;
    /// `None` for a plain stream, where each written byte is one byte on the wire.
    pub fn wire_len(&self) -> Option<u64> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return Some(tls.sent());
        }
        None
    }

    /// Returns the number of written bytes that the peer's kernel has not acknowledged (`SIOCOUTQ`,
    /// tcp(7)). On a UNIX socket only 0 is meaningful: the peer has read everything.
    ///
    /// # Errors
    /// Any error of ioctl(2).
    pub fn unacknowledged(&self) -> io::Result<u64> {
        Ok(super::waiting::unacknowledged_len(&self.socket)? as u64)
    }

    /// Makes reads and writes return `WouldBlock` instead of waiting.
    ///
    /// # Errors
    /// Any error of fcntl(2).
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.socket.set_nonblocking(nonblocking)
    }

    /// Sets the time limit of a blocking read.
    ///
    /// # Errors
    /// Any error of setsockopt(2).
    pub fn set_read_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        self.socket.set_read_timeout(limit)
    }

    /// Sets the time limit of a blocking write.
    ///
    /// # Errors
    /// Any error of setsockopt(2).
    pub fn set_write_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        self.socket.set_write_timeout(limit)
    }

    /// Ends writing and leaves reading open: TLS' `close_notify`, then a half close of the socket.
    ///
    /// # Errors
    /// Any I/O error.
    pub fn shutdown_write(&mut self) -> io::Result<()> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            tls.close(&mut self.socket)?;
        }
        self.socket.shutdown(Shutdown::Write)
    }

    /// Returns the peer's address, for people.
    pub fn peer(&self) -> String {
        let Ok(peer) = self.socket.peer_addr() else {
            return "(gone)".to_owned();
        };
        match peer.as_socket() {
            Some(addr) => addr.to_string(),
            None => "unix".to_owned(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            return tls.read(&mut self.socket, buffer);
        }
        (&self.socket).read(buffer)
    }
}

impl Write for Stream {
    /// Writes some of `bytes`. With TLS, accepted bytes may still be pending
    /// ([`Stream::wants_write`]) if the socket would block.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            return tls.write(&mut self.socket, bytes);
        }
        (&self.socket).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            return tls.flush(&mut self.socket);
        }
        Ok(())
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
