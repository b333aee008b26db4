// SPDX-License-Identifier: MIT OR Apache-2.0
//! Examines the data queued in the kernel on either side of a socket: their amount, and readable
//! bytes at any offset.

use std::io;
use std::os::fd::AsRawFd as _;

use nix::sys::socket::{MsgFlags, recv, setsockopt};
use nix::{libc, setsockopt_impl, sockopt_impl};
use socket2::Socket;

nix::ioctl_read_bad!(in_queue_len, libc::FIONREAD, libc::c_int);
nix::ioctl_read_bad!(out_queue_len, libc::TIOCOUTQ, libc::c_int);
sockopt_impl!(PeekOffset, SetOnly, libc::SOL_SOCKET, libc::SO_PEEK_OFF, i32);

/// Returns the number of bytes that can be read from a stream socket.
///
/// # Errors
/// Any error of ioctl(2).
pub fn waiting_len(socket: &Socket) -> io::Result<usize> {
    queue_len(socket, in_queue_len)
}

/// Returns the number of written bytes that the peer has not acknowledged, or on a UNIX socket, not
/// read (`SIOCOUTQ`, tcp(7), the same number as `TIOCOUTQ`).
///
/// # Errors
/// Any error of ioctl(2).
pub fn unacknowledged_len(socket: &Socket) -> io::Result<usize> {
    queue_len(socket, out_queue_len)
}

/// One of the ioctls above.
type QueueLen = unsafe fn(libc::c_int, *mut libc::c_int) -> nix::Result<libc::c_int>;

fn queue_len(socket: &Socket, ask: QueueLen) -> io::Result<usize> {
    let mut len: libc::c_int = 0;
    #[expect(unsafe_code, reason = "there is no safe FIONREAD and no safe SIOCOUTQ")]
    // SAFETY: the descriptor is open and either ioctl writes one int into `len`.
    unsafe { ask(socket.as_raw_fd(), &raw mut len) }?;
    Ok(usize::try_from(len).unwrap_or(0))
}

/// Copies bytes starting at `offset`, relative to the next one to be read, without removing them.
/// Only for UNIX and TCP sockets. May return fewer bytes than there are.
///
/// # Errors
/// Any error of recvmsg(2) or setsockopt(2).
pub fn peek_at(socket: &Socket, offset: usize, buffer: &mut [u8]) -> io::Result<usize> {
    let offset = i32::try_from(offset).map_err(io::Error::other)?;
    setsockopt(socket, PeekOffset, &offset)?;
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    Ok(recv(socket.as_raw_fd(), buffer, flags)?)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use socket2::{Domain, Type};

    use super::*;

    #[test]
    fn bytes_in_the_middle_are_seen_and_stay() {
        let (mut near, mut far) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
        near.write_all(b"one\n").unwrap();
        near.write_all(b"two\nthree").unwrap();
        assert_eq!(waiting_len(&far).unwrap(), 13);
        let mut buffer = [0; 4];
        for _ in 0..2 {
            assert_eq!(peek_at(&far, 4, &mut buffer).unwrap(), 4);
            assert_eq!(&buffer, b"two\n");
        }
        far.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"one\n");
        assert_eq!(peek_at(&far, 7, &mut buffer).unwrap(), 2);
        assert_eq!(&buffer[..2], b"ee");
    }
}
