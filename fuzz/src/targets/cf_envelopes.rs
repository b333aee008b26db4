// SPDX-License-Identifier: MIT OR Apache-2.0
//! Envelopes of all generations of servers.

/// See the module.
pub fn run(input: &[u8]) {
    cf_tail::envelope(input);
}
