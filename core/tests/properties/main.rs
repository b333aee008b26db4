// SPDX-License-Identifier: MIT OR Apache-2.0
//! Properties of every message and every stream.

#![expect(clippy::unwrap_used, reason = "a panic is the verdict of a test")]

mod framing;
mod json;
mod message;
mod messages;
