// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any file in the place of data that a plugin left behind.

/// See the module.
pub fn run(input: &[u8]) {
    heka_sandbox::preserved(input, &crate::scratch("data"));
}
