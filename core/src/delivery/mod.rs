// SPDX-License-Identifier: MIT OR Apache-2.0
//! Nothing lost between a source and the far end.
//!
//! A position is committed by the stage that knows the message is safe; what is not acknowledged is
//! sent again; what is sent again can be recognised.

#[cfg(feature = "queue")]
pub mod block;
#[cfg(feature = "queue")]
pub mod blocks;
#[cfg(feature = "checkpoint")]
pub mod checkpoint;
#[cfg(feature = "claim")]
pub mod claim;
#[cfg(feature = "checkpoint")]
mod commit;
#[cfg(feature = "checkpoint")]
mod file_commit;
#[cfg(feature = "checkpoint")]
mod marks;
#[cfg(feature = "queue")]
pub mod queue_dir;
mod refusal;
#[cfg(feature = "queue")]
mod sums;
#[cfg(feature = "transport")]
pub mod transport;

#[cfg(feature = "checkpoint")]
pub use commit::Commit;
#[cfg(feature = "checkpoint")]
pub use file_commit::FileCommit;
#[cfg(feature = "checkpoint")]
pub use marks::Marks;
pub use refusal::Refusal;

/// Whether an error says that a disk is full: somebody may make room.
pub fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}
