// SPDX-License-Identifier: MIT OR Apache-2.0
//! Positions of heka-tail and of hekad's Logstreamer.

/// See the module.
pub fn run(input: &[u8]) {
    heka_tail::position(input);
}
