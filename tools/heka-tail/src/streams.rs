// SPDX-License-Identifier: MIT OR Apache-2.0
//! The streams that are followed, by number, and which of them have to do with a file.

use std::collections::{BTreeSet, HashSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::follow::{Identity, Options, Relation, Stream};

/// How many files of a stream are known to be its own.
const OWN: usize = 64;

/// A stream that is followed.
#[derive(Debug)]
pub(crate) struct Followed {
    pub(crate) key: Rc<str>,
    pub(crate) stream: Stream,
    /// Whether a look at everything finds it when its directory comes back.
    pub(crate) is_met: bool,
    /// Whether all that there was has been read.
    pub(crate) is_idle: bool,
    /// Since when it has no file.
    pub(crate) gone: Option<Instant>,
    own: Own,
    /// When it was looked at last, counted in looks; 0 if nothing of it is open.
    turn: u64,
}

/// Inodes of a stream's own files, those known longest first. Most streams have one.
#[derive(Debug)]
enum Own {
    None,
    One(u64),
    Several(Vec<u64>),
}

impl Own {
    fn inodes(&self) -> &[u64] {
        match self {
            Self::None => &[],
            Self::One(inode) => std::slice::from_ref(inode),
            Self::Several(inodes) => inodes,
        }
    }

    /// Adds one, and takes out the one that is one too many.
    fn add(&mut self, inode: u64) -> Option<u64> {
        let mut inodes = match std::mem::replace(self, Self::None) {
            Self::None => {
                *self = Self::One(inode);
                return None;
            }
            Self::One(first) => vec![first],
            Self::Several(inodes) => inodes,
        };
        inodes.push(inode);
        let oldest = (inodes.len() > OWN).then(|| inodes.remove(0));
        *self = Self::Several(inodes);
        oldest
    }
}

/// All streams. A number that is free is used again.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    slots: Vec<Option<Box<Followed>>>,
    free: Vec<usize>,
    /// Inodes of their files, and numbers.
    owners: BTreeSet<(u64, usize)>,
    turns: u64,
    /// Streams that have no file.
    gone: BTreeSet<usize>,
    /// Streams with open files, the one looked at longest ago first.
    open: BTreeSet<(u64, usize)>,
}

impl Streams {
    /// Takes a stream in; its number.
    pub(crate) fn add(&mut self, key: Rc<str>, stream: Box<Stream>, is_met: bool) -> usize {
        let (own, stream) = (Own::None, *stream);
        let followed = Followed { key, stream, is_met, is_idle: false, gone: None, own, turn: 0 };
        let number = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        if let Some(slot) = self.slots.get_mut(number) {
            *slot = Some(Box::new(followed));
        }
        number
    }

    /// Takes a stream out.
    pub(crate) fn remove(&mut self, number: usize) -> Option<Box<Followed>> {
        let followed = self.slots.get_mut(number)?.take()?;
        self.open.remove(&(followed.turn, number));
        self.gone.remove(&number);
        for &inode in followed.own.inodes() {
            self.owners.remove(&(inode, number));
        }
        self.free.push(number);
        Some(followed)
    }

    pub(crate) fn get(&self, number: usize) -> Option<&Followed> {
        self.slots.get(number)?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, number: usize) -> Option<&mut Followed> {
        self.slots.get_mut(number)?.as_deref_mut()
    }

    /// All numbers that are taken.
    pub(crate) fn numbers(&self) -> Vec<usize> {
        self.iter().map(|(number, _)| number).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Followed)> {
        let slots = self.slots.iter().enumerate();
        slots.filter_map(|(number, slot)| Some((number, slot.as_deref()?)))
    }

    /// Whether a file is left that is worth waiting for.
    pub(crate) fn are_any_open(&self, options: &Options) -> bool {
        self.iter().any(|(_, one)| one.stream.is_open(options))
    }

    /// A stream was looked at: it may read other files than before.
    pub(crate) fn looked_at(&mut self, number: usize) {
        self.turns += 1;
        let Some(followed) = self.slots.get_mut(number).and_then(Option::as_deref_mut) else {
            return;
        };
        if followed.is_met && followed.stream.is_gone() {
            followed.gone.get_or_insert_with(Instant::now);
            self.gone.insert(number);
        } else if followed.gone.take().is_some() {
            self.gone.remove(&number);
        }
        self.open.remove(&(followed.turn, number));
        let mut new = Vec::new();
        followed.turn = 0;
        for identity in followed.stream.identities() {
            followed.turn = self.turns;
            if !followed.own.inodes().contains(&identity.inode) {
                new.push(identity.inode);
            }
        }
        if followed.turn > 0 {
            self.open.insert((followed.turn, number));
        }
        for inode in new {
            self.own(inode, number);
        }
    }

    fn own(&mut self, inode: u64, number: usize) {
        self.owners.insert((inode, number));
        let oldest = self.get_mut(number).and_then(|followed| followed.own.add(inode));
        if let Some(oldest) = oldest {
            self.owners.remove(&(oldest, number));
        }
    }

    /// What the streams have to do with a file.
    pub(crate) fn relation(&self, identity: Identity) -> Relation {
        let inode = identity.inode;
        let owners = self.owners.range((inode, 0)..=(inode, usize::MAX));
        let all = owners.filter_map(|&(_, owner)| Some(self.get(owner)?.stream.relation(identity)));
        let mut relation = Relation::None;
        for one in all {
            if one == Relation::Reads || relation == Relation::None {
                relation = one;
            }
        }
        relation
    }

    /// Streams that nobody has named whose file is deleted and read, or which have had no
    /// file for that time.
    pub(crate) fn over(&self, after: Option<Duration>) -> HashSet<usize> {
        let now = Instant::now();
        let is_over = |number: &usize| {
            self.get(*number).is_none_or(|followed| {
                followed.stream.is_over()
                    || followed.gone.zip(after).is_some_and(|(gone, after)| gone + after <= now)
            })
        };
        self.gone.iter().copied().filter(is_over).collect()
    }

    /// A stream whose files can be closed because more than `limit` are open: of those at rest the
    /// one that was looked at longest ago.
    pub(crate) fn closable(&self, limit: usize) -> Option<usize> {
        if self.open.len() <= limit {
            return None;
        }
        let mut oldest = self.open.iter().take(1000).map(|(_, number)| *number);
        oldest.find(|&number| {
            self.get(number).is_some_and(|followed| followed.is_idle && followed.stream.can_rest())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_stream_is_small() {
        // With its names, its place in tables and what malloc adds, that is 1 KiB.
        assert!(size_of::<Followed>() <= 488, "{}", size_of::<Followed>());
    }

    #[test]
    fn the_files_known_longest_are_forgotten() {
        let mut own = Own::None;
        let forgotten: Vec<u64> = (0..OWN as u64 + 2).filter_map(|inode| own.add(inode)).collect();
        assert_eq!(forgotten, [0, 1]);
        assert_eq!(own.inodes().len(), OWN);
    }
}
