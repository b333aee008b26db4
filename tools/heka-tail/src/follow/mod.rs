// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that grow and are renamed, truncated, compressed or deleted: every byte of them is read
//! once.
//!
//! A [`Stream`] is one log from its writer's point of view: a file with a name, together with the
//! files that it was rotated into. It is read oldest file first; a file that was left behind stays
//! open for a while ([`Options::rotate_wait`]) so that late lines are not lost. The position of a
//! stream is a list of [`FilePosition`]s. [`Watch`] reports which streams to process.
//!
//! Records are not known here. Bytes are presented to a consumer as a [`Chunk`]; unconsumed bytes
//! are presented again with more data.

mod chain;
pub(crate) mod chunk;
mod contents;
pub(crate) mod file;
mod files;
mod fingerprint;
mod held;
mod history;
pub(crate) mod identity;
pub(crate) mod journal;
mod late;
mod look;
mod loss;
mod name;
mod options;
pub(crate) mod packed;
pub(crate) mod pairs;
mod patience;
pub(crate) mod position;
mod queue;
#[cfg(test)]
mod races;
mod resumption;
pub(crate) mod rotated;
mod search;
pub(crate) mod source;
pub(crate) mod start;
pub(crate) mod stream;
mod trouble;
mod truncation;

pub(crate) use chunk::Chunk;
pub(crate) use held::Block;
pub(crate) use identity::Identity;
pub(crate) use journal::Journal;
pub(crate) use look::{Look, Relation, Seen};
pub(crate) use name::Name;
pub(crate) use options::Options;
pub(crate) use position::FilePosition;
pub(crate) use start::Start;
pub(crate) use stream::Stream;
