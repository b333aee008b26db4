// SPDX-License-Identifier: MIT OR Apache-2.0
//! Chooses which of several certificates a client presents.

use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

use super::der::Certificate;

/// The certificates, in order of preference.
#[derive(Debug)]
pub(super) struct Chosen(pub(super) Vec<Arc<CertifiedKey>>);

impl ResolvesClientCert for Chosen {
    /// Chooses the first certificate signed by one of the `issuers`, as Java does; otherwise the
    /// first whose signature scheme the server supports, since it may accept more issuers than it
    /// names.
    fn resolve(&self, issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let usable = || self.0.iter().filter(|own| own.key.choose_scheme(schemes).is_some());
        let is_asked_for = |own: &&Arc<CertifiedKey>| {
            own.cert.iter().any(|certificate| {
                Certificate::parse(certificate)
                    .is_some_and(|certificate| issuers.contains(&certificate.issuer))
            })
        };
        usable().find(is_asked_for).or_else(|| usable().next()).cloned()
    }

    fn has_certs(&self) -> bool {
        !self.0.is_empty()
    }
}
