// SPDX-License-Identifier: MIT OR Apache-2.0
//! Many packets with one system call: with small ones, the call is what they cost.

use std::io::{self, IoSliceMut};
use std::os::fd::AsRawFd as _;

use bytes::Bytes;
use nix::cmsg_space;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, UnixAddr, UnixCredentials, recvmmsg,
    recvmsg, sendmmsg,
};
use socket2::Socket;

use crate::plan::Plan;

/// Most packets of one call.
pub(crate) const MOST: usize = 32;
/// Room for the packets of one call, in bytes. The system gives memory for what is filled only.
const ROOM: usize = 8 * 1024 * 1024;

/// A packet that has been read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    /// Its length, in bytes.
    pub(crate) len: usize,
    /// There was more of it than room.
    pub(crate) is_cut: bool,
    /// Where it is from, on a socket without connections.
    pub(crate) addr: Option<UnixAddr>,
    /// Who sent it, where that has been asked for.
    pub(crate) credentials: Option<UnixCredentials>,
}

/// How long the buffer must be that packets are read into.
pub(crate) fn room(plan: &Plan) -> usize {
    (ROOM / plan.read_size).clamp(1, MOST) * plan.read_size
}

/// Reads the packets that are there, each to the next multiple of `size` in `room`.
///
/// # Errors
/// The system's; `EAGAIN` if there are none.
pub(crate) fn receive(socket: &Socket, room: &mut [u8], size: usize) -> nix::Result<Vec<Packet>> {
    let mut slots: Vec<_> = room.chunks_mut(size).map(|slot| [IoSliceMut::new(slot)]).collect();
    let control = cmsg_space!(UnixCredentials);
    let mut headers = MultiHeaders::<UnixAddr>::preallocate(slots.len(), Some(control));
    let flags = MsgFlags::MSG_DONTWAIT;
    let packets = recvmmsg(socket.as_raw_fd(), &mut headers, slots.iter_mut(), flags, None)?;
    let credentials = |message| match message {
        ControlMessageOwned::ScmCredentials(credentials) => Some(credentials),
        _ => None,
    };
    let packet = |packet: RecvMsg<'_, '_, UnixAddr>| Packet {
        len: packet.bytes,
        is_cut: packet.flags.contains(MsgFlags::MSG_TRUNC),
        addr: packet.address,
        credentials: packet.cmsgs().ok().and_then(|mut found| found.find_map(credentials)),
    };
    Ok(packets.map(packet).collect())
}

/// Whether nothing follows on a connection: not even an empty packet, which would come with the
/// credentials of its sender.
///
/// # Errors
/// The system's: nothing follows, and the connection was broken.
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

/// Sends packets, to `addr` unless the socket is connected; tells how many went out. There is at
/// least one.
///
/// # Errors
/// The system's about the first one.
pub(crate) fn send<'a>(
    socket: &Socket,
    packets: impl Iterator<Item = &'a Bytes>,
    addr: Option<UnixAddr>,
) -> nix::Result<usize> {
    let slices: Vec<_> = packets.map(|packet| [io::IoSlice::new(packet)]).collect();
    let mut headers = MultiHeaders::preallocate(slices.len(), None);
    let (addrs, flags) = (vec![addr; slices.len()], MsgFlags::MSG_DONTWAIT);
    let sent = sendmmsg(socket.as_raw_fd(), &mut headers, slices.iter(), addrs, [], flags)?;
    Ok(sent.count())
}
