// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checks the lengths in a JKS key store before the reader sees them: it allocates memory for each
//! of them unchecked, and the digest at the end only proves that the file is unchanged since its
//! writer created it.
//!
//! A store is magic, version and a count (4 bytes each, big-endian), that many entries, and a SHA-1
//! digest. An entry is a tag (1: key, 2: certificate), an alias, a date, and the contents; names
//! have lengths of two bytes, keys and certificates of four.

/// Size of the digest at the end.
const DIGEST: usize = 20;

/// Whether every length and count in the store fits the data that follows.
pub(crate) fn fit(store: &[u8]) -> bool {
    let entries = store.len().checked_sub(DIGEST).and_then(|end| store.get(..end));
    entries.and_then(walk).is_some()
}

fn walk(bytes: &[u8]) -> Option<()> {
    let mut rest = Rest(bytes);
    let (_magic, version, count) = (rest.number(4)?, rest.number(4)?, rest.number(4)?);
    for _ in 0..count {
        let tag = rest.number(4)?;
        rest.skip_name()?;
        rest.skip(8)?;
        match tag {
            1 => {
                rest.skip_block()?;
                for _ in 0..rest.number(4)? {
                    rest.skip_certificate(version)?;
                }
            }
            2 => rest.skip_certificate(version)?,
            _ => return None,
        }
    }
    Some(())
}

/// The unread rest.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn number(&mut self, size: usize) -> Option<usize> {
        let (number, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        Some(number.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    }

    fn skip(&mut self, len: usize) -> Option<()> {
        self.0 = self.0.get(len..)?;
        Some(())
    }

    fn skip_name(&mut self) -> Option<()> {
        let len = self.number(2)?;
        self.skip(len)
    }

    fn skip_block(&mut self) -> Option<()> {
        let len = self.number(4)?;
        self.skip(len)
    }

    fn skip_certificate(&mut self, version: usize) -> Option<()> {
        if version == 2 {
            self.skip_name()?;
        }
        self.skip_block()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates a store with one certificate of `len` bytes and the declared length `said`.
    fn store(len: usize, said: u32) -> Vec<u8> {
        let mut store = vec![0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 1];
        store.extend([0, 0, 0, 2, 0, 1, b'a', 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]);
        store.extend(b"X.509");
        store.extend(said.to_be_bytes());
        store.resize(store.len() + len + DIGEST, 0);
        store
    }

    #[test]
    fn lengths_that_do_not_fit_are_found() {
        assert!(fit(&store(100, 100)));
        assert!(!fit(&store(100, 121)));
        assert!(!fit(&store(100, u32::MAX)));
        assert!(!fit(&store(0, 0)[..30]));
        assert!(!fit(b""));
    }
}
