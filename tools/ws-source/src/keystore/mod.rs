// SPDX-License-Identifier: MIT OR Apache-2.0
//! Key stores: Java's JKS, PKCS#12, PEM. The type is determined by the contents, not by the name:
//! Java itself writes PKCS#12 into files called `.jks`.
//!
//! As in Java, a store may contain both trusted certificates and client certificates.

#[cfg(feature = "java-key-stores")]
mod java;
#[cfg(not(feature = "java-key-stores"))]
#[path = "absent.rs"]
mod java;
#[cfg(feature = "java-key-stores")]
mod jks_lengths;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use heka_core::cli::secret::{self, unusable};
use heka_core::net::tls::{ClientSettings, Identity, KeyPair, Roots, pem_cause};
use heka_core::os::{Exposed, read_secret};
use heka_core::report::Stop;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

/// Flags of key stores.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "TLS options")]
pub(crate) struct KeystoreArgs {
    /// Key store with trusted and client certificates
    #[arg(long, value_name = "FILE", conflicts_with = "cert", value_hint = clap::ValueHint::FilePath)]
    keystore: Option<PathBuf>,
    /// File containing the key store's password
    #[arg(long, value_name = "FILE", requires = "keystore", value_hint = clap::ValueHint::FilePath)]
    keystore_pass_file: Option<PathBuf>,
    /// Key store type
    #[arg(
        long,
        value_name = "TYPE",
        default_value = "auto",
        requires = "keystore",
        ignore_case = true
    )]
    keystore_type: Type,
    /// Client certificate of the key store to present
    #[arg(long, value_name = "ALIAS", requires = "keystore")]
    keystore_alias: Option<String>,
}

/// Types of key stores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Type {
    /// Recognised by the content
    #[default]
    Auto,
    /// Java's old format; PKCS#12 is accepted too, as in Java
    Jks,
    /// RFC 7292
    Pkcs12,
    /// Certificates, optionally with a key, as text
    Pem,
    /// Another one of Java's, which is not read
    #[value(hide = true)]
    Jceks,
}

/// The contents of a key store.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// Certificates to trust.
    trusted: Vec<CertificateDer<'static>>,
    /// Client certificates, by alias.
    own: Vec<(String, KeyPair)>,
}

impl KeystoreArgs {
    /// Adds the contents of the key store to the settings.
    pub(crate) fn plan(&self, settings: ClientSettings) -> Result<ClientSettings, Stop> {
        let Some(path) = &self.keystore else {
            return Ok(settings);
        };
        let password = match &self.keystore_pass_file {
            Some(file) => secret::text(file, secret::local_line(file, "password")?)?,
            None => Zeroizing::new(String::new()),
        };
        let bytes = read_secret(path, Exposed::Ignore)?;
        let mut found = self.open(&bytes, &password).map_err(|words| unusable(path, &words))?;
        if let Some(alias) = &self.keystore_alias {
            found.choose(alias).map_err(|words| unusable(path, &words))?;
        }
        Ok(found.into_settings(settings))
    }

    pub(crate) fn open(&self, bytes: &[u8], password: &str) -> Result<Contents, String> {
        if self.keystore_type == Type::Jceks {
            return Err(JCEKS.to_owned());
        }
        let found = sniff(bytes)?;
        let passes = match self.keystore_type {
            Type::Auto => true,
            Type::Jks => found != Type::Pem,
            wanted => wanted == found,
        };
        if !passes {
            return Err(format!("is a key store of another type ({})", found.name()));
        }
        match found {
            Type::Jks => java::open_jks(bytes, password),
            Type::Pem => open_pem(bytes),
            _ => java::open_pkcs12(bytes, password),
        }
    }
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Jks => "JKS",
            Self::Pkcs12 => "PKCS#12",
            Self::Pem => "PEM",
            Self::Jceks => "JCEKS",
        }
    }
}

impl Contents {
    /// Applies the contents: a store with trusted certificates replaces the trusted roots; one with
    /// only a key adds its own certificates to them.
    fn into_settings(self, settings: ClientSettings) -> ClientSettings {
        let own = self.own.iter().flat_map(|(_, pair)| pair.chain.iter().cloned());
        let given = Roots::Given(self.trusted.iter().cloned().chain(own).collect());
        let roots = match settings.roots {
            Roots::System if !self.trusted.is_empty() => given,
            before => Roots::Union(vec![before, given]),
        };
        let own: Vec<KeyPair> = self.own.into_iter().map(|(_, pair)| pair).collect();
        let identity = if own.is_empty() { settings.identity } else { Some(Identity::Given(own)) };
        ClientSettings { roots, identity, ..settings }
    }

    /// Keeps only one client certificate. Aliases are case-insensitive in Java.
    fn choose(&mut self, alias: &str) -> Result<(), String> {
        let names: Vec<_> = self.own.iter().map(|(name, _)| name.clone()).collect();
        self.own.retain(|(name, _)| name.eq_ignore_ascii_case(alias));
        match (self.own.as_slice(), names.as_slice()) {
            ([], []) => Err("contains no private key (--keystore-alias)".to_owned()),
            ([], names) => Err(format!("no key '{alias}', only {}", names.join(", "))),
            _ => Ok(()),
        }
    }
}

const JCEKS: &str = "JCEKS key stores are not supported; convert it with \
                     keytool -importkeystore -deststoretype PKCS12";

/// Determines the type by the first bytes.
fn sniff(bytes: &[u8]) -> Result<Type, String> {
    const PEM: &[u8] = b"-----BEGIN ";
    match bytes {
        [0xfe, 0xed, 0xfe, 0xed, ..] => Ok(Type::Jks),
        [0xce, 0xce, 0xce, 0xce, ..] => Err(JCEKS.to_owned()),
        [0x30, 0x80..=0x84, ..] => Ok(Type::Pkcs12),
        _ if bytes.windows(PEM.len()).any(|window| window == PEM) => Ok(Type::Pem),
        _ => Err("not a key store (JKS, PKCS#12 or PEM)".to_owned()),
    }
}

fn open_pem(bytes: &[u8]) -> Result<Contents, String> {
    const ENCRYPTED: &[u8] = b"ENCRYPTED";
    let certs = CertificateDer::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>();
    let certs = certs.map_err(|error| format!("PEM: {}", pem_cause(&error)))?;
    if certs.is_empty() {
        return Err("contains no certificate".to_owned());
    }
    match PrivateKeyDer::from_pem_slice(bytes) {
        Ok(key) => {
            let pair = KeyPair { chain: certs, key: Zeroizing::new(key) };
            let own = vec![(String::new(), pair)];
            Ok(Contents { trusted: Vec::new(), own })
        }
        Err(_) if bytes.windows(ENCRYPTED.len()).any(|window| window == ENCRYPTED) => {
            Err("its key is encrypted; make a PKCS#12 store \
             (openssl pkcs12 -export), whose password is taken"
                .to_owned())
        }
        Err(_) => Ok(Contents { trusted: certs, own: Vec::new() }),
    }
}
