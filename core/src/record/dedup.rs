// SPDX-License-Identifier: MIT OR Apache-2.0
//! Recognises repetitions: remembers the last N identities and tells whether another one is among
//! them.

use std::collections::{HashMap, HashSet, VecDeque};

/// The number of the signer, 0 if unknown, and the identity.
type Known = (u32, [u8; 16]);

/// The most recent identities (e.g. UUIDs).
#[derive(Clone, Debug)]
pub struct Recent {
    limit: usize,
    known: HashSet<Known>,
    order: VecDeque<Known>,
    /// Numbers of the signers.
    signers: HashMap<Vec<u8>, u32>,
}

impl Recent {
    /// Remembers the last `limit` identities; memory grows only with the number actually seen.
    pub fn new(limit: usize) -> Self {
        Self { limit, known: HashSet::new(), order: VecDeque::new(), signers: HashMap::new() }
    }

    /// Records `identity`, of a message by `signer` if its signature was verified; returns `false`
    /// if it is among the recent ones of this signer. An identity that is not 16 bytes long is
    /// always new.
    pub fn is_new(&mut self, signer: Option<&[u8]>, identity: Option<&[u8]>) -> bool {
        let Some(Ok(identity)) = identity.map(<[u8; 16]>::try_from) else { return true };
        let known = (signer.map_or(0, |signer| self.number_of(signer)), identity);
        if !self.known.insert(known) {
            return false;
        }
        self.order.push_back(known);
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    /// The number of signers is bounded by the number of keys.
    fn number_of(&mut self, signer: &[u8]) -> u32 {
        if let Some(number) = self.signers.get(signer) {
            return *number;
        }
        let number = u32::try_from(self.signers.len() + 1).unwrap_or(u32::MAX);
        self.signers.insert(signer.to_vec(), number);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_are_remembered() {
        let mut recent = Recent::new(2);
        let mut is_new = |byte: u8| recent.is_new(None, Some(&[byte; 16]));
        assert!(is_new(1));
        assert!(is_new(2));
        assert!(!is_new(1));
        assert!(is_new(3));
        assert!(is_new(1));
        assert!(!is_new(3));
    }

    #[test]
    fn no_identity_is_no_repetition() {
        let mut recent = Recent::new(2);
        assert!(recent.is_new(None, None) && recent.is_new(None, None));
        let mut is_new = || recent.is_new(None, Some(b"short"));
        assert!(is_new() && is_new());
    }

    #[test]
    fn each_signer_has_identities_of_his_own() {
        let mut recent = Recent::new(9);
        let mut is_new = |signer: Option<&'static [u8]>| recent.is_new(signer, Some(&[7; 16]));
        assert!(is_new(None) && is_new(Some(b"ops")) && is_new(Some(b"web")));
        assert!(!is_new(None) && !is_new(Some(b"ops")) && !is_new(Some(b"web")));
    }
}
