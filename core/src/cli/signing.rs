// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signatures on the command line: the flags, and the files with the keys.
//!
//! Keys come only from files, never from arguments, which every user of the system can read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::cli::secret::{self, unusable};
use crate::report::{self, Stop};
use crate::wire::{Frame, Header, HmacHash, Keys, Signer, Verdict};

/// Flags of tools that sign.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Signing")]
pub struct SignerArgs {
    /// Sign messages as NAME
    #[arg(long, value_name = "NAME", requires = "hmac_key_file")]
    pub signer: Option<String>,
    /// Version of the signer's key
    #[arg(long, value_name = "NUM", default_value_t = 0, requires = "signer")]
    pub signer_version: u32,
    /// Hash function for signatures
    #[arg(long, value_name = "HASH", default_value = "md5", requires = "signer")]
    pub hmac_hash: Hash,
    /// File containing the key (-: standard input)
    #[arg(long, value_name = "FILE", requires = "signer",
          value_hint = clap::ValueHint::FilePath)]
    pub hmac_key_file: Option<PathBuf>,
}

/// Hash functions of signatures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Hash {
    /// HMAC-MD5.
    #[default]
    Md5,
    /// HMAC-SHA1.
    Sha1,
}

impl SignerArgs {
    /// Reads the key; `None` if no signer is given.
    ///
    /// # Errors
    /// If the key file cannot be read or does not contain exactly one line; status 2.
    pub fn load(&self) -> Result<Option<Signer>, Stop> {
        let (Some(name), Some(path)) = (&self.signer, &self.hmac_key_file) else {
            return Ok(None);
        };
        let key = secret::local_line(path, "key")?;
        let hash = match self.hmac_hash {
            Hash::Md5 => HmacHash::Md5,
            Hash::Sha1 => HmacHash::Sha1,
        };
        Ok(Some(Signer::new(name.as_bytes(), self.signer_version, hash, &key)))
    }
}

/// Flags of tools that verify signatures.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Signatures")]
pub struct KeysArgs {
    /// Verify signatures with the keys in FILE
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub hmac_keys: Option<PathBuf>,
    /// Accept messages regardless of their signature
    #[arg(long, conflicts_with = "require_signer")]
    pub no_verify: bool,
    /// Accept only messages signed by NAME
    #[arg(long, value_name = "NAME", requires = "hmac_keys")]
    pub require_signer: Option<String>,
}

impl KeysArgs {
    /// Reads the keys.
    ///
    /// # Errors
    /// If the file cannot be read or a line is invalid; status 2.
    pub fn load(&self) -> Result<Verifier, Stop> {
        let keys = match &self.hmac_keys {
            Some(path) if !self.no_verify => Some(parse_keys(path, &secret::read(path)?)?),
            _ => None,
        };
        let required = self.require_signer.clone().map(String::into_bytes);
        Ok(Verifier { keys, required })
    }
}

const UNSIGNED: &str = "not signed";

/// Decides whether frames are accepted.
#[derive(Clone, Debug, Default)]
pub struct Verifier {
    keys: Option<Keys>,
    required: Option<Vec<u8>>,
}

impl Verifier {
    /// Whether signatures are verified at all.
    pub fn is_active(&self) -> bool {
        self.keys.is_some()
    }

    /// Verifies something that cannot be signed.
    ///
    /// # Errors
    /// The reason for the rejection, if a signer is required.
    pub fn verify_unsigned(&self) -> Result<(), &'static str> {
        if self.is_active() && self.required.is_some() { Err(UNSIGNED) } else { Ok(()) }
    }

    /// Returns the signer of a verified frame, if it is signed.
    pub fn signer_of<'a>(&self, frame: &Frame<'a>) -> Option<&'a [u8]> {
        let Header { hmac, hmac_signer, .. } = frame.header;
        hmac.filter(|_| self.is_active()).map(|_| hmac_signer.unwrap_or_default())
    }

    /// Verifies a frame's signature. Without keys every frame is accepted; with keys, unsigned ones
    /// still are, unless a signer is required.
    ///
    /// # Errors
    /// The reason for the rejection.
    pub fn verify(&self, frame: &Frame<'_>) -> Result<(), Rejected> {
        let Some(keys) = &self.keys else { return Ok(()) };
        let reason = match (keys.verify(&frame.header, frame.message), &self.required) {
            (Verdict::Wrong, _) => "wrong signature",
            (Verdict::UnknownKey, _) => "no key for its signature",
            (Verdict::Unsigned, Some(_)) => UNSIGNED,
            (Verdict::Signed(name), Some(required)) if name != required.as_slice() => {
                "signed by another signer"
            }
            (Verdict::Unsigned | Verdict::Signed(_), _) => return Ok(()),
        };
        let signer = frame.header.hmac_signer.map(|name| {
            let version = frame.header.hmac_key_version.unwrap_or(0);
            format!("{}_{version}", String::from_utf8_lossy(name))
        });
        Err(Rejected { offset: frame.offset, reason, signer })
    }
}

/// A rejected frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    offset: u64,
    reason: &'static str,
    signer: Option<String>,
}

impl Rejected {
    /// Returns the defect of the signature.
    pub fn reason(&self) -> &'static str {
        self.reason
    }
}

impl std::fmt::Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "offset {}: {}", self.offset, self.reason)?;
        match &self.signer {
            Some(signer) => write!(f, " (signer {signer}), message dropped"),
            None => f.write_str(", message dropped"),
        }
    }
}

/// Parses lines of the form `SIGNER_VERSION KEY`; empty lines and comments (`#`) are skipped. The
/// key is everything after the first blank.
fn parse_keys(path: &Path, text: &[u8]) -> Result<Keys, Stop> {
    let mut keys = Keys::default();
    let mut seen = BTreeMap::new();
    for (number, line) in (1..).zip(text.split(|&byte| byte == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let (signer, key) = parse_key(line).ok_or_else(|| {
            unusable(path, &format!("line {number}: expected SIGNER_VERSION KEY"))
        })?;
        if let Some(first) = seen.insert(signer, number) {
            return Err(unusable(path, &format!("line {number}: same signer as in line {first}")));
        }
        if secret::has_blank_end(key) {
            report::warning(format_args!(
                "{}: line {number}: the key begins or ends with a blank",
                path.display()
            ));
        }
        keys.add(signer, key);
    }
    if keys.is_empty() {
        return Err(unusable(path, "contains no key"));
    }
    Ok(keys)
}

fn parse_key(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let blank = line.iter().position(|&byte| byte == b' ')?;
    let (signer, key) = (line.get(..blank)?, line.get(blank + 1..)?);
    let version = signer.rsplit(|&byte| byte == b'_').next().filter(|v| v.len() < signer.len())?;
    // As in a frame: no sign, no leading zeros.
    let is_number = |text: &str| text.parse::<u32>().is_ok_and(|number| number.to_string() == text);
    let is_number = str::from_utf8(version).is_ok_and(is_number);
    (is_number && !key.is_empty()).then_some((signer, key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Deframer, Header, More, Step, put_frame};

    fn parse(text: &str) -> Result<Keys, String> {
        parse_keys(Path::new("keys"), text.as_bytes()).map_err(|stop| match stop {
            Stop::Error { text, .. } => text,
            other => format!("{other:?}"),
        })
    }

    fn verdict(verifier: &Verifier, signer: Option<&Signer>) -> Result<(), String> {
        let message = [0x10, 5];
        let mut bytes = Vec::new();
        let digest = signer.map(|signer| signer.sign(&message));
        let header = match (signer, &digest) {
            (Some(signer), Some(digest)) => signer.stamp(Header::default(), digest),
            _ => Header::default(),
        };
        put_frame(&mut bytes, header, &message).unwrap();
        match Deframer::new(100).next(&bytes, More::Ended) {
            Step::Frame(_, frame) => {
                verifier.verify(&frame).map_err(|rejected| rejected.to_string())
            }
            other => panic!("{other:?}"),
        }
    }

    fn signer(name: &str, key: &str) -> Signer {
        Signer::new(name.as_bytes(), 1, HmacHash::Sha1, key.as_bytes())
    }

    #[test]
    fn keys_may_hold_blanks_and_lines_are_counted() {
        assert!(parse("# comment\n\nops_1 correct horse\r\nops_2 x\n").is_ok());
        assert_eq!(
            parse("ops_1 x\nops y").unwrap_err(),
            "keys: line 2: expected SIGNER_VERSION KEY"
        );
        assert_eq!(
            parse("ops_1 x\nops_1 y").unwrap_err(),
            "keys: line 2: same signer as in line 1"
        );
        assert_eq!(parse("\n").unwrap_err(), "keys: contains no key");
        assert!(parse("ops_1 ").is_err());
        assert!(parse("ops_x k").is_err());
        // Versions that no frame can have.
        for version in ["+1", "01", "-1", "4294967296", ""] {
            assert!(parse(&format!("ops_{version} k")).is_err(), "{version}");
        }
    }

    #[test]
    fn unsigned_messages_pass_unless_a_signer_is_required() {
        let keys = parse("ops_1 key\nweb_1 key2").unwrap();
        let mut verifier = Verifier { keys: Some(keys), required: None };
        assert_eq!(verdict(&verifier, None), Ok(()));
        assert_eq!(verdict(&verifier, Some(&signer("ops", "key"))), Ok(()));
        assert_eq!(
            verdict(&verifier, Some(&signer("ops", "other"))).unwrap_err(),
            "offset 0: wrong signature (signer ops_1), message dropped"
        );
        assert_eq!(
            verdict(&verifier, Some(&signer("nobody", "key"))).unwrap_err(),
            "offset 0: no key for its signature (signer nobody_1), message dropped"
        );
        verifier.required = Some(b"ops".to_vec());
        assert_eq!(verdict(&verifier, Some(&signer("ops", "key"))), Ok(()));
        assert_eq!(verdict(&verifier, None).unwrap_err(), "offset 0: not signed, message dropped");
        assert!(verdict(&verifier, Some(&signer("web", "key2"))).is_err());
    }

    #[test]
    fn without_keys_everything_passes() {
        assert_eq!(verdict(&Verifier::default(), Some(&signer("ops", "key"))), Ok(()));
    }
}
