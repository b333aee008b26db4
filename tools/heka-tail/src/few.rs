// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sets that nearly always have one member.

use std::borrow::Borrow;
use std::collections::BTreeSet;

/// A set with at least one member, which takes little memory if it has only one.
#[derive(Debug)]
pub(crate) enum Few<T> {
    One(T),
    Several(Box<Many<T>>),
}

#[derive(Debug)]
pub(crate) struct Many<T>(BTreeSet<T>);

impl<T: Ord> Few<T> {
    /// Returns all members, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let (one, several) = match self {
            Self::One(one) => (Some(one), None),
            Self::Several(many) => (None, Some(&many.0)),
        };
        one.into_iter().chain(several.into_iter().flatten())
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Several(many) => many.0.len(),
        }
    }

    pub(crate) fn has<Q: Ord + ?Sized>(&self, member: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        match self {
            Self::One(one) => one.borrow() == member,
            Self::Several(many) => many.0.contains(member),
        }
    }

    /// Adds a member; `false` if it existed.
    pub(crate) fn add(&mut self, member: T) -> bool
    where
        T: Clone,
    {
        match self {
            Self::One(one) if *one == member => false,
            Self::One(one) => {
                *self = Self::Several(Box::new(Many([one.clone(), member].into())));
                true
            }
            Self::Several(many) => many.0.insert(member),
        }
    }

    /// Removes a member; `true` if that was the last one, and the set must be dropped.
    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, member: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        match self {
            Self::One(one) => (*one).borrow() == member,
            Self::Several(many) => {
                many.0.remove(member);
                many.0.is_empty()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_grows_and_shrinks() {
        let mut few = Few::One(7);
        assert!(!few.add(7) && !few.remove(&8) && few.has(&7));
        assert!(few.add(3) && few.add(9) && !few.add(9));
        assert_eq!((few.len(), few.iter().copied().collect()), (3, vec![3, 7, 9]));
        assert!(!few.remove(&7) && !few.has(&7) && !few.remove(&3));
        assert!(few.remove(&9), "none is left");
        assert!(size_of::<Few<usize>>() == 16);
    }
}
