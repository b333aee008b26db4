// SPDX-License-Identifier: MIT OR Apache-2.0
//! log-cache, which keeps the newest envelopes of each source.

mod cache;
mod client;
mod evictions;

pub(crate) use cache::{Cache, Past};
pub(crate) use client::{Client, MAX_PAGE};
