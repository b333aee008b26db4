// SPDX-License-Identifier: MIT OR Apache-2.0
//! Recognises what was sent twice: the last N identities, and whether a new one is among them.

use std::collections::{HashSet, VecDeque};

/// Remembers the last identities (Uuids, say).
#[derive(Clone, Debug)]
pub struct Recent {
    limit: usize,
    known: HashSet<[u8; 16]>,
    order: VecDeque<[u8; 16]>,
}

impl Recent {
    /// Remembers the last `limit` of them; memory grows with what is really seen.
    pub fn new(limit: usize) -> Self {
        Self { limit, known: HashSet::new(), order: VecDeque::new() }
    }

    /// Takes note of `identity`; `false` if it is among the last. What is not 16 bytes long
    /// identifies nothing and is always new.
    pub fn is_new(&mut self, identity: Option<&[u8]>) -> bool {
        let Some(Ok(identity)) = identity.map(<[u8; 16]>::try_from) else { return true };
        if !self.known.insert(identity) {
            return false;
        }
        self.order.push_back(identity);
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_are_remembered() {
        let mut recent = Recent::new(2);
        let mut is_new = |byte: u8| recent.is_new(Some(&[byte; 16]));
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
        assert!(recent.is_new(None) && recent.is_new(None));
        assert!(recent.is_new(Some(b"short")) && recent.is_new(Some(b"short")));
    }
}
