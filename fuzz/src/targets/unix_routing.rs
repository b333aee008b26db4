// SPDX-License-Identifier: MIT OR Apache-2.0
//! Framings, addresses and compression of unix-sock; the first byte selects one.

use unix_sock::{compression, framing, routing};

/// See the module.
pub fn run(input: &[u8]) {
    let Some((choice, rest)) = input.split_first() else { return };
    [framing, routing, compression][usize::from(choice % 3)](rest);
}
