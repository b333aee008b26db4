// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any data from a NATS server.

/// See the module.
pub fn run(input: &[u8]) {
    heka_nats::protocol(input);
}
