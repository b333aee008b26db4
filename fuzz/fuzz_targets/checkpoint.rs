// SPDX-License-Identifier: MIT OR Apache-2.0
//! A position from a frame's header, as anybody may have sent it: taken apart or refused.
#![no_main]

use heka_core::delivery::checkpoint::{decode_header, encode_header};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Some((source, position)) = decode_header(input)
        && let Some(again) = encode_header(source, position)
    {
        assert_eq!(decode_header(&again), Some((source, position)));
    }
});
