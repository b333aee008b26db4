// SPDX-License-Identifier: MIT OR Apache-2.0
//! A private key with its certificates, as OpenSSL and Java write them.
//!
//! The library requires two things that these programs do not: that an EC key contains its public
//! key, which Java omits and which is taken from the certificate here; and that our own certificate
//! is X.509 version 3, which is for the peer to decide.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivateSec1KeyDer};

use super::der::{
    BIT_STRING, Certificate, INTEGER, OCTET_STRING, OID, PublicKey, SEQUENCE, Values,
};

/// 1.2.840.10045.2.1
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// 1.2.840.113549.1.1.1
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// Supported curves, with the size of a private key in bytes.
const CURVES: [(&[u8], usize); 2] = [
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07], 32),
    (&[0x2b, 0x81, 0x04, 0x00, 0x22], 48),
];
/// Unsupported key types, by name.
const UNSUPPORTED: [(&[u8], &str); 7] = [
    (&[0x2b, 0x81, 0x04, 0x00, 0x23], "P-521"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x0a], "secp256k1"),
    (&[0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x07], "brainpoolP256r1"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a], "RSASSA-PSS"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01], "DSA"),
    (&[0x2b, 0x65, 0x71], "Ed448"),
    (&[0x2b, 0x65, 0x6e], "X25519"),
];

/// Prepares a key for signing. The library overwrites what it is given.
///
/// # Errors
/// A description of why the key cannot be used.
pub(super) fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'_>,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, String> {
    let parsed = chain.first().and_then(|certificate| Certificate::parse(certificate));
    let public = parsed.ok_or("its certificate cannot be read")?.public;
    let kind = unsupported(key, &public);
    let key = completed(key, &public).unwrap_or_else(|| key.clone_key());
    let signing = provider.key_provider.load_private_key(key).map_err(|_| kind)?;
    let spki = signing.public_key();
    let own = spki.as_ref().and_then(|spki| PublicKey::parse(spki));
    if own.is_some_and(|own| own.bits != public.bits) {
        return Err("the private key does not belong to the certificate".to_owned());
    }
    Ok(Arc::new(CertifiedKey::new(chain, signing)))
}

/// Describes why a key cannot be used.
fn unsupported(key: &PrivateKeyDer<'_>, public: &PublicKey<'_>) -> String {
    let own = match key {
        PrivateKeyDer::Pkcs8(key) => Pkcs8::parse(key.secret_pkcs8_der()),
        _ => None,
    };
    let (algorithm, curve) = match own {
        Some(own) => (own.algorithm, own.curve),
        None => (public.algorithm, public.curve),
    };
    let name = curve.unwrap_or(algorithm);
    let known = UNSUPPORTED.iter().find(|(oid, _)| *oid == name);
    match known {
        Some((_, name)) => {
            format!("{name} keys are not supported (RSA, EC on P-256 or P-384, Ed25519 are)")
        }
        None if algorithm == RSA => match modulus_bits(public) {
            Some(bits) if !(2048..=4096).contains(&bits) => {
                format!("RSA keys of {bits} bits are not supported (2048 to 4096 are)")
            }
            _ => "the RSA key cannot be read".to_owned(),
        },
        None if algorithm == EC && public.algorithm != EC => {
            "the private key does not belong to the certificate".to_owned()
        }
        None if algorithm == EC => {
            "the EC key cannot be read, or does not belong to the certificate".to_owned()
        }
        None => "the private key cannot be read".to_owned(),
    }
}

/// Returns the size of an RSA modulus in bits (RFC 8017 §A.1.1).
fn modulus_bits(public: &PublicKey<'_>) -> Option<usize> {
    let modulus = Values(public.bits).enter(SEQUENCE)?.next(INTEGER)?;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    Some((modulus.len() - zeros) * 8 - modulus.get(zeros)?.leading_zeros() as usize)
}

/// A PKCS#8 key (RFC 5958 §2).
struct Pkcs8<'a> {
    algorithm: &'a [u8],
    curve: Option<&'a [u8]>,
    key: &'a [u8],
}

impl<'a> Pkcs8<'a> {
    fn parse(der: &'a [u8]) -> Option<Self> {
        let mut fields = Values(der).enter(SEQUENCE)?;
        let _version = fields.next(INTEGER)?;
        let mut algorithm = fields.enter(SEQUENCE)?;
        let key = fields.next(OCTET_STRING)?;
        Some(Self { algorithm: algorithm.next(OID)?, curve: algorithm.optional(OID), key })
    }
}

/// Adds the public key of the certificate to an EC key (RFC 5915) that has none. The library checks
/// that they match.
fn completed(key: &PrivateKeyDer<'_>, public: &PublicKey<'_>) -> Option<PrivateKeyDer<'static>> {
    let (_, size) = *CURVES.iter().find(|(oid, _)| Some(*oid) == public.curve)?;
    let inner = match key {
        PrivateKeyDer::Sec1(key) => key.secret_sec1_der(),
        PrivateKeyDer::Pkcs8(key) => {
            let key = Pkcs8::parse(key.secret_pkcs8_der())?;
            (key.algorithm == EC && key.curve == public.curve).then_some(key.key)?
        }
        _ => return None,
    };
    let mut fields = Values(inner).enter(SEQUENCE)?;
    let version = fields.next(INTEGER)?;
    let secret = fields.next(OCTET_STRING)?;
    let _curve = fields.optional(0xa0);
    if fields.optional(0xa1).is_some() && secret.len() == size {
        return None;
    }
    let zeros = secret.len().saturating_sub(size);
    let secret = secret.get(zeros..)?;
    let len = |len: usize| u8::try_from(len).ok().filter(|len| *len < 0x80);
    let point = len(public.bits.len() + 1)?;
    // Allocated at once, so that no copy of the secret is left behind.
    let mut der = Vec::with_capacity(256);
    der.push(SEQUENCE);
    match u8::try_from(2 + version.len() + 2 + size + 4 + usize::from(point)).ok()? {
        short @ ..0x80 => der.push(short),
        long => der.extend([0x81, long]),
    }
    der.extend([INTEGER, len(version.len())?]);
    der.extend_from_slice(version);
    der.extend([OCTET_STRING, len(size)?]);
    der.resize(der.len() + size - secret.len(), 0);
    der.extend_from_slice(secret);
    der.extend([0xa1, point + 2, BIT_STRING, point, 0]);
    der.extend_from_slice(public.bits);
    Some(PrivateKeyDer::Sec1(PrivateSec1KeyDer::from(der)))
}
