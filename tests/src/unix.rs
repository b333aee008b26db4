// SPDX-License-Identifier: MIT OR Apache-2.0
//! unix-sock as a server, and plain connections to it.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::{Peer, TempDir, Tool, ceiling, eventually, scratch};

/// Starts a server with `args` on a socket in a new folder; the caller must keep both.
///
/// # Panics
/// If the server does not start.
#[track_caller]
pub fn serve(args: &[&str], settings: impl FnOnce(Tool) -> Tool) -> (Peer, PathBuf, TempDir) {
    let folder = scratch();
    let path = folder.path().join("s");
    let own = ["-l".as_ref(), path.as_os_str()];
    let args = own.into_iter().chain(args.iter().map(AsRef::as_ref));
    (Peer::with("unix-sock", args, settings), path, folder)
}

/// Connects as soon as there is a listener; reads and writes time out at [`ceiling`].
#[track_caller]
pub fn connect(path: &Path) -> UnixStream {
    let stream = eventually("somebody listens", || UnixStream::connect(path).ok());
    stream.set_read_timeout(Some(ceiling())).expect("it is open");
    stream.set_write_timeout(Some(ceiling())).expect("it is open");
    stream
}

/// Sends each of `parts` as a packet to the socket at `path`; `kind` is `dgram` or `seqpacket`.
#[track_caller]
pub fn send_packets(kind: &str, path: &Path, parts: &[&[u8]]) {
    let kind = if kind == "dgram" { Type::DGRAM } else { Type::SEQPACKET };
    let socket = Socket::new(Domain::UNIX, kind, None).expect("a socket");
    socket.connect(&SockAddr::unix(path).expect("a path")).expect("somebody listens");
    for part in parts {
        assert_eq!(socket.send(part).expect("somebody reads"), part.len());
    }
}
