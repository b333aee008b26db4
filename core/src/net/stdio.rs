// SPDX-License-Identifier: MIT OR Apache-2.0
//! Standard input and output as a connection made by another program: inetd, socat, sshd.

use std::fs::File;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::stat::{SFlag, fstat};
use socket2::Socket;

use super::Stream;

/// Time for the reader of standard output at the end.
const GRACE: Duration = Duration::from_secs(1);
/// Interval of checks whether it has read everything.
const LOOK: Duration = Duration::from_millis(1);

/// Returns standard input and output as one stream, non-blocking.
///
/// If both are the same socket, it is used directly. Anything else may be open in other processes
/// and must not be made non-blocking, so threads copy it.
///
/// # Errors
/// Any I/O error.
pub fn stdio() -> io::Result<Stream> {
    #[expect(clippy::disallowed_methods, reason = "the descriptor carries answers, not an output")]
    let output = io::stdout().as_fd().try_clone_to_owned()?;
    let input = io::stdin().as_fd().try_clone_to_owned()?;
    let (from, to) = (fstat(&input)?, fstat(&output)?);
    let is_socket = SFlag::from_bits_truncate(from.st_mode) & SFlag::S_IFMT == SFlag::S_IFSOCK;
    if is_socket && (from.st_dev, from.st_ino) == (to.st_dev, to.st_ino) {
        let socket = Socket::from(input);
        socket.set_nonblocking(true)?;
        return Ok(Stream::plain(socket));
    }
    let (near, far) = UnixStream::pair()?;
    near.set_nonblocking(true)?;
    copy_in(input, far.try_clone()?);
    Ok(Stream::of_copies(Socket::from(OwnedFd::from(near)), copy_out(far, output)))
}

fn copy_in(input: OwnedFd, mut far: UnixStream) {
    std::thread::spawn(move || {
        // Both a read error and a closed stream are the end.
        let _end = io::copy(&mut File::from(input), &mut far);
        let _closed = far.shutdown(Shutdown::Write);
    });
}

fn copy_out(mut far: UnixStream, output: OwnedFd) -> Copying {
    let thread = std::thread::spawn(move || {
        let _end = io::copy(&mut far, &mut File::from(output));
        // A peer that no longer reads answers has gone.
        let _closed = far.shutdown(Shutdown::Both);
    });
    Copying { thread }
}

/// The thread that copies to standard output. Dropping it waits briefly for the rest to be written.
#[derive(Debug)]
pub(super) struct Copying {
    thread: JoinHandle<()>,
}

impl Drop for Copying {
    fn drop(&mut self) {
        let until = Instant::now() + GRACE;
        while !self.thread.is_finished() && Instant::now() < until {
            std::thread::park_timeout(LOOK);
        }
    }
}
