// SPDX-License-Identifier: MIT OR Apache-2.0
//! Byte streams to records: pure functions on the available bytes.
//!
//! A [`Splitter`] knows how records are framed ([`Framing`], or a pattern) and how long they may be
//! ([`Limit`]). [`Splitter::records`] iterates over the bytes of a stream that have been read but
//! not consumed, and returns records in place; [`Progress`] is the state kept between two calls.
//! Bytes without the end of a record are passed again when more have been read; they are not
//! searched again.
//!
//! No byte is lost silently: a record over the limit, a truncated record, or a stretch without a
//! frame is reported as [`Damage`], in stream order.

mod boundary;
mod brackets;
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
mod wide;

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
