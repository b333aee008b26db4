// SPDX-License-Identifier: MIT OR Apache-2.0
//! Byte streams to records: pure functions over the bytes at hand.
//!
//! A [`Splitter`] knows how records are framed ([`Framing`], or a pattern) and how long they may be
//! ([`Limit`]). [`Splitter::records`] walks over the bytes of a stream that have been read and are
//! not done with, and hands out records that lie where they were read; [`Progress`] is what has to
//! be kept of a stream between two looks at it. Bytes that hold no end of a record yet are shown
//! again when there are more behind them; they are not searched again.
//!
//! No byte is lost in silence: a record over the limit, a cut one, a stretch that holds no frame is
//! reported as [`Damage`], in the order of the stream.

mod boundary;
mod damage;
mod dedup;
mod ending;
mod entries;
mod found;
mod framing;
pub mod gelf;
mod journal;
mod limit;
#[cfg(feature = "regex")]
mod pattern;
mod records;
mod splitter;
mod turn;
mod unread;
mod values;

pub use crate::wire::More;
pub use damage::{Damage, TooLong};
pub use dedup::Recent;
pub use found::{Found, Part, Record};
pub use framing::{Framing, Unfit, Width};
pub use limit::{Limit, Oversize, cut};
#[cfg(feature = "regex")]
pub use pattern::{At, Group, Pattern};
pub use records::Records;
pub use splitter::{Progress, Splitter};
pub use turn::Turn;
pub use unread::Unread;

#[cfg(test)]
mod tests;
