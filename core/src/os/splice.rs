// SPDX-License-Identifier: MIT OR Apache-2.0
//! Moves bytes from a socket to an output without passing through this process: splice(2) passes
//! pages on where read(2) and write(2) would copy twice.
//!
//! One end of a splice must be a pipe; for a device, an intermediate pipe is used. Until the reader
//! has read them, the pages still belong to the sending process, so their contents may change.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileTypeExt as _;

use nix::Error;
use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use nix::unistd::pipe2;

use super::input::PIPE_SIZE;

/// The path to the output.
#[derive(Debug)]
pub(super) enum Conduit {
    /// The output is a pipe.
    Straight,
    /// By way of this pipe.
    Through { reader: File, writer: File },
    /// None. A file opened for appending does not accept pages. For a file written at a position,
    /// splice(2) does not coordinate with other processes that share the position, as write(2)
    /// does.
    Closed,
}

impl Conduit {
    /// Determines the path to an output.
    pub(super) fn to(out: &File) -> Self {
        Self::find(out).unwrap_or(Self::Closed)
    }

    fn find(out: &File) -> Option<Self> {
        let kind = out.metadata().ok()?.file_type();
        if kind.is_fifo() {
            return Some(Self::Straight);
        }
        if !kind.is_char_device() {
            return None;
        }
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).ok()?;
        // A smaller pipe only needs more calls.
        let _ = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(PIPE_SIZE));
        Some(Self::Through { reader: reader.into(), writer: writer.into() })
    }

    /// Moves up to `len` bytes, as many as the socket has and the output accepts now; returns the
    /// number taken from the socket. Bytes that the output does not accept after all are put into
    /// `rest`, and the path is closed.
    pub(super) fn carry(
        &mut self,
        socket: BorrowedFd<'_>,
        out: &File,
        len: usize,
        rest: &mut Vec<u8>,
    ) -> nix::Result<usize> {
        let (reader, writer) = match self {
            Self::Straight => return pass(socket, out, len),
            Self::Through { reader, writer } => (reader, writer),
            Self::Closed => return Ok(0),
        };
        let taken = pass(socket, writer, len)?;
        let mut left = taken;
        while left > 0 {
            match pass(&*reader, out, left) {
                Ok(len) if len > 0 => left -= len,
                Err(Error::EINTR) => {}
                Ok(_) | Err(_) => {
                    // A pipe returns everything that it holds.
                    let stranded = reader.take(left as u64).read_to_end(rest);
                    stranded.map_err(|_| Error::EIO)?;
                    *self = Self::Closed;
                    break;
                }
            }
        }
        Ok(taken)
    }
}

fn pass(from: impl AsFd, to: impl AsFd, len: usize) -> nix::Result<usize> {
    let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
    splice(from, None, to, None, len, flags)
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// Creates a socket that holds `bytes`.
    fn socket(bytes: &[u8]) -> (UnixStream, UnixStream) {
        let (mut near, far) = UnixStream::pair().unwrap();
        near.write_all(bytes).unwrap();
        far.set_nonblocking(true).unwrap();
        (near, far)
    }

    #[test]
    fn bytes_get_into_a_pipe_as_far_as_there_is_room() {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let (mut reader, writer) = (File::from(reader), File::from(writer));
        let mut conduit = Conduit::to(&writer);
        let (_near, far) = socket(b"some text");
        let mut rest = Vec::new();
        assert_eq!(conduit.carry(far.as_fd(), &writer, 4, &mut rest), Ok(4));
        let mut text = [0; 4];
        reader.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"some");
        fcntl(&writer, FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
        let (_near, far) = socket(&[b'x'; 50_000]);
        let carried = conduit.carry(far.as_fd(), &writer, 50_000, &mut rest).unwrap();
        assert!((1..50_000).contains(&carried), "{carried}");
        assert_eq!(conduit.carry(far.as_fd(), &writer, 50_000, &mut rest), Err(Error::EAGAIN));
        assert_eq!(rest, b"");
    }

    #[test]
    fn a_device_is_reached_and_a_file_is_not() {
        let out = OpenOptions::new().write(true).open("/dev/null").unwrap();
        let (_near, far) = socket(&b"text".repeat(10_000));
        let mut rest = Vec::new();
        let carried = Conduit::to(&out).carry(far.as_fd(), &out, 40_000, &mut rest);
        assert_eq!((carried, rest.len()), (Ok(40_000), 0));
        assert!(matches!(Conduit::to(&tempfile::tempfile().unwrap()), Conduit::Closed));
    }

    #[test]
    fn what_a_full_disk_does_not_take_is_given_back() {
        let out = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let (_near, far) = socket(b"some text");
        let mut conduit = Conduit::to(&out);
        let mut rest = Vec::new();
        assert_eq!(conduit.carry(far.as_fd(), &out, 4, &mut rest), Ok(4));
        assert_eq!(rest, b"some");
        assert!(matches!(conduit, Conduit::Closed));
    }
}
