// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any file as the preserved data of a plugin.

/// See the module.
pub fn run(input: &[u8]) {
    heka_sandbox::preserved(input, &crate::scratch("data"));
}
