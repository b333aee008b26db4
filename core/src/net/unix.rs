// SPDX-License-Identifier: MIT OR Apache-2.0
//! Binding a unix socket to a path: whose path it is, who may use it, who removes it.
//!
//! Connecting to a path shows whether a socket there is in use or was left behind, with a datagram
//! socket: the system looks for a living socket at the path first, whatever network or process
//! namespace it was bound in, and for its type after that. A server of datagrams hears nothing of a
//! sender that sends nothing, and one of connections is reported to be of another type, before it
//! could take the question for a connection. (A table such as `/proc/net/unix` shows what was bound
//! in our own network namespace only.)
//!
//! Programs of ours that start at the same moment take turns through a lock on the folder, so that
//! none removes the socket that another has just made. Anybody who can read the folder can hold
//! that lock, so it is not waited for long: without it we only lose that order.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{
    FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::sys::stat::{Mode, umask};
use socket2::{Domain, SockAddr, Socket, Type};

use super::{ListenOptions, UnixName};
use crate::os::wait;
use crate::report::{Explain as _, Stop};

/// A turn is waited for no longer than this. It takes a program of ours less than a millisecond;
/// one that is held for longer is held for something else, such as a queue that is kept there.
const TURN: Duration = Duration::from_millis(300);
/// When to look again whether it is ours.
const TURN_STEP: Duration = Duration::from_millis(5);

/// Binds a socket of that type, and listens unless it takes datagrams.
///
/// # Errors
/// What the system says, or that the path belongs to somebody else; a signal that asks for the end.
pub(super) fn bind(
    name: &UnixName,
    kind: Type,
    options: &ListenOptions,
) -> Result<(Socket, Option<OwnPath>), Stop> {
    let _turn = match name.path() {
        Some(path) => lock_folder(path)?,
        None => None,
    };
    bind_in_turn(name, kind, options).at(name)
}

fn bind_in_turn(
    name: &UnixName,
    kind: Type,
    options: &ListenOptions,
) -> io::Result<(Socket, Option<OwnPath>)> {
    let sockaddr = name.to_sockaddr()?;
    let socket = Socket::new(Domain::UNIX, kind, None)?;
    socket.set_nonblocking(true)?;
    let path = match name.path() {
        Some(path) => {
            make_way(path, &sockaddr, kind, options.force)?;
            Some(bind_path(&socket, path, &sockaddr, options)?)
        }
        None => {
            socket.bind(&sockaddr)?;
            None
        }
    };
    if kind != Type::DGRAM {
        socket.listen(options.backlog)?;
    }
    Ok((socket, path))
}

/// Binds, and gives the path its owner and mode. Until it has them nobody may use it: datagrams
/// would be taken from then on, connections only once we listen.
fn bind_path(
    socket: &Socket,
    path: &Path,
    sockaddr: &SockAddr,
    options: &ListenOptions,
) -> io::Result<OwnPath> {
    let (user, group) = options.owner;
    let has_owner = user.is_some() || group.is_some();
    if options.mode.is_none() && !has_owner {
        socket.bind(sockaddr)?;
        return OwnPath::new(path, options.unlink);
    }
    let mask = umask(Mode::S_IRWXU | Mode::S_IRWXG | Mode::S_IRWXO);
    let bound = socket.bind(sockaddr);
    umask(mask);
    bound?;
    let own = OwnPath::new(path, options.unlink)?;
    if has_owner {
        std::os::unix::fs::lchown(path, user, group)?;
    }
    let mode = options.mode.unwrap_or(0o777 & !mask.bits());
    std::fs::set_permissions(path, Permissions::from_mode(mode))?;
    Ok(own)
}

/// Holds the folder of `path` until dropped. Where that cannot be done, or not soon, we go on
/// without.
fn lock_folder(path: &Path) -> Result<Option<Flock<File>>, Stop> {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let is_folder = OFlag::O_DIRECTORY.bits();
    let Ok(mut file) = OpenOptions::new().read(true).custom_flags(is_folder).open(folder) else {
        return Ok(None);
    };
    let end = Instant::now() + TURN;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(turn) => return Ok(Some(turn)),
            Err((held, nix::Error::EAGAIN)) if Instant::now() < end => file = held,
            Err(_) => return Ok(None),
        }
        wait(&[], Some(Instant::now() + TURN_STEP))?;
    }
}

/// Removes a socket that nobody listens on. Anything else is left alone, unless forced.
fn make_way(path: &Path, sockaddr: &SockAddr, kind: Type, force: bool) -> io::Result<()> {
    let Ok(metadata) = std::fs::symlink_metadata(path) else {
        return Ok(());
    };
    if force {
        return std::fs::remove_file(path);
    }
    if !metadata.file_type().is_socket() {
        return Err(io::Error::other("exists and is not a socket"));
    }
    if is_served(sockaddr, kind)? {
        return Err(io::Error::other("another process listens there"));
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether a living socket is bound to a path.
fn is_served(sockaddr: &SockAddr, kind: Type) -> io::Result<bool> {
    // gVisor refuses datagram sockets wherever connections are taken. Only where the harmless
    // question finds nobody is it asked in the way of a client.
    for kind in [Type::DGRAM, kind] {
        let probe = Socket::new(Domain::UNIX, kind, None)?;
        probe.set_nonblocking(true)?;
        match probe.connect(sockaddr).map_err(|error| (error.kind(), error)) {
            Err((io::ErrorKind::ConnectionRefused, _)) => {}
            Err((io::ErrorKind::NotFound, _)) => return Ok(false),
            Err((io::ErrorKind::PermissionDenied, error)) => return Err(error),
            _ => return Ok(true),
        }
    }
    Ok(false)
}

/// A path that we made, removed at the end if it is still ours.
#[derive(Debug)]
pub(super) struct OwnPath {
    path: PathBuf,
    file: (u64, u64),
    unlink: bool,
}

impl OwnPath {
    fn new(path: &Path, unlink: bool) -> io::Result<Self> {
        let file = identity(path)?;
        Ok(Self { path: std::path::absolute(path)?, file, unlink })
    }
}

impl Drop for OwnPath {
    fn drop(&mut self) {
        if self.unlink && identity(&self.path).is_ok_and(|file| file == self.file) {
            // A path that somebody else removes at the same time is as gone.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}
