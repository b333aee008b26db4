// SPDX-License-Identifier: MIT OR Apache-2.0
//! Nothing lost between a source and the far end.
//!
//! A position is committed by the stage that knows the message is safe; what is not confirmed is
//! sent again; what is sent again can be recognised.

#[cfg(feature = "queue")]
pub mod block;
#[cfg(feature = "queue")]
pub mod blocks;
#[cfg(feature = "checkpoint")]
pub mod checkpoint;
#[cfg(feature = "claim")]
pub mod claim;
#[cfg(feature = "queue")]
pub mod queue_dir;
mod refusal;

pub use refusal::Refusal;

/// Whether an error says that a disk is full: somebody may make room.
pub fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}
