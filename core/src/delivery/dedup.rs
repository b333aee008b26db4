// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which messages have come before: by Uuid, among the last so many.

use std::collections::{HashSet, VecDeque};

/// The last Uuids that came by.
#[derive(Debug)]
pub struct Seen {
    known: HashSet<[u8; 16]>,
    order: VecDeque<[u8; 16]>,
    most: usize,
}

impl Seen {
    /// Remembers `most` of them; each takes about 50 bytes.
    pub fn new(most: usize) -> Self {
        Self { known: HashSet::new(), order: VecDeque::new(), most: most.max(1) }
    }

    /// Notes a Uuid; `false` if it has come before. Anything but 16 bytes is no Uuid and always
    /// new.
    pub fn is_new(&mut self, uuid: Option<&[u8]>) -> bool {
        let Some(uuid) = uuid.and_then(|uuid| <[u8; 16]>::try_from(uuid).ok()) else {
            return true;
        };
        if !self.known.insert(uuid) {
            return false;
        }
        if self.order.len() == self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(uuid);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_ones_are_remembered() {
        let mut seen = Seen::new(2);
        assert!(seen.is_new(Some(&[1; 16])));
        assert!(!seen.is_new(Some(&[1; 16])));
        assert!(seen.is_new(Some(&[2; 16])) && seen.is_new(Some(&[3; 16])));
        assert!(seen.is_new(Some(&[1; 16])));
        assert!(seen.is_new(None) && seen.is_new(Some(b"short")) && seen.is_new(Some(b"short")));
    }
}
