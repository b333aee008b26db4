// SPDX-License-Identifier: MIT OR Apache-2.0
//! Framings, addresses, chunks of GELF and compression of unix-sock; the first byte says which.

use unix_sock::{compression, framing, gelf, routing};

/// See the module.
pub fn run(input: &[u8]) {
    let Some((choice, rest)) = input.split_first() else { return };
    [framing, routing, gelf, compression][usize::from(choice % 4)](rest);
}
