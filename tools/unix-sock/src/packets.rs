// SPDX-License-Identifier: MIT OR Apache-2.0
//! Many packets with one system call: for small packets, the call is the main cost.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::AsRawFd as _;

use nix::cmsg_space;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrLike, UnixAddr, UnixCredentials,
    recvmmsg, recvmsg, sendmmsg,
};
use socket2::Socket;

use crate::plan::Plan;

/// Maximum number of packets per call. More would cost more to prepare than they save.
pub(crate) const MOST: usize = 16;
/// After this many packets at once, more are expected soon.
pub(crate) const MANY: usize = 4;
/// Length of the address of an unnamed socket: only the family.
const UNNAMED_LEN: u32 = 2;
/// Size of the buffer for the packets of one call, in bytes. The system allocates memory only for
/// what is filled.
const ROOM: usize = 8 * 1024 * 1024;

/// A received packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    /// Its length, in bytes.
    pub(crate) len: usize,
    /// Whether it was longer than its buffer.
    pub(crate) is_cut: bool,
    /// Its sender, on a socket without connections.
    pub(crate) addr: Option<UnixAddr>,
    /// The credentials of its sender, if requested.
    pub(crate) credentials: Option<UnixCredentials>,
}

impl Packet {
    fn of<S>(packet: &RecvMsg<'_, '_, S>) -> Self {
        let is_cut = packet.flags.contains(MsgFlags::MSG_TRUNC);
        Self { len: packet.bytes, is_cut, addr: None, credentials: None }
    }
}

/// Returns the size of the buffer for packets. A packet that may contain many records is read
/// alone, so that others do not wait long.
pub(crate) fn room(plan: &Plan) -> usize {
    let most = if plan.has_record_packets() { MOST } else { 1 };
    (ROOM / plan.read_size).clamp(1, most) * plan.read_size
}

/// Reads the available packets of a connection, each to the next multiple of `size` in `room`.
///
/// # Errors
/// Any error of recvmmsg(2); `EAGAIN` if there are none.
pub(crate) fn receive(socket: &Socket, room: &mut [u8], size: usize) -> nix::Result<Vec<Packet>> {
    receive_any(socket, room, size, None, |packet: &RecvMsg<'_, '_, ()>| Packet::of(packet))
}

/// Like [`receive`], for datagrams with their senders.
///
/// # Errors
/// Any error of recvmmsg(2); `EAGAIN` if there are none.
pub(crate) fn receive_from(
    socket: &Socket,
    room: &mut [u8],
    size: usize,
) -> nix::Result<Vec<Packet>> {
    let control = Some(cmsg_space!(UnixCredentials));
    receive_any(socket, room, size, control, |packet: &RecvMsg<'_, '_, UnixAddr>| {
        let credentials = |message| match message {
            ControlMessageOwned::ScmCredentials(credentials) => Some(credentials),
            _ => None,
        };
        Packet {
            // nix panics when an unnamed address is read beyond its length.
            addr: packet.address.filter(|addr| addr.len() > UNNAMED_LEN),
            credentials: packet.cmsgs().ok().and_then(|mut found| found.find_map(credentials)),
            ..Packet::of(packet)
        }
    })
}

fn receive_any<S: SockaddrLike + Copy>(
    socket: &Socket,
    room: &mut [u8],
    size: usize,
    control: Option<Vec<u8>>,
    packet: impl Fn(&RecvMsg<'_, '_, S>) -> Packet,
) -> nix::Result<Vec<Packet>> {
    let mut slots: Vec<_> = room.chunks_mut(size).map(|slot| [IoSliceMut::new(slot)]).collect();
    let mut headers = MultiHeaders::<S>::preallocate(slots.len(), control);
    let flags = MsgFlags::MSG_DONTWAIT;
    let packets = recvmmsg(socket.as_raw_fd(), &mut headers, slots.iter_mut(), flags, None)?;
    Ok(packets.map(|received| packet(&received)).collect())
}

/// Whether nothing follows on a connection: not even an empty packet, which would have the
/// credentials of its sender.
///
/// # Errors
/// Any I/O error: nothing follows, and the connection was broken.
pub(crate) fn has_ended(socket: &Socket) -> io::Result<bool> {
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    let mut control = cmsg_space!(UnixCredentials);
    socket.set_passcred(true)?;
    let next = recvmsg::<()>(socket.as_raw_fd(), &mut [], Some(&mut control), flags);
    let is_end = match next {
        Ok(next) => Ok(next.cmsgs().is_ok_and(|mut found| found.next().is_none())),
        Err(nix::Error::EAGAIN | nix::Error::EINTR) => Ok(false),
        Err(error) => Err(error.into()),
    };
    socket.set_passcred(false)?;
    is_end
}

/// Sends at least one packet, to `addr` unless the socket is connected; returns the number sent.
///
/// # Errors
/// Any error for the first packet.
pub(crate) fn send<'a>(
    socket: &Socket,
    packets: impl Iterator<Item = &'a [u8]>,
    addr: Option<UnixAddr>,
) -> nix::Result<usize> {
    let slices: Vec<_> = packets.take(MOST).map(|packet| [IoSlice::new(packet)]).collect();
    match addr {
        Some(_) => send_any(socket, &slices, addr),
        None => send_any(socket, &slices, None::<()>),
    }
}

fn send_any<'a, S: SockaddrLike + Copy + 'a>(
    socket: &Socket,
    slices: &'a [[IoSlice<'a>; 1]],
    addr: Option<S>,
) -> nix::Result<usize> {
    let mut headers = MultiHeaders::preallocate(slices.len(), None);
    let (addrs, flags) = (vec![addr; slices.len()], MsgFlags::MSG_DONTWAIT);
    let sent = sendmmsg(socket.as_raw_fd(), &mut headers, slices, addrs, [], flags)?;
    Ok(sent.count())
}
