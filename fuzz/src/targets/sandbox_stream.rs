// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any bytes for a plugin's stream reader, in any pieces.

/// See the module.
pub fn run(input: &[u8]) {
    heka_sandbox::stream_reader(input);
}
