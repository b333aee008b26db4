// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any header of a frame: a header that is read and written is read the same again, and no unsigned
//! header identifies a stream.

use heka_core::delivery::claim::Claim;
use heka_core::wire::{Header, header::put_stripped};

/// See the module.
pub fn run(input: &[u8]) {
    let mut stripped = Vec::new();
    put_stripped(&mut stripped, input);
    assert!(stripped.len() <= input.len(), "more than came");
    let Ok(header) = Header::parse(input) else { return };
    let mut again = Vec::new();
    header.put(&mut again);
    let read = Header::parse(&again).expect("it was just written");
    // Without the hash's name, it is the first one.
    assert_eq!(Header { hmac_hash: None, ..read }, Header { hmac_hash: None, ..header });
    assert_eq!(Claim::verified(&header), None, "nobody can sign");
    if let Ok(plain) = Header::parse(&stripped) {
        assert!(!plain.is_extended(), "extensions are left");
        assert_eq!(plain.message_length, header.message_length);
    }
}
