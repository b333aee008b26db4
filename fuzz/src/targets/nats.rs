// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a NATS server says.

/// See the module.
pub fn run(input: &[u8]) {
    heka_nats::protocol(input);
}
