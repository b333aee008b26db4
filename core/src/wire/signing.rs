// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signatures of frames: HMAC-MD5 and HMAC-SHA1 (RFC 2104) over the message bytes.
//!
//! The signer's name, the key's version and the hash function are not covered by the signature;
//! that is Heka's format. Two rules are stricter than Heka's: a frame without an `hmac` is unsigned
//! whatever its header says, and short headers are verified like any other.

use std::collections::HashMap;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;

use super::header::{Header, HmacHash};

/// A signer: name, key version and key.
#[derive(Clone)]
pub struct Signer {
    name: Vec<u8>,
    version: u32,
    key: Key,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({:?}, version {})", String::from_utf8_lossy(&self.name), self.version)
    }
}

/// A key, prepared for one hash function.
#[derive(Clone)]
enum Key {
    Md5(Hmac<Md5>),
    Sha1(Hmac<Sha1>),
}

impl Key {
    fn new(hash: HmacHash, key: &[u8]) -> Self {
        // HMAC takes keys of any length: longer ones are hashed first.
        match hash {
            HmacHash::Md5 => Self::Md5(Hmac::new_from_slice(key).unwrap_or_else(|_| never())),
            HmacHash::Sha1 => Self::Sha1(Hmac::new_from_slice(key).unwrap_or_else(|_| never())),
        }
    }
}

fn never() -> ! {
    unreachable!("an HMAC key may have any length")
}

/// A signature: 16 or 20 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Digest {
    bytes: [u8; 20],
    len: usize,
}

impl Digest {
    fn new(digest: &[u8]) -> Self {
        let mut bytes = [0; 20];
        bytes[..digest.len()].copy_from_slice(digest);
        Self { bytes, len: digest.len() }
    }

    /// Returns the bytes of the signature.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Signer {
    /// Creates a signer.
    pub fn new(name: &[u8], version: u32, hash: HmacHash, key: &[u8]) -> Self {
        Self { name: name.to_vec(), version, key: Key::new(hash, key) }
    }

    /// Returns the name of the signer.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Signs `message`.
    pub fn sign(&self, message: &[u8]) -> Digest {
        match &self.key {
            Key::Md5(key) => {
                Digest::new(&key.clone().chain_update(message).finalize().into_bytes())
            }
            Key::Sha1(key) => {
                Digest::new(&key.clone().chain_update(message).finalize().into_bytes())
            }
        }
    }

    /// Returns `header` with this signer's name, key version and hash function and with the
    /// signature `digest`.
    pub fn stamp<'a>(&'a self, header: Header<'a>, digest: &'a Digest) -> Header<'a> {
        Header {
            hmac_hash: Some(match self.key {
                Key::Md5(_) => HmacHash::Md5,
                Key::Sha1(_) => HmacHash::Sha1,
            }),
            hmac_signer: Some(&self.name),
            hmac_key_version: Some(self.version),
            hmac: Some(digest.as_bytes()),
            ..header
        }
    }
}

/// Result of verifying a frame's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// The frame has no signature.
    Unsigned,
    /// The signature is valid; holds the signer's name.
    Signed(&'a [u8]),
    /// The key of this signer and version is not known.
    UnknownKey,
    /// The signature is invalid.
    Wrong,
}

/// The keys of all signers that a receiver knows.
#[derive(Clone, Default)]
pub struct Keys {
    by_name: HashMap<Vec<u8>, (Key, Key)>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({})", self.by_name.len())
    }
}

impl Keys {
    /// Adds the key of `signer`, a name of the form `SIGNER_VERSION`.
    pub fn add(&mut self, signer: &[u8], key: &[u8]) {
        let ready = (Key::new(HmacHash::Md5, key), Key::new(HmacHash::Sha1, key));
        self.by_name.insert(signer.to_vec(), ready);
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Verifies the signature in `header` against `message`, in constant time.
    pub fn verify<'a>(&self, header: &Header<'a>, message: &[u8]) -> Verdict<'a> {
        let Some(hmac) = header.hmac else {
            return Verdict::Unsigned;
        };
        let name = header.hmac_signer.unwrap_or_default();
        let mut signer = name.to_vec();
        signer.extend_from_slice(format!("_{}", header.hmac_key_version.unwrap_or(0)).as_bytes());
        let Some((md5, sha1)) = self.by_name.get(&signer) else {
            return Verdict::UnknownKey;
        };
        let key = if header.hmac_hash == Some(HmacHash::Sha1) { sha1 } else { md5 };
        let verified = match key {
            Key::Md5(key) => key.clone().chain_update(message).verify_slice(hmac),
            Key::Sha1(key) => key.clone().chain_update(message).verify_slice(hmac),
        };
        if verified.is_ok() { Verdict::Signed(name) } else { Verdict::Wrong }
    }
}
