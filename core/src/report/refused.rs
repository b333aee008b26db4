// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files and directories that are not used though the system lets us.

use std::io;

/// Why a file or directory is not used: the user has to change something first, so a tool that
/// ends of it ends as for a wrong flag, with status 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Neither our own nor root's.
    #[error("belongs to another user")]
    Owner,
    /// Its contents may be anybody's.
    #[error("writable by other users (chmod go-w)")]
    Writable,
    /// It is no secret.
    #[error("readable by other users (chmod 600)")]
    Readable,
    /// Where it leads to may be anybody's choice.
    #[error("symbolic link")]
    Link,
    /// It has another name, under which it may be something else.
    #[error("hard link to another file")]
    Shared,
    /// A device, a pipe, a directory.
    #[error("not a regular file")]
    Kind,
    /// It holds what we did not write, which would be lost.
    #[error("not a file of a queue")]
    NotQueue,
    /// The same.
    #[error("not a checkpoint file")]
    NotCheckpoint,
    /// The same, and it is read from.
    #[error("read as a log; not a checkpoint file")]
    Input,
    /// It holds what this version does not know, which would be lost.
    #[error("written by a later version")]
    Later,
    /// A mistaken name must not fill the memory.
    #[error("too large")]
    TooLarge,
}

impl From<Refused> for io::Error {
    fn from(why: Refused) -> Self {
        Self::other(why)
    }
}

/// Whether an error is an [`Refused`].
pub(super) fn is_refused(error: &io::Error) -> bool {
    matches!(error.get_ref(), Some(inner) if inner.is::<Refused>())
}
