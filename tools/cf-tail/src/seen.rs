// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which envelopes have been written, so that two ways to the same ones can be joined without gap
//! or overlap.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::envelope::{Content, Envelope};

/// What tells envelopes apart: time, source, instance, kind and content. The servers number
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(i64, u64);

impl Key {
    /// Of an envelope. It is the same for all generations of servers.
    pub(crate) fn of(envelope: &Envelope) -> Self {
        let mut hasher = DefaultHasher::new();
        envelope.source().hash(&mut hasher);
        envelope.instance.hash(&mut hasher);
        envelope.kind().name().hash(&mut hasher);
        match &envelope.content {
            Content::Log { payload, stream } => (payload, stream.to_string()).hash(&mut hasher),
            Content::Other(_, members) => {
                for member in members {
                    (&member.name, format!("{:?}", member.value)).hash(&mut hasher);
                }
            }
        }
        Self(envelope.timestamp, hasher.finish())
    }
}

/// How often each envelope was seen, for a stretch of time.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    counts: HashMap<Key, u32>,
}

impl Seen {
    /// Counts one.
    pub(crate) fn add(&mut self, key: Key) {
        *self.counts.entry(key).or_default() += 1;
    }

    /// Takes one off: whether it was there.
    pub(crate) fn take(&mut self, key: Key) -> bool {
        match self.counts.get_mut(&key) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) => drop(self.counts.remove(&key)),
            None => return false,
        }
        true
    }

    /// How often it was seen.
    pub(crate) fn count(&self, key: Key) -> u32 {
        self.counts.get(&key).copied().unwrap_or(0)
    }

    /// Forgets all that is older than `timestamp`.
    pub(crate) fn forget_before(&mut self, timestamp: i64) {
        self.counts.retain(|key, _| key.0 >= timestamp);
    }

    /// How many different ones are kept.
    pub(crate) fn len(&self) -> usize {
        self.counts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_envelopes_are_counted_one_by_one() {
        let one = Key::of(&Envelope::default());
        let other = Key::of(&Envelope { timestamp: 1, ..Envelope::default() });
        let mut seen = Seen::default();
        seen.add(one);
        seen.add(one);
        seen.add(other);
        assert!(seen.take(one) && seen.take(one) && !seen.take(one));
        seen.forget_before(2);
        assert_eq!((seen.len(), seen.count(other)), (0, 0));
    }
}
