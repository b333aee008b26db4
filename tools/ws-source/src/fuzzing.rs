// SPDX-License-Identifier: MIT OR Apache-2.0
//! Key stores, for the fuzz targets.

#![cfg(feature = "fuzzing")]
#![expect(dead_code, reason = "the parsers alone are used")]

mod keystore;

use sha1::{Digest as _, Sha1};

/// Reads a key store of any kind with the password `secret`, or rejects it. A JKS gets the digest
/// of its contents, without which nothing else in it is examined.
pub fn key_store(input: &[u8]) {
    let store = keystore::KeystoreArgs::default();
    let refused = |error: &String| assert!(error.len() < 4096, "{error}");
    let _ = store.open(input, "secret").inspect_err(refused);
    if input.starts_with(&[0xfe, 0xed, 0xfe, 0xed]) {
        let mut sha1 = Sha1::new();
        "secret".encode_utf16().for_each(|unit| sha1.update(unit.to_be_bytes()));
        sha1.update(b"Mighty Aphrodite");
        sha1.update(input);
        let whole = [input, &sha1.finalize()].concat();
        let _ = store.open(&whole, "secret").inspect_err(refused);
    }
}
