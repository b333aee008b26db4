// SPDX-License-Identifier: MIT OR Apache-2.0
//! The binary key stores of Java: JKS and PKCS#12.

use heka_core::net::tls::KeyPair;
use p12_keystore::{KeyStore, KeyStoreEntry, Pkcs12Archive, Pkcs12ImportPolicy};
use rustls_pki_types::PrivateKeyDer;
use sha1::{Digest as _, Sha1};
use zeroize::Zeroizing;

use super::{Contents, jks_lengths};

fn wrong_password(password: &str) -> String {
    match password {
        "" => "has a password (--keystore-pass-file), or is damaged".to_owned(),
        _ => "the password is wrong, or the file is damaged".to_owned(),
    }
}

pub(super) fn open_pkcs12(bytes: &[u8], password: &str) -> Result<Contents, String> {
    let explain = |error| match error {
        p12_keystore::error::Error::MacError(_)
        | p12_keystore::error::Error::UnpadError
        | p12_keystore::error::Error::Pkcs5Error(_) => wrong_password(password),
        other => format!("PKCS#12: {other}"),
    };
    let archive = Pkcs12Archive::from_pkcs12(bytes, password).map_err(explain)?;
    let store =
        KeyStore::from_pkcs12(bytes, password, Pkcs12ImportPolicy::Relaxed).map_err(explain)?;
    let mut own = Vec::new();
    for (alias, entry) in store.entries() {
        if let KeyStoreEntry::PrivateKeyChain(entry) = entry
            && !entry.certs().is_empty()
        {
            let chain = entry.certs().iter().map(|cert| cert.as_der().to_vec().into()).collect();
            let key = key_of(entry.key().as_der().to_vec())?;
            own.push((alias.clone(), KeyPair { chain, key }));
        }
    }
    // keytool marks trusted certificates; a store without keys can have no other purpose.
    let all_trusted = archive.keys.is_empty();
    let trusted = archive.certs.iter().filter(|bag| bag.trusted || all_trusted);
    let trusted = trusted.map(|bag| bag.cert.as_der().to_vec().into()).collect();
    Ok(Contents { trusted, own })
}

pub(super) fn open_jks(bytes: &[u8], password: &str) -> Result<Contents, String> {
    // Only an intact file is passed to the reader, which trusts every length in it.
    if !is_jks_whole(bytes, password) {
        return Err(wrong_password(password));
    }
    if !jks_lengths::fit(bytes) {
        return Err("JKS: a length in it is wrong".to_owned());
    }
    let mut store = jks::KeyStore::new();
    store.load(bytes, password.as_bytes()).map_err(|error| format!("JKS: {error}"))?;
    let mut aliases = store.aliases();
    aliases.sort();
    let mut found = Contents::default();
    for alias in aliases {
        if store.is_trusted_certificate_entry(&alias) {
            let entry = store.get_trusted_certificate_entry(&alias).map_err(|e| e.to_string())?;
            found.trusted.push(entry.certificate.content.into());
        } else if store.is_private_key_entry(&alias) {
            let entry =
                store.get_private_key_entry(&alias, password.as_bytes()).map_err(|error| {
                    format!("key {alias} (its password must be the store's): {error}")
                })?;
            let chain = entry.certificate_chain.into_iter().map(|cert| cert.content.into());
            let (chain, key) = (chain.collect(), key_of(entry.private_key)?);
            found.own.push((alias, KeyPair { chain, key }));
        }
    }
    Ok(found)
}

/// Whether the digest at the end matches: SHA-1 of the password in UTF-16, a phrase, and the rest.
fn is_jks_whole(bytes: &[u8], password: &str) -> bool {
    let Some((rest, digest)) = bytes.split_last_chunk::<20>() else {
        return false;
    };
    let mut sha1 = Sha1::new();
    for unit in password.encode_utf16() {
        sha1.update(unit.to_be_bytes());
    }
    sha1.update(b"Mighty Aphrodite");
    sha1.update(rest);
    sha1.finalize()[..] == digest[..]
}

fn key_of(der: Vec<u8>) -> Result<Zeroizing<PrivateKeyDer<'static>>, String> {
    let key = PrivateKeyDer::try_from(der).map_err(|error| format!("its key: {error}"))?;
    Ok(Zeroizing::new(key))
}
