// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any position in a frame's header: it is parsed or refused.

use heka_core::delivery::checkpoint::{decode_header, put_header};

/// See the module.
pub fn run(input: &[u8]) {
    let mut again = Vec::new();
    if let Some((source, position)) = decode_header(input)
        && put_header(&mut again, source, position)
    {
        assert_eq!(decode_header(&again), Some((source, position)));
    }
}
