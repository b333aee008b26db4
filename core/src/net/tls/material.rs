// SPDX-License-Identifier: MIT OR Apache-2.0
//! Certificates and keys: from PEM files, from the system, or from other sources (key stores).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::key::certified;
use crate::os::{Exposed, read_secret};
use crate::report::{Cause as _, Status, Stop};

/// Trusted roots.
#[derive(Clone, Debug, Default)]
pub enum Roots {
    /// Roots that the system trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured.
    #[default]
    System,
    /// Only those in a PEM file.
    Pem(PathBuf),
    /// Only these.
    Given(Vec<CertificateDer<'static>>),
    /// The union of several.
    Union(Vec<Self>),
}

/// The identity presented to the peer.
#[derive(Debug)]
pub enum Identity {
    /// PEM files: the certificate followed by its issuers, and its key. Both may be in one file.
    Pem {
        /// File with the certificates.
        cert: PathBuf,
        /// File with the key (PKCS#8, PKCS#1 or SEC1, not encrypted).
        key: PathBuf,
    },
    /// Given key pairs. Of several, the first whose issuer the peer requests is presented.
    Given(Vec<KeyPair>),
}

/// A certificate and its private key.
#[derive(Debug)]
pub struct KeyPair {
    /// The certificate followed by its issuers.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key.
    pub key: Zeroizing<PrivateKeyDer<'static>>,
}

impl Roots {
    /// Loads the roots; also returns those given individually, which may be a peer's own
    /// certificate.
    pub(super) fn load(&self) -> Result<(Arc<RootCertStore>, Vec<CertificateDer<'static>>), Stop> {
        let (mut store, mut named) = (RootCertStore::empty(), Vec::new());
        self.add_to(&mut store, &mut named)?;
        Ok((Arc::new(store), named))
    }

    fn add_to(
        &self,
        store: &mut RootCertStore,
        named: &mut Vec<CertificateDer<'static>>,
    ) -> Result<(), Stop> {
        match self {
            Self::System => {
                let found = rustls_native_certs::load_native_certs();
                for error in &found.errors {
                    crate::report::debug(error);
                }
                if store.add_parsable_certificates(found.certs).0 == 0 {
                    crate::report::warning(
                        "no CA certificates in this system (--ca-file names some)",
                    );
                }
            }
            Self::Pem(path) => {
                for cert in certificates(path)? {
                    named.push(cert.clone());
                    store.add(cert).map_err(|error| unusable(path, error))?;
                }
            }
            Self::Given(certs) => {
                store.add_parsable_certificates(certs.iter().cloned());
                named.extend_from_slice(certs);
            }
            Self::Union(all) => all.iter().try_for_each(|roots| roots.add_to(store, named))?,
        }
        Ok(())
    }
}

impl Identity {
    /// Loads the certificates and keys, ready for signing.
    pub(super) fn load(&self, provider: &CryptoProvider) -> Result<Vec<Arc<CertifiedKey>>, Stop> {
        match self {
            Self::Given(pairs) => pairs
                .iter()
                .map(|KeyPair { chain, key }| certified(chain.clone(), key, provider))
                .collect::<Result<_, _>>()
                .map_err(|words| {
                    Stop::usage(format_args!("the client certificate cannot be used: {words}"))
                }),
            Self::Pem { cert, key } => {
                let text = read_secret(key, Exposed::Warn)?;
                let found = PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
                    rustls_pki_types::pem::Error::NoItemsFound => no_key(key, &text),
                    error => pem_error(key, &error),
                })?;
                let found = Zeroizing::new(found);
                let certified = certified(certificates(cert)?, &found, provider);
                Ok(vec![certified.map_err(|words| unusable(key, words))?])
            }
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Stop> {
    let certs = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| pem_error(path, &error))?;
    if certs.is_empty() {
        return Err(unusable(path, "contains no certificate"));
    }
    Ok(certs)
}

fn no_key(path: &Path, text: &[u8]) -> Stop {
    let has = |word: &str| memchr::memmem::find(text, word.as_bytes()).is_some();
    if has("BEGIN ENCRYPTED PRIVATE KEY") || has("Proc-Type: 4,ENCRYPTED") {
        let remedy = "the key is encrypted (openssl pkey -in FILE -out PLAIN removes that)";
        return unusable(path, remedy);
    }
    unusable(path, "contains no private key")
}

fn pem_error(path: &Path, error: &rustls_pki_types::pem::Error) -> Stop {
    unusable(path, pem_cause(error))
}

/// Describes what is wrong with a PEM file, without its contents, which may be a key.
pub fn pem_cause(error: &rustls_pki_types::pem::Error) -> String {
    use rustls_pki_types::pem::Error;
    match error {
        Error::Io(error) => error.cause(),
        Error::MissingSectionEnd { .. } => "a section without an end".to_owned(),
        Error::IllegalSectionStart { .. } => "an invalid BEGIN line".to_owned(),
        error => error.to_string(),
    }
}

/// Reports an unusable file that the user named, which is treated like a wrong flag.
pub(super) fn unusable(path: &Path, cause: impl std::fmt::Display) -> Stop {
    Stop::Error { status: Status::Usage, text: format!("{}: {cause}", path.display()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_file_is_reported_without_its_contents() {
        for text in [&b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n"[..], b"-----BEGIN c2VjcmV0\n"] {
            let error = PrivateKeyDer::from_pem_slice(text).unwrap_err();
            let cause = pem_cause(&error);
            assert!(cause.len() < 60 && !cause.contains('['), "{cause}");
        }
    }
}
