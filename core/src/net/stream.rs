// SPDX-License-Identifier: MIT OR Apache-2.0
//! A connected stream socket, with TLS over it or not.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitStatus;
use std::time::Duration;

use socket2::Socket;

use super::exec::Process;
use super::stdio::Copying;

/// A connection: TCP or unix, plain or TLS. Blocking unless [`Stream::set_nonblocking`] is used.
#[derive(Debug)]
pub struct Stream {
    pub(super) socket: Socket,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Box<super::tls::Session>>,
    // Last, so that it is dropped when the socket is closed.
    behind: Option<Behind>,
}

/// What the other end of a socket pair belongs to.
#[derive(Debug)]
enum Behind {
    Program(Process),
    Copies {
        // Held for what dropping it does.
        _out: Copying,
    },
}

impl Stream {
    /// A plain stream over a connected socket.
    pub fn plain(socket: Socket) -> Self {
        Self {
            socket,
            #[cfg(feature = "tls")]
            tls: None,
            behind: None,
        }
    }

    /// A socket pair whose other end a program of ours has.
    pub(super) fn of_program(socket: Socket, process: Process) -> Self {
        Self { behind: Some(Behind::Program(process)), ..Self::plain(socket) }
    }

    /// A socket pair whose other end threads of ours copy from and to.
    pub(super) fn of_copies(socket: Socket, out: Copying) -> Self {
        Self { behind: Some(Behind::Copies { _out: out }), ..Self::plain(socket) }
    }

    /// Asks the program on the other side to end, if it is one.
    pub fn ask_program_to_end(&mut self) {
        if let Some(Behind::Program(process)) = &mut self.behind {
            process.ask_to_end();
        }
    }

    /// How the program on the other side has ended, if it is one and has.
    pub fn program_exit(&mut self) -> Option<ExitStatus> {
        match &mut self.behind {
            Some(Behind::Program(process)) => process.exit(),
            _ => None,
        }
    }

    /// TLS over a connected socket. The handshake happens with the first reads and writes.
    #[cfg(feature = "tls")]
    pub fn tls(socket: Socket, connection: rustls::Connection) -> Self {
        let session = Box::new(super::tls::Session::new(connection));
        Self { tls: Some(session), ..Self::plain(socket) }
    }

    /// The same for a client that has no certificate to present.
    #[cfg(feature = "tls")]
    pub(super) fn anonymous_tls(socket: Socket, connection: rustls::Connection) -> Self {
        let session = Box::new(super::tls::Session::new(connection).anonymous());
        Self { tls: Some(session), ..Self::plain(socket) }
    }

    /// The socket below; what is written to it directly goes around TLS.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Whether TLS is spoken.
    pub fn is_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        return false;
    }

    /// The version of TLS that was agreed on, if TLS is spoken.
    pub fn tls_version(&self) -> Option<&'static str> {
        #[cfg(feature = "tls")]
        return self.tls.as_ref().and_then(|tls| tls.version());
        #[cfg(not(feature = "tls"))]
        return None;
    }

    /// Whether bytes may be had by reading though the socket itself has nothing to read: what TLS
    /// has decrypted and nobody took yet.
    pub fn has_buffered(&mut self) -> bool {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            return tls.has_plaintext();
        }
        false
    }

    /// Whether TLS has bytes that the socket has not taken.
    pub fn wants_write(&self) -> bool {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return tls.wants_write();
        }
        false
    }

    /// Whether the TLS handshake is not over yet.
    pub fn is_handshaking(&self) -> bool {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return tls.is_handshaking();
        }
        false
    }

    /// How many bytes the socket has taken for TLS, handshake not included; `None` if it is plain
    /// and every byte written is one of its own.
    pub fn wire_len(&self) -> Option<u64> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return Some(tls.sent());
        }
        None
    }

    /// How much of what was written the other side's kernel has not acknowledged (`SIOCOUTQ`,
    /// tcp(7)). On a unix socket only 0 has a meaning: the other side has read everything.
    ///
    /// # Errors
    /// The system's.
    pub fn unacknowledged(&self) -> io::Result<u64> {
        Ok(super::waiting::unacknowledged_len(&self.socket)? as u64)
    }

    /// Reads and writes return at once with `WouldBlock` where they would have to wait.
    ///
    /// # Errors
    /// The system's.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.socket.set_nonblocking(nonblocking)
    }

    /// How long a blocking read waits.
    ///
    /// # Errors
    /// The system's.
    pub fn set_read_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        self.socket.set_read_timeout(limit)
    }

    /// How long a blocking write waits.
    ///
    /// # Errors
    /// The system's.
    pub fn set_write_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        self.socket.set_write_timeout(limit)
    }

    /// Says that nothing more will be written, and leaves reading open: TLS' `close_notify`, then
    /// a half close of the socket.
    ///
    /// # Errors
    /// The system's.
    pub fn shutdown_write(&mut self) -> io::Result<()> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            tls.close(&mut self.socket)?;
        }
        self.socket.shutdown(Shutdown::Write)
    }

    /// The other side's address, for people.
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
    /// Writes some of `bytes`. With TLS, what it took may still wait for the socket
    /// ([`Stream::wants_write`]) if that would block.
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
