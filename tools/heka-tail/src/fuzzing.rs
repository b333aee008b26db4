// SPDX-License-Identifier: MIT OR Apache-2.0
//! Stored positions, for the fuzz targets.

#![cfg(feature = "fuzzing")]
#![expect(dead_code, unused_imports, reason = "the parsers alone are used")]

mod few;
mod follow;
mod numbers;
mod reported;
mod select;

use follow::position::{decode, encode, is_met};

/// Parses a position of heka-tail and one of hekad; a valid one can be stored again.
pub fn position(input: &[u8]) {
    let _ = follow::Journal::parse(input);
    let Some(files) = decode(input) else { return };
    let mut again = Vec::new();
    encode(&mut again, &files, is_met(input));
    assert_eq!(decode(&again).as_ref(), Some(&files));
}
