// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ends of many candidates, searchable for the first one beyond a given place without examining
//! all of them.

use std::ops::Range;

/// A tree of maxima over consecutive numbers, of which the lowest are dropped over time.
#[derive(Clone, Debug, Default)]
pub(super) struct Reach {
    /// The root is at 1 and the children of node N are at 2N and 2N+1. The leaves in the second
    /// half are a ring of consecutive numbers.
    tree: Vec<u32>,
}

impl Reach {
    fn leaf(&self, number: u32) -> usize {
        let leaves = self.tree.len() / 2;
        leaves + number as usize % leaves.max(1)
    }

    /// Makes room for `numbers`; the known ends are kept.
    pub(super) fn make_room(&mut self, numbers: Range<u32>) {
        let leaves = self.tree.len() / 2;
        if numbers.len() <= leaves {
            return;
        }
        let larger = Self { tree: vec![0; (4 * leaves).max(128)] };
        let old = std::mem::replace(self, larger);
        for number in numbers.take(leaves) {
            self.set(number, old.tree[old.leaf(number)]);
        }
    }

    /// Stores the end of a candidate. There must be room for its number.
    pub(super) fn set(&mut self, number: u32, end: u32) {
        let mut node = self.leaf(number);
        self.tree[node] = end;
        while node > 1 {
            node /= 2;
            self.tree[node] = self.tree[2 * node].max(self.tree[2 * node + 1]);
        }
    }

    /// Returns the first of `numbers` that ends beyond `place`.
    pub(super) fn first_beyond(&self, numbers: Range<u32>, place: u32) -> Option<u32> {
        let mut number = numbers.start;
        let (mut node, mut span) = (self.leaf(number), 1);
        while number < numbers.end {
            if self.tree[node] > place {
                if span == 1 {
                    return Some(number);
                }
                (node, span) = (2 * node, span / 2);
                continue;
            }
            number = number.checked_add(span)?;
            node += 1;
            if node.is_power_of_two() {
                // The first node of a row follows its last one.
                node /= 2;
            }
            // Ascend to the highest node that begins here.
            while node.is_multiple_of(2) {
                (node, span) = (node / 2, 2 * span);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_one_is_found(
            first in 0..1000usize,
            ends in prop::collection::vec(0..20u32, 1..400),
            later in prop::collection::vec((any::<prop::sample::Index>(), 0..20u32), 0..50),
            given_up in any::<prop::sample::Index>(),
            place in 0..20u32,
        ) {
            let mut ends = ends;
            let mut reach = Reach::default();
            let number = |index: usize| u32::try_from(first + index).unwrap();
            for (index, &end) in ends.iter().enumerate() {
                reach.make_room(number(0)..number(index + 1));
                reach.set(number(index), end);
            }
            for (index, end) in later {
                let index = index.index(ends.len());
                ends[index] = end;
                reach.set(number(index), end);
            }
            let from = given_up.index(ends.len());
            for to in from..=ends.len() {
                let found = ends[from..to].iter().position(|end| *end > place);
                let expected = found.map(|index| number(from + index));
                prop_assert_eq!(reach.first_beyond(number(from)..number(to), place), expected);
            }
        }
    }
}
