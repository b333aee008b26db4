// SPDX-License-Identifier: MIT OR Apache-2.0
//! Binds a UNIX socket to a path, with its ownership, permissions and removal.
//!
//! Connecting a datagram socket to a path shows whether the socket there is in use or stale. The
//! system first looks for a living socket at the path, in whatever network or process namespace it
//! was bound, and only then compares its type. A datagram server does not notice a sender that
//! sends nothing, and a stream server is reported to have another type before it could notice a
//! connection. (A table such as `/proc/net/unix` shows only sockets that were bound in the same
//! network namespace.)
//!
//! Heka tools that start at the same moment take turns through a lock on the directory, so that
//! none removes a socket that another has just created. Anybody who can read the directory can hold
//! that lock, so the wait is short; without the lock only that order is lost.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{
    FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::sys::stat::{Mode, umask};
use socket2::{Domain, SockAddr, Socket, Type};

use super::{ListenOptions, UnixName};
use crate::os::wait;
use crate::report::{Explain as _, Stop};

/// Maximum wait for a turn. A heka tool needs less than a millisecond; a longer lock serves another
/// purpose, such as a queue in that directory.
const TURN: Duration = Duration::from_millis(300);
/// Interval of attempts to take the lock.
const TURN_STEP: Duration = Duration::from_millis(5);

/// Binds a socket of the given type, and listens unless it is for datagrams.
///
/// # Errors
/// Any error of bind(2), a path that another user owns, or a signal that requests the end.
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

/// Binds, and sets the owner and mode of the path. Nobody may use the socket before that: datagrams
/// would be accepted from the start, connections only after listen(2).
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

/// Locks the directory of `path` until dropped. If that is not possible soon, continues without.
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

/// Removes a stale socket. Anything else is kept, unless forced.
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
        return Err(Errno::EADDRINUSE.into());
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether a living socket is bound to a path.
fn is_served(sockaddr: &SockAddr, kind: Type) -> io::Result<bool> {
    // gVisor rejects datagram sockets where a stream socket listens. Only if the harmless check
    // finds nobody is a real connection attempted.
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

/// A path created by this process, removed at the end if it is still the same file.
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
            // Another process may have removed the path at the same time.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}
