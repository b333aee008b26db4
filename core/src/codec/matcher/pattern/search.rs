// SPDX-License-Identifier: MIT OR Apache-2.0
//! The search follows every way to match at once, byte by byte.

use std::cell::RefCell;

use super::Items;
use super::item::{Balance, Item, Repeat};

/// The open brackets of one `%b`: for each, whether the pattern waits for its end.
#[derive(Debug, Default)]
struct Open {
    brackets: Vec<bool>,
    /// Number of brackets that are waited for.
    waiting: usize,
}

impl Open {
    fn clear(&mut self) {
        self.brackets.clear();
        self.waiting = 0;
    }

    /// Processes the next byte of the text. `is_active` says that the item may begin with it.
    /// Returns whether the item ends with it.
    fn advance(&mut self, balance: Balance, byte: u8, is_active: bool) -> bool {
        let mut ends = false;
        if byte == balance.close {
            ends = self.brackets.pop().unwrap_or(false);
            self.waiting -= usize::from(ends);
        }
        // Below the first bracket that is waited for, none has to be stored.
        let is_needed = is_active || self.waiting > 0 && balance.open != balance.close;
        if byte == balance.open && is_needed {
            self.brackets.push(is_active);
            self.waiting += usize::from(is_active);
        }
        ends
    }
}

thread_local! {
    /// Kept between searches so that they do not allocate.
    static OPEN: RefCell<Vec<Open>> = const { RefCell::new(Vec::new()) };
}

/// The items that may come next; bit `len` is the end of the pattern.
type Active = [u64; 4];

fn set(active: &mut Active, index: usize) {
    active[index / 64] |= 1 << (index % 64);
}

fn has(active: &Active, index: usize) -> bool {
    active[index / 64] >> (index % 64) & 1 != 0
}

/// One search in one text.
pub(super) struct Search<'a> {
    pub(super) pattern: &'a Items,
    pub(super) text: &'a [u8],
}

impl Search<'_> {
    /// Follows the pattern from the start of the text and, unless it is anchored there, from every
    /// later position too.
    pub(super) fn run(&self) -> bool {
        let (anywhere, count) = (!self.pattern.at_start, self.pattern.balances.len());
        if count == 0 {
            return self.follow(anywhere, &mut []);
        }
        OPEN.with_borrow_mut(|open| {
            open.resize_with(open.len().max(count), Open::default);
            self.follow(anywhere, open.get_mut(..count).unwrap_or_default())
        })
    }

    fn follow(&self, anywhere: bool, open: &mut [Open]) -> bool {
        open.iter_mut().for_each(Open::clear);
        let mut active: Active = [0; 4];
        set(&mut active, 0);
        let mut position = 0;
        while position <= self.text.len() {
            if active == [0; 4] && open.iter().all(|open| open.waiting == 0) {
                if !anywhere {
                    return false;
                }
                let Some(distance) = self.distance_to_start(position) else { return false };
                position += distance;
                open.iter_mut().for_each(Open::clear);
            }
            if anywhere {
                set(&mut active, 0);
            }
            let mut next: Active = [0; 4];
            if self.step(&mut active, &mut next, position) {
                return true;
            }
            if let Some(&byte) = self.text.get(position) {
                for (balance, open) in self.pattern.balances.iter().zip(open.iter_mut()) {
                    if open.advance(*balance, byte, has(&active, balance.item)) {
                        set(&mut next, balance.item + 1);
                    }
                }
            }
            active = next;
            position += 1;
        }
        false
    }

    /// Returns the distance from `position` to where a match can begin; 0 if that cannot be
    /// determined simply.
    fn distance_to_start(&self, position: usize) -> Option<usize> {
        let rest = self.text.get(position..)?;
        if let Some(prefix) = &self.pattern.prefix {
            return prefix.find(rest);
        }
        match self.pattern.items.first() {
            Some(Item::Byte(class, Repeat::Once | Repeat::Some)) => {
                rest.iter().position(|&byte| class.has(byte))
            }
            Some(Item::Balance(open, _)) => memchr::memchr(*open, rest),
            _ => Some(0),
        }
    }

    /// Advances every active item by the byte at `position`; `true` if the pattern ends here.
    fn step(&self, active: &mut Active, next: &mut Active, position: usize) -> bool {
        let byte = self.text.get(position).copied();
        let mut index = 0;
        while let Some(found) = next_set(active, index) {
            index = found + 1;
            let Some(item) = self.pattern.items.get(found) else {
                if !self.pattern.at_end || byte.is_none() {
                    return true;
                }
                continue;
            };
            match item {
                Item::Byte(class, repeat) => {
                    if matches!(repeat, Repeat::Any | Repeat::Maybe) {
                        set(active, found + 1);
                    }
                    if byte.is_some_and(|byte| class.has(byte)) {
                        if *repeat == Repeat::Any {
                            set(next, found);
                        } else {
                            set(next, found + 1);
                        }
                        if *repeat == Repeat::Some {
                            set(next, found);
                        }
                    }
                }
                Item::Frontier(class) => {
                    let before = position.checked_sub(1).and_then(|before| self.text.get(before));
                    if !class.has(before.copied().unwrap_or(0)) && class.has(byte.unwrap_or(0)) {
                        set(active, found + 1);
                    }
                }
                // Advanced by its brackets.
                Item::Balance(..) => {}
            }
        }
        false
    }
}

/// Returns the first active item from `index` on. (An item may activate its successor in the
/// process.)
fn next_set(active: &Active, index: usize) -> Option<usize> {
    let mut mask = u64::MAX << (index % 64);
    for (word, bits) in active.iter().enumerate().skip(index / 64) {
        let bits = bits & mask;
        if bits != 0 {
            return Some(word * 64 + bits.trailing_zeros() as usize);
        }
        mask = u64::MAX;
    }
    None
}
