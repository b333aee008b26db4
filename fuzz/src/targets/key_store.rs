// SPDX-License-Identifier: MIT OR Apache-2.0
//! Key stores of all kinds: they are read or refused.

/// See the module.
pub fn run(input: &[u8]) {
    ws_source::key_store(input);
}
