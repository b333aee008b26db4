// SPDX-License-Identifier: MIT OR Apache-2.0
//! The streams that are followed, by number, and which of them have to do with a file.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::follow::{Identity, Options, Relation, Stream};
use crate::timers::Timers;

/// How many files of a stream are known to be its own.
const OWN: usize = 64;
/// Looks before those at rest are looked for again.
const PAUSE: u64 = 32;

/// A stream that is followed.
#[derive(Debug)]
pub(crate) struct Followed {
    pub(crate) stream: Box<Stream>,
    /// Whether a look at everything finds it when its directory comes back.
    pub(crate) is_met: bool,
    /// Whether all that there was has been read.
    pub(crate) is_idle: bool,
    own: Own,
    /// When it was looked at last, counted in looks; 0 if nothing of it is open.
    turn: u64,
}

impl Followed {
    /// Whether nothing is lost for now if its files are closed.
    fn is_resting(&self) -> bool {
        self.turn > 0 && self.is_idle && self.stream.can_rest()
    }
}

/// Inodes of a stream's own files, those known longest first. Most streams have one.
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

    /// Adds one, and takes out the one that is one too many.
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

/// All streams. A number that is free is used again.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    slots: Vec<Option<Followed>>,
    free: Vec<usize>,
    /// Inodes of their files, and numbers.
    owners: BTreeSet<(u64, usize)>,
    turns: u64,
    /// Streams that have no file, and since when.
    gone: Timers,
    /// Those whose file is deleted and read.
    over: BTreeSet<usize>,
    /// How many streams have open files.
    open: usize,
    resting: Resting,
}

impl Streams {
    /// Takes a stream in; its number.
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

    /// Takes a stream out.
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

    /// All numbers that are taken.
    pub(crate) fn numbers(&self) -> Vec<usize> {
        self.iter().map(|(number, _)| number).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Followed)> {
        let slots = self.slots.iter().enumerate();
        slots.filter_map(|(number, slot)| Some((number, slot.as_ref()?)))
    }

    /// Whether a file is left that is worth waiting for.
    pub(crate) fn are_any_open(&self, options: &Options) -> bool {
        self.iter().any(|(_, one)| one.stream.is_open(options))
    }

    /// A stream was looked at: it may read other files than before.
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

    /// Streams that nobody has named whose file is deleted and read, or which have had no file for
    /// that time. Each look at one of them tells of it again.
    pub(crate) fn take_over(&mut self, after: Option<Duration>) -> BTreeSet<usize> {
        let mut over = std::mem::take(&mut self.over);
        let now = Instant::now();
        if let Some(since) = after.and_then(|after| now.checked_sub(after)) {
            over.extend(self.gone.until(since));
        }
        over
    }

    /// A stream whose files can be closed because more than `limit` are open: of those at rest the
    /// one that was looked at longest ago.
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

/// Streams at rest and when they were looked at, longest ago last.
#[derive(Debug, Default)]
struct Resting {
    streams: Vec<(u64, usize)>,
    /// At which look these were all.
    made: u64,
}

impl Resting {
    fn of(streams: &Streams) -> Self {
        let resting = streams.iter().filter(|(_, followed)| followed.is_resting());
        let mut all: Vec<_> = resting.map(|(number, followed)| (followed.turn, number)).collect();
        all.sort_unstable_by(|one, other| other.cmp(one));
        Self { streams: all, made: streams.turns }
    }

    /// Takes out the first one that is at rest still.
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
