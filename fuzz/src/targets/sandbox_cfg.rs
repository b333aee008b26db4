// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any text as the configuration of a sandbox.

/// See the module.
pub fn run(input: &[u8]) {
    heka_sandbox::configuration(input);
}
