// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files and directories that are refused although the system permits access.

use std::io;

/// The reason why a file or directory is refused. The user has to change something first, so the
/// exit status is 2, as for a wrong flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Owned by neither this user nor root.
    #[error("belongs to another user")]
    Owner,
    /// Writable by others, who may have changed its contents.
    #[error("writable by other users (chmod go-w)")]
    Writable,
    /// A secret that others can read.
    #[error("readable by other users (chmod 600)")]
    Readable,
    /// A symbolic link whose target others may choose.
    #[error("symbolic link")]
    Link,
    /// A file with further hard links.
    #[error("hard link to another file")]
    Shared,
    /// Not a regular file: a device, a pipe, a directory.
    #[error("not a regular file")]
    Kind,
    /// Contents other than a queue, which would be lost.
    #[error("not a file of a queue")]
    NotQueue,
    /// Contents other than a checkpoint, which would be lost.
    #[error("not a checkpoint file")]
    NotCheckpoint,
    /// Contents that would be lost, in a file that is also read.
    #[error("read as a log; not a checkpoint file")]
    Input,
    /// Contents of a later version, which would be lost.
    #[error("written by a later version")]
    Later,
    /// Too large: a mistaken name must not exhaust memory.
    #[error("too large")]
    TooLarge,
}

impl From<Refused> for io::Error {
    fn from(why: Refused) -> Self {
        Self::other(why)
    }
}

/// Whether an error is a [`Refused`].
pub(super) fn is_refused(error: &io::Error) -> bool {
    matches!(error.get_ref(), Some(inner) if inner.is::<Refused>())
}
