// SPDX-License-Identifier: MIT OR Apache-2.0
//! A minimal reader of DER (X.690), for certificates of any version (the library supports only
//! version 3) and for private keys.

use rustls_pki_types::CertificateDer;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;

/// A sequence of values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'a>(pub(super) &'a [u8]);

impl<'a> Values<'a> {
    /// Returns the contents of the next value, which must have this tag.
    pub(super) fn next(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next_whole(tag).map(|(_, contents)| contents)
    }

    /// Returns the contents of the next value if it has this tag.
    pub(super) fn optional(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.0.first() == Some(&tag) { self.next(tag) } else { None }
    }

    /// Returns the values inside the next value, which must have this tag.
    pub(super) fn enter(&mut self, tag: u8) -> Option<Self> {
        self.next(tag).map(Self)
    }

    /// Returns the next value including tag and length, and its contents.
    fn next_whole(&mut self, tag: u8) -> Option<(&'a [u8], &'a [u8])> {
        let all = self.0;
        let (&[found, first], rest) = all.split_first_chunk()?;
        let (len, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (len, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (len.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (contents, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        (found == tag).then_some((all.get(..all.len() - rest.len())?, contents))
    }
}

/// The required parts of a certificate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Certificate<'a> {
    /// The issuer's name, with tag and length.
    pub(super) issuer: &'a [u8],
    pub(super) public: PublicKey<'a>,
}

/// A public key (RFC 5280 §4.1.2.7).
#[derive(Clone, Copy, Debug)]
pub(super) struct PublicKey<'a> {
    pub(super) algorithm: &'a [u8],
    /// The curve, for an EC key.
    pub(super) curve: Option<&'a [u8]>,
    /// The bits of the key.
    pub(super) bits: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// Parses a certificate (RFC 5280 §4.1), ignoring the extensions of version 3 after the key.
    pub(super) fn parse(der: &'a CertificateDer<'_>) -> Option<Self> {
        let mut fields = Values(der).enter(SEQUENCE)?.enter(SEQUENCE)?;
        let _version = fields.optional(0xa0);
        let _serial = fields.next(INTEGER)?;
        let _signature = fields.next(SEQUENCE)?;
        let (issuer, _) = fields.next_whole(SEQUENCE)?;
        let _validity = fields.next(SEQUENCE)?;
        let _subject = fields.next(SEQUENCE)?;
        let (key, _) = fields.next_whole(SEQUENCE)?;
        Some(Self { issuer, public: PublicKey::parse(key)? })
    }
}

impl<'a> PublicKey<'a> {
    pub(super) fn parse(der: &'a [u8]) -> Option<Self> {
        let mut fields = Values(der).enter(SEQUENCE)?;
        let mut algorithm = fields.enter(SEQUENCE)?;
        let (_unused_bits, bits) = fields.next(BIT_STRING)?.split_first()?;
        Some(Self { algorithm: algorithm.next(OID)?, curve: algorithm.optional(OID), bits })
    }
}
