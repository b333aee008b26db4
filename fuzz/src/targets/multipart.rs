// SPDX-License-Identifier: MIT OR Apache-2.0
//! The parts of an HTTP body in any pieces.

/// See the module.
pub fn run(input: &[u8]) {
    cf_tail::multipart(input);
}
