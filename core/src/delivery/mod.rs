// SPDX-License-Identifier: MIT OR Apache-2.0
//! Delivery without loss between a source and the far end.
//!
//! A position is committed by the stage that knows that the message is safe; unacknowledged
//! messages are sent again; repetitions can be recognised.

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
#[cfg(feature = "queue")]
pub mod queue_end;
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

/// Whether an error means that a disk is full, which may be temporary.
pub fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}
