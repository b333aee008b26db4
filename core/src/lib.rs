// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the heka tools share, in layers. Each layer uses only those above it:
//!
//! - [`wire`]: bytes to messages and back: frames, headers, signatures. Pure.
//! - [`codec`]: messages to the forms that people and programs read, and back; the matcher. Pure.
//! - `decode`: text of any kind to messages: times, numbers, JSON, lines of known programs. Pure.
//! - [`record`]: byte streams to records. Pure.
//! - [`report`]: what a tool says: diagnostics, counters, and why it stopped.
//! - [`os`]: descriptors, waiting, signals, the clock, files.
//! - [`net`]: addresses, connections, listeners, TLS, `WebSocket`.
//! - [`delivery`]: positions and acknowledgements.
//! - [`cli`]: what a person types and gets back: flags, values, secrets, exit statuses.
//!
//! `core/tests/layers.rs` holds the order. What only one tool uses lives in that tool.
pub mod cli;
pub mod codec;
#[cfg(feature = "decode")]
pub mod decode;
pub mod delivery;
#[cfg(feature = "net")]
pub mod net;
pub mod os;
pub mod record;
pub mod report;
pub mod wire;
