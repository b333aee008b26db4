// SPDX-License-Identifier: MIT OR Apache-2.0
//! Server-sent events in any pieces.

/// See the module.
pub fn run(input: &[u8]) {
    cf_tail::sse(input);
}
