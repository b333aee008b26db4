// SPDX-License-Identifier: MIT OR Apache-2.0
//! The transport of a connection: a stream, or a socket for datagrams.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitStatus;

use heka_core::net::exec::{self, Parting};
use heka_core::net::{Addr, DialError, Dialer, Stream};
use heka_core::report::{self, stats};
use socket2::Socket;

use crate::peer::over::{End, Over};
use crate::plan::Delivery;
use crate::window::Window;

/// Maximum size of a datagram with several messages, which fits into an Ethernet frame.
const SHARED_DATAGRAM: usize = 1400;

#[derive(Debug)]
pub(super) enum Pipe {
    Stream(Box<Stream>),
    /// With the maximum size of a datagram with several messages.
    Datagram(Socket, usize),
}

impl Pipe {
    /// Connects. The write timeout is also set in the system, for a peer that accepts nothing.
    pub(super) fn connect(
        dialer: &Dialer,
        addr: &Addr,
        delivery: &Delivery,
    ) -> Result<Self, DialError> {
        if addr.is_datagram() {
            let socket = dialer.dial_datagram(addr)?;
            socket.set_nonblocking(true)?;
            let shared = if delivery.shares_datagrams { SHARED_DATAGRAM } else { 0 };
            return Ok(Self::Datagram(socket, shared));
        }
        let stream = dialer.dial(addr)?;
        stream.set_nonblocking(true)?;
        let is_ip = matches!(addr, Addr::Tcp(_) | Addr::Tls(_));
        if let (true, Some(limit)) = (is_ip, delivery.write_timeout) {
            // The system's default for a lost peer is a quarter of an hour.
            stream.socket().set_tcp_user_timeout(Some(limit))?;
        }
        Ok(Self::Stream(Box::new(stream)))
    }

    pub(super) fn stream(&self) -> Option<&Stream> {
        match self {
            Self::Stream(stream) => Some(stream),
            Self::Datagram(..) => None,
        }
    }

    pub(super) fn stream_mut(&mut self) -> Option<&mut Stream> {
        match self {
            Self::Stream(stream) => Some(stream),
            Self::Datagram(..) => None,
        }
    }

    pub(super) fn is_tls(&self) -> bool {
        self.stream().is_some_and(Stream::is_tls)
    }

    /// Whether nothing more can be learned about a program that has closed its side.
    pub(super) fn has_parted(&mut self, parting: &Parting) -> bool {
        self.stream_mut().is_none_or(|stream| parting.is_over(stream))
    }

    /// Whether the program at the other end has exited successfully.
    ///
    /// # Errors
    /// It has failed.
    pub(super) fn has_exited(&mut self) -> Result<bool, Over> {
        match self.stream_mut().and_then(Stream::program_exit) {
            Some(status) if !status.success() => Err(failed(status)),
            status => Ok(status.is_some()),
        }
    }

    /// Whether TLS has bytes that the socket has not accepted.
    pub(super) fn wants_write(&self) -> bool {
        self.stream().is_some_and(Stream::wants_write)
    }

    /// Reads; 0 is the end of a stream, which datagrams do not have.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stream(stream) => stream.read(buffer),
            Self::Datagram(socket, _) => socket.read(buffer).map(|len| len.max(1)),
        }
    }

    /// Writes some of the next records, but none after `last`. A record that does not fit into a
    /// datagram is skipped, and `lost` is set.
    pub(super) fn write(
        &mut self,
        window: &Window,
        last: u64,
        name: &str,
        lost: &mut bool,
    ) -> io::Result<usize> {
        match self {
            Self::Stream(stream) => match window.unwritten_until(last) {
                [] => Ok(0),
                bytes => stream.write(bytes),
            },
            Self::Datagram(socket, shared) => match window.unwritten_records(*shared, last) {
                [] => Ok(0),
                records => match socket.send(records) {
                    Err(error) if error.raw_os_error() == Some(nix::libc::EMSGSIZE) => {
                        *lost = true;
                        Ok(pass_over(records.len(), name))
                    }
                    other => other,
                },
            },
        }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.stream_mut().map_or(Ok(()), io::Write::flush)
    }

    /// Ends writing, where the transport supports that.
    pub(super) fn close(&mut self) -> io::Result<()> {
        match self.stream_mut().map_or(Ok(()), Stream::shutdown_write) {
            // The peer was faster.
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(()),
            other => other,
        }
    }
}

impl AsFd for Pipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Stream(stream) => stream.as_fd(),
            Self::Datagram(socket, _) => socket.as_fd(),
        }
    }
}

/// Creates the reason for a program that has failed.
fn failed(status: ExitStatus) -> Over {
    Over::new(End::Failed, exec::status_words(status))
}

/// Reports a message that does not fit into a datagram.
fn pass_over(len: usize, name: &str) -> usize {
    report::repeated(
        format_args!("{name}: too long"),
        format_args!("{name}: a message of {len} bytes does not fit a datagram, dropped"),
    );
    stats::skip(stats::Skip::TooLong, 1);
    len
}
