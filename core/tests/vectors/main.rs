// SPDX-License-Identifier: MIT OR Apache-2.0
//! Output of the original programs, byte for byte (`tests/vectors/ORIGIN.md`).

#![expect(clippy::panic, clippy::unwrap_used, reason = "a panic is the verdict of a test")]

mod matcher;
mod messages;
mod schema;
