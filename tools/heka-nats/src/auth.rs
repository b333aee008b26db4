// SPDX-License-Identifier: MIT OR Apache-2.0
//! Authentication of a client: user and password, an nkey, or a token with a key (`.creds`).
//!
//! An nkey is an Ed25519 key in base 32, preceded by two bytes for its type and followed by a
//! checksum.

use std::path::Path;

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use heka_core::cli::secret;
use heka_core::report::{self, Status, Stop};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// First byte of a user's public key, and the type of the key in a seed.
const USER: u8 = 20 << 3;
const SEED: u8 = 18 << 3;

/// Credentials for a server.
#[derive(Debug)]
pub(crate) enum Credentials {
    None,
    Password { user: String, password: Zeroizing<String> },
    Key { key: Ed25519KeyPair, token: Option<Zeroizing<String>> },
}

impl Credentials {
    /// Creates credentials from a user and a password file.
    pub(crate) fn password(user: &str, path: &Path) -> Result<Self, Stop> {
        let password = secret::text(path, secret::line(path, "password")?)?;
        Ok(Self::Password { user: user.to_owned(), password })
    }

    /// Creates credentials from a file whose only line is the seed of a key.
    pub(crate) fn nkey(path: &Path) -> Result<Self, Stop> {
        let seed = secret::text(path, secret::local_line(path, "key")?)?;
        let key = key(&seed).ok_or_else(|| unusable(path, "not the seed of a user's nkey"))?;
        Ok(Self::Key { key, token: None })
    }

    /// Creates credentials from a file with a token and its key, as `nsc` writes it.
    pub(crate) fn creds(path: &Path) -> Result<Self, Stop> {
        let text = secret::text(path, secret::read(path)?)?;
        let token = section(&text, "NATS USER JWT");
        let key = section(&text, "USER NKEY SEED").and_then(key);
        let (Some(token), Some(key)) = (token, key) else {
            return Err(unusable(path, "not a credentials file: token and key expected"));
        };
        report::conceal(token);
        Ok(Self::Key { key, token: Some(Zeroizing::new(token.to_owned())) })
    }

    /// Adds the credentials to a client's CONNECT; `nonce` is the server's challenge to sign.
    pub(crate) fn put(&self, connect: &mut Map<String, Value>, nonce: &str) {
        match self {
            Self::None => {}
            Self::Password { user, password } => {
                connect.insert("user".to_owned(), user.as_str().into());
                connect.insert("pass".to_owned(), password.as_str().into());
            }
            Self::Key { key, token } => {
                let signature = key.sign(nonce.as_bytes());
                let signature = BASE64URL_NOPAD.encode(signature.as_ref());
                connect.insert("sig".to_owned(), signature.into());
                match token {
                    Some(token) => connect.insert("jwt".to_owned(), token.as_str().into()),
                    None => connect.insert("nkey".to_owned(), public(key).into()),
                };
            }
        }
    }
}

fn unusable(path: &Path, cause: &str) -> Stop {
    Stop::Error { status: Status::Usage, text: format!("{}: {cause}", path.display()) }
}

/// Returns the text between `-----BEGIN NAME-----` and the next line of dashes.
fn section<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("BEGIN {name}"))?;
    let (_, rest) = rest.split_once('\n')?;
    rest.split("---").next().map(str::trim)
}

fn key(seed: &str) -> Option<Ed25519KeyPair> {
    let bytes = Zeroizing::new(BASE32_NOPAD.decode(seed.trim().as_bytes()).ok()?);
    let (content, sum) = bytes.split_last_chunk::<2>()?;
    let [first, second, raw @ ..] = content else { return None };
    let kind = first << 5 | second >> 3;
    let is_seed = first & 0xf8 == SEED && kind == USER;
    if !is_seed || crc16(content) != u16::from_le_bytes(*sum) {
        return None;
    }
    Ed25519KeyPair::from_seed_unchecked(raw).ok()
}

fn public(key: &Ed25519KeyPair) -> String {
    let content = [&[USER], key.public_key().as_ref()].concat();
    let sum = crc16(&content).to_le_bytes();
    BASE32_NOPAD.encode(&[content.as_slice(), &sum].concat())
}

/// Computes a CRC-16 as in XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte) << 8, |sum, _| {
            if sum & 0x8000 == 0 { sum << 1 } else { sum << 1 ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: (&str, &str) = (
        "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY",
        "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4",
    );

    #[test]
    fn a_seed_has_its_public_key() {
        assert_eq!(public(&key(PAIR.0).unwrap()), PAIR.1);
        assert!(key(PAIR.1).is_none());
        assert!(key(&PAIR.0.replace('7', "6")).is_none());
        assert!(key("").is_none());
    }

    #[test]
    fn a_credentials_file_has_a_token_and_a_key() {
        let text = format!(
            "-----BEGIN NATS USER JWT-----\neyJ0.x.y\n------END NATS USER JWT------\n\n*** \
             IMPORTANT ***\n-----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            PAIR.0
        );
        assert_eq!(section(&text, "NATS USER JWT"), Some("eyJ0.x.y"));
        assert_eq!(section(&text, "USER NKEY SEED"), Some(PAIR.0));
        let mut connect = Map::new();
        let token = Some(Zeroizing::new("eyJ0.x.y".to_owned()));
        Credentials::Key { key: key(PAIR.0).unwrap(), token }.put(&mut connect, "nonce");
        assert_eq!(connect["jwt"], "eyJ0.x.y");
        assert_eq!(connect["sig"].as_str().unwrap().len(), 86);
    }
}
