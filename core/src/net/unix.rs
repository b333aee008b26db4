// SPDX-License-Identifier: MIT OR Apache-2.0
//! Binding a unix socket to a path: whose path it is, who may use it, who removes it.
//!
//! A path that a socket was left at is told from one in use by connecting to it. Programs of ours
//! that start at the same moment take turns through a lock on the folder, so that none removes the
//! socket that another has just made.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::stat::{Mode, umask};
use socket2::{Domain, SockAddr, Socket, Type};

use super::{ListenOptions, UnixName};

/// Binds a socket of that type, and listens unless it takes datagrams.
///
/// # Errors
/// What the system says, or that the path belongs to somebody else.
pub(super) fn bind(
    name: &UnixName,
    kind: Type,
    options: &ListenOptions,
) -> io::Result<(Socket, Option<OwnPath>)> {
    let sockaddr = name.to_sockaddr()?;
    let socket = Socket::new(Domain::UNIX, kind, None)?;
    socket.set_nonblocking(true)?;
    let _turn = name.path().and_then(lock_folder);
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

/// Holds the folder of `path` until dropped. Where that cannot be done we go on without.
fn lock_folder(path: &Path) -> Option<Flock<File>> {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    Flock::lock(File::open(folder).ok()?, FlockArg::LockExclusive).ok()
}

/// Removes a socket that nobody listens on any more. Anything else is left alone, unless forced.
fn make_way(path: &Path, sockaddr: &SockAddr, kind: Type, force: bool) -> io::Result<()> {
    let Ok(metadata) = std::fs::symlink_metadata(path) else {
        return Ok(());
    };
    if force {
        return std::fs::remove_file(path);
    }
    if !metadata.file_type().is_socket() {
        return Err(io::Error::other("exists and is no socket"));
    }
    let probe = Socket::new(Domain::UNIX, kind, None)?;
    probe.set_nonblocking(true)?;
    match probe.connect(sockaddr) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        _ => Err(io::Error::other("another process listens there")),
    }
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
