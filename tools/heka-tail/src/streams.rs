// SPDX-License-Identifier: MIT OR Apache-2.0
//! The followed streams by number, and their relation to files.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::follow::{Identity, Options, Relation, Stream};
use crate::timers::Timers;

/// Maximum number of files remembered per stream.
const OWN: usize = 64;
/// Number of steps between searches for resting streams.
const PAUSE: u64 = 32;

/// A followed stream.
#[derive(Debug)]
pub(crate) struct Followed {
    pub(crate) stream: Box<Stream>,
    /// Whether it was discovered, so that a full scan finds it when its directory reappears.
    pub(crate) is_met: bool,
    /// Whether everything has been read.
    pub(crate) is_idle: bool,
    own: Own,
    /// Step in which it was last processed; 0 if none of its files is open.
    turn: u64,
}

impl Followed {
    /// Whether its files can be closed for now without loss.
    fn is_resting(&self) -> bool {
        self.turn > 0 && self.is_idle && self.stream.can_rest()
    }
}

/// Inodes of a stream's own files, oldest first. Most streams have one.
#[derive(Debug)]
enum Own {
    None,
    One(u64),
    Several(Box<Inodes>),
}

#[derive(Debug)]
struct Inodes(Vec<u64>);

impl Own {
    fn inodes(&self) -> &[u64] {
        match self {
            Self::None => &[],
            Self::One(inode) => std::slice::from_ref(inode),
            Self::Several(inodes) => &inodes.0,
        }
    }

    /// Adds an inode, and returns the one that it displaces.
    fn add(&mut self, inode: u64) -> Option<u64> {
        let mut inodes = match std::mem::replace(self, Self::None) {
            Self::None => {
                *self = Self::One(inode);
                return None;
            }
            Self::One(first) => Box::new(Inodes(vec![first])),
            Self::Several(inodes) => inodes,
        };
        inodes.0.push(inode);
        let oldest = (inodes.0.len() > OWN).then(|| inodes.0.remove(0));
        *self = Self::Several(inodes);
        oldest
    }
}

/// All streams. Numbers are reused.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    slots: Vec<Option<Followed>>,
    free: Vec<usize>,
    /// Pairs of an inode and the number of its stream.
    owners: BTreeSet<(u64, usize)>,
    turns: u64,
    /// Streams without a file, and since when.
    gone: Timers,
    /// Streams whose file is deleted and read to its end.
    over: BTreeSet<usize>,
    /// Number of streams with open files.
    open: usize,
    resting: Resting,
}

impl Streams {
    /// Adds a stream and returns its number.
    pub(crate) fn add(&mut self, stream: Box<Stream>, is_met: bool) -> usize {
        let followed = Followed { stream, is_met, is_idle: false, own: Own::None, turn: 0 };
        let number = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        if let Some(slot) = self.slots.get_mut(number) {
            *slot = Some(followed);
        }
        number
    }

    /// Removes a stream.
    pub(crate) fn remove(&mut self, number: usize) -> Option<Followed> {
        let followed = self.slots.get_mut(number)?.take()?;
        self.open -= usize::from(followed.turn > 0);
        self.gone.set(number, None);
        self.over.remove(&number);
        for &inode in followed.own.inodes() {
            self.owners.remove(&(inode, number));
        }
        self.free.push(number);
        Some(followed)
    }

    pub(crate) fn get(&self, number: usize) -> Option<&Followed> {
        self.slots.get(number)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, number: usize) -> Option<&mut Followed> {
        self.slots.get_mut(number)?.as_mut()
    }

    /// Returns all numbers in use.
    pub(crate) fn numbers(&self) -> Vec<usize> {
        self.iter().map(|(number, _)| number).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Followed)> {
        let slots = self.slots.iter().enumerate();
        slots.filter_map(|(number, slot)| Some((number, slot.as_ref()?)))
    }

    /// Whether there is still a file worth waiting for.
    pub(crate) fn are_any_open(&self, options: &Options) -> bool {
        self.iter().any(|(_, one)| one.stream.is_open(options))
    }

    /// Updates the state after a stream was processed: it may read other files than before.
    pub(crate) fn looked_at(&mut self, number: usize) {
        self.turns += 1;
        let Some(followed) = self.slots.get_mut(number).and_then(Option::as_mut) else {
            return;
        };
        if followed.is_met && followed.stream.is_gone() {
            self.gone.set(number, self.gone.get(number).or_else(|| Some(Instant::now())));
            if followed.stream.is_over() {
                self.over.insert(number);
            }
        } else {
            self.gone.set(number, None);
            self.over.remove(&number);
        }
        self.open -= usize::from(followed.turn > 0);
        let mut new = Vec::new();
        followed.turn = 0;
        for identity in followed.stream.identities() {
            followed.turn = self.turns;
            if !followed.own.inodes().contains(&identity.inode) {
                new.push(identity.inode);
            }
        }
        self.open += usize::from(followed.turn > 0);
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

    /// Returns the relation of the streams to a file.
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

    /// Returns the discovered streams whose file is deleted and read to its end, or which have had
    /// no file for that time. Each processing of such a stream adds it again.
    pub(crate) fn take_over(&mut self, after: Option<Duration>) -> BTreeSet<usize> {
        let mut over = std::mem::take(&mut self.over);
        let now = Instant::now();
        if let Some(since) = after.and_then(|after| now.checked_sub(after)) {
            over.extend(self.gone.until(since));
        }
        over
    }

    /// Returns a stream whose files can be closed because more than `limit` are open: the least
    /// recently processed one of those at rest.
    pub(crate) fn closable(&mut self, limit: usize) -> Option<usize> {
        if self.open <= limit {
            return None;
        }
        let mut resting = std::mem::take(&mut self.resting);
        if resting.streams.is_empty() && resting.made + PAUSE <= self.turns {
            resting = Resting::of(self);
        }
        let number = resting.take(self);
        self.resting = resting;
        number
    }
}

/// Streams at rest with the step in which they were processed, least recent last.
#[derive(Debug, Default)]
struct Resting {
    streams: Vec<(u64, usize)>,
    /// Step at which the list was complete.
    made: u64,
}

impl Resting {
    fn of(streams: &Streams) -> Self {
        let resting = streams.iter().filter(|(_, followed)| followed.is_resting());
        let mut all: Vec<_> = resting.map(|(number, followed)| (followed.turn, number)).collect();
        all.sort_unstable_by(|one, other| other.cmp(one));
        Self { streams: all, made: streams.turns }
    }

    /// Removes and returns the first stream that is still at rest.
    fn take(&mut self, streams: &Streams) -> Option<usize> {
        while let Some((turn, number)) = self.streams.pop() {
            let is_same = |followed: &Followed| followed.turn == turn && followed.is_resting();
            if streams.get(number).is_some_and(is_same) {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_stream_is_small() {
        let size = size_of::<Stream>() + size_of::<Option<Followed>>();
        assert!(size <= 400, "{size}");
    }

    #[test]
    fn the_files_known_longest_are_forgotten() {
        let mut own = Own::None;
        let forgotten: Vec<u64> = (0..OWN as u64 + 2).filter_map(|inode| own.add(inode)).collect();
        assert_eq!(forgotten, [0, 1]);
        assert_eq!(own.inodes().len(), OWN);
    }
}
