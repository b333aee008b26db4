// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which of several certificates a client presents.

use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

use super::der::Certificate;

/// Certificates of ours, the preferred first.
#[derive(Debug)]
pub(super) struct Chosen(pub(super) Vec<Arc<CertifiedKey>>);

impl ResolvesClientCert for Chosen {
    /// The first that one of the `issuers` signed, as Java chooses; else the first that the server
    /// can verify, which may know more than it says.
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
