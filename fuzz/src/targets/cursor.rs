// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any text as the cursor of a queue.

/// See the module.
pub fn run(input: &[u8]) {
    heka_send::cursor(input, &crate::scratch("cursor"));
}
