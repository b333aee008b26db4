// SPDX-License-Identifier: MIT OR Apache-2.0
//! Receive buffers for datagrams, and the count of dropped datagrams.

use std::io;

use nix::libc;
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use nix::{getsockopt_impl, sockopt_impl};
use socket2::Socket;

/// The memory figures of a socket (`SK_MEMINFO_VARS`, `sock_diag(7)`), and the index of the count
/// of dropped datagrams in them.
const MEMORY_FIGURES: usize = 9;
const DROPS: usize = 8;

sockopt_impl!(Memory, GetOnly, libc::SOL_SOCKET, libc::SO_MEMINFO, [u32; MEMORY_FIGURES]);

/// Sets a socket's buffer for unread datagrams to `size` bytes, or as much as the system allows;
/// returns the resulting size.
///
/// # Errors
/// Any error of setsockopt(2) or getsockopt(2).
pub fn set_receive_buffer(socket: &Socket, size: Option<usize>) -> io::Result<usize> {
    // The kernel reduces larger values to its limit.
    let most = i32::MAX as usize / 2;
    socket.set_recv_buffer_size(size.unwrap_or(most).min(most))?;
    if let Some(size) = size
        && room(socket)? < size
    {
        // A privileged process may exceed the limit.
        let _allowed = setsockopt(socket, sockopt::RcvBufForce, &size.min(most));
    }
    room(socket)
}

/// Returns the usable size: the kernel doubles the value for its own overhead.
fn room(socket: &Socket) -> io::Result<usize> {
    Ok(socket.recv_buffer_size()? / 2)
}

/// Returns the number of datagrams dropped since the socket was created for lack of buffer space;
/// the number wraps at 2^32. `None` if the system does not report it.
pub fn dropped_datagrams(socket: &Socket) -> Option<u32> {
    getsockopt(socket, Memory).ok()?.get(DROPS).copied()
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn what_has_no_room_is_counted() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let receiver = Socket::from(socket);
        assert!(set_receive_buffer(&receiver, None).unwrap() >= 64 * 1024);
        assert!(set_receive_buffer(&receiver, Some(5000)).unwrap() < 20_000);
        assert_eq!(dropped_datagrams(&receiver), Some(0));
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..100 {
            sender.send_to(&[0; 1000], address).unwrap();
        }
        let dropped = dropped_datagrams(&receiver).unwrap();
        assert!((50..100).contains(&dropped), "{dropped}");
    }
}
