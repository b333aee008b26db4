// SPDX-License-Identifier: MIT OR Apache-2.0
//! A look at what waits in the system on either side of a socket: how much, and bytes anywhere in
//! what can be read.

use std::io;
use std::os::fd::AsRawFd as _;

use nix::sys::socket::{MsgFlags, recv, setsockopt};
use nix::{libc, setsockopt_impl, sockopt_impl};
use socket2::Socket;

nix::ioctl_read_bad!(in_queue_len, libc::FIONREAD, libc::c_int);
nix::ioctl_read_bad!(out_queue_len, libc::TIOCOUTQ, libc::c_int);
sockopt_impl!(PeekOffset, SetOnly, libc::SOL_SOCKET, libc::SO_PEEK_OFF, i32);

/// How many bytes a stream socket holds that can be read.
///
/// # Errors
/// The system's.
pub fn waiting_len(socket: &Socket) -> io::Result<usize> {
    queue_len(socket, in_queue_len)
}

/// How much of what was written the other side has not acknowledged, or, on a UNIX socket, not read
/// (`SIOCOUTQ`, tcp(7), which has the number of `TIOCOUTQ`).
///
/// # Errors
/// The system's.
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

/// Copies bytes from `offset` on, counted from the next one to be read, and leaves them there. Only
/// UNIX and TCP sockets can do this. May give fewer than there are.
///
/// # Errors
/// The system's.
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
