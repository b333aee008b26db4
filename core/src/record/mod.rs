// SPDX-License-Identifier: MIT OR Apache-2.0
//! Byte streams to records: pure functions over the bytes at hand.

mod dedup;
#[cfg(feature = "regex")]
pub mod split;
mod unread;

pub use dedup::Recent;
pub use unread::Unread;
