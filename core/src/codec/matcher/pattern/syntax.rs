// SPDX-License-Identifier: MIT OR Apache-2.0
//! The syntax of patterns.

use std::cmp::Ordering;

use super::item::{Class, Item, Repeat};

/// Parses a pattern item by item; `None` where it is malformed.
pub(super) struct Syntax<'a> {
    pub(super) rest: &'a [u8],
}

impl Syntax<'_> {
    fn take(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    pub(super) fn item(&mut self) -> Option<Item> {
        let class = match self.take()? {
            b'%' => match self.take()? {
                b'b' => return Some(Item::Balance(self.take()?, self.take()?)),
                b'f' if self.take()? == b'[' => return Some(Item::Frontier(self.set()?)),
                b'f' => return None,
                letter => Class::escaped(letter),
            },
            b'[' => self.set()?,
            b'.' => Class::of(|_| true),
            byte => Class::of(|other| other == byte),
        };
        let repeat = match self.rest.first() {
            Some(b'*' | b'-') => Repeat::Any,
            Some(b'+') => Repeat::Some,
            Some(b'?') => Repeat::Maybe,
            _ => return Some(Item::Byte(class, Repeat::Once)),
        };
        self.take();
        Some(Item::Byte(class, repeat))
    }

    /// Parses a set after `[`, including its `]`.
    fn set(&mut self) -> Option<Class> {
        let negated = self.rest.first() == Some(&b'^');
        if negated {
            self.take();
        }
        let mut class = Class::default();
        let mut is_first = true;
        loop {
            match self.take()? {
                b']' if !is_first => break,
                b'%' => class = class.union(Class::escaped(self.take()?)),
                from => match *self.rest {
                    [b'-', to, ..] if to != b']' => {
                        class = class.union(Class::of(|byte| {
                            from.cmp(&byte) != Ordering::Greater && byte <= to
                        }));
                        self.rest = self.rest.get(2..).unwrap_or_default();
                    }
                    _ => class.add(from),
                },
            }
            is_first = false;
        }
        Some(if negated { class.complement() } else { class })
    }
}
