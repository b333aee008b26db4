// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lua 5.1 patterns without captures: `(` and `)` are ordinary characters.
//!
//! A pattern is a row of items. All ways to match are followed at once, byte by byte, as a set of
//! items that may come next, so no text makes a search slow; only `%b` looks ahead from each place
//! that it is reached at.

use std::cmp::Ordering;

use memchr::memmem;

/// Most items of a pattern.
const MAX_ITEMS: usize = 255;

/// A pattern, ready to search with.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    /// The bytes themselves.
    Plain(Box<memmem::Finder<'static>>),
    /// Items, from the start of the text only, up to its end only.
    Items { items: Vec<Item>, at_start: bool, at_end: bool },
    /// Malformed patterns match nothing, as in Lua without its error.
    Never,
}

/// One item of a pattern.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// A byte of that class, so often.
    Byte(Class, Repeat),
    /// `%bxy`: from x to the y that balances it.
    Balance(u8, u8),
    /// `%f[set]`: between a byte outside the set and one inside it.
    Frontier(Class),
}

/// How often an item occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    Once,
    Any,
    Some,
    Maybe,
}

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Class([u64; 4]);

impl Class {
    fn of(is_in: impl Fn(u8) -> bool) -> Self {
        let mut class = Self::default();
        (0..=255).filter(|&byte| is_in(byte)).for_each(|byte| class.add(byte));
        class
    }

    fn add(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    #[inline]
    fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 != 0
    }

    fn union(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(bits, more)| *bits |= more);
        self
    }

    fn complement(self) -> Self {
        Self(self.0.map(|bits| !bits))
    }

    /// What `%x` means.
    fn escaped(letter: u8) -> Self {
        let class = match letter.to_ascii_lowercase() {
            b'a' => Self::of(|byte| byte.is_ascii_alphabetic()),
            b'c' => Self::of(|byte| byte.is_ascii_control()),
            b'd' => Self::of(|byte| byte.is_ascii_digit()),
            b'l' => Self::of(|byte| byte.is_ascii_lowercase()),
            b'p' => Self::of(|byte| byte.is_ascii_punctuation()),
            b's' => Self::of(|byte| byte.is_ascii_whitespace() || byte == 0x0b),
            b'u' => Self::of(|byte| byte.is_ascii_uppercase()),
            b'w' => Self::of(|byte| byte.is_ascii_alphanumeric()),
            b'x' => Self::of(|byte| byte.is_ascii_hexdigit()),
            b'z' => Self::of(|byte| byte == 0),
            _ => return Self::of(|byte| byte == letter),
        };
        if letter.is_ascii_uppercase() { class.complement() } else { class }
    }
}

/// The items that may come next; bit `len` stands for the end of the pattern.
type Active = [u64; 4];

fn set(active: &mut Active, index: usize) {
    active[index / 64] |= 1 << (index % 64);
}

impl Pattern {
    /// Reads a pattern; `literal` makes every byte stand for itself.
    pub(super) fn new(text: &[u8], literal: bool) -> Result<Self, &'static str> {
        if literal || !text.iter().any(|byte| b"^$*+?.[%-".contains(byte)) {
            return Ok(Self::Plain(Box::new(memmem::Finder::new(text).into_owned())));
        }
        let (at_start, rest) = match text {
            [b'^', rest @ ..] => (true, rest),
            _ => (false, text),
        };
        let mut reader = Reader { rest };
        let (mut items, mut at_end) = (Vec::new(), false);
        while !reader.rest.is_empty() {
            if reader.rest == b"$" {
                at_end = true;
                break;
            }
            match reader.item() {
                Some(item) => items.push(item),
                None => return Ok(Self::Never),
            }
        }
        if items.len() > MAX_ITEMS {
            return Err("pattern too long");
        }
        Ok(Self::Items { items, at_start, at_end })
    }

    /// Whether it matches anywhere in `text`.
    pub(super) fn is_match(&self, text: &[u8]) -> bool {
        match self {
            Self::Never => false,
            Self::Plain(finder) => finder.find(text).is_some(),
            Self::Items { items, at_start, at_end } => {
                Search { items, text, at_end: *at_end }.run(0, 0, !at_start)
            }
        }
    }
}

/// One search in one text.
struct Search<'a> {
    items: &'a [Item],
    text: &'a [u8],
    at_end: bool,
}

impl Search<'_> {
    /// Follows the pattern from item `first` at position `start` on, and, if `anywhere`, from every
    /// later position too.
    fn run(&self, first: usize, start: usize, anywhere: bool) -> bool {
        let mut active: Active = [0; 4];
        if !anywhere {
            set(&mut active, first);
        }
        let mut position = start;
        while position <= self.text.len() {
            if anywhere {
                if active == [0; 4] {
                    let Some(distance) = self.distance_to(first, position) else { return false };
                    position += distance;
                }
                set(&mut active, first);
            }
            if active == [0; 4] {
                return false;
            }
            let mut next: Active = [0; 4];
            if self.step(&mut active, &mut next, position) {
                return true;
            }
            active = next;
            position += 1;
        }
        false
    }

    /// How far it is from `position` to a byte that item `first` can begin with; 0 if that cannot
    /// be told so simply.
    fn distance_to(&self, first: usize, position: usize) -> Option<usize> {
        match self.items.get(first) {
            Some(Item::Byte(class, Repeat::Once | Repeat::Some)) => {
                self.text.get(position..)?.iter().position(|&byte| class.has(byte))
            }
            _ => Some(0),
        }
    }

    /// Advances every active item by the byte at `position`; `true` if the pattern ends here.
    fn step(&self, active: &mut Active, next: &mut Active, position: usize) -> bool {
        let byte = self.text.get(position).copied();
        let mut index = 0;
        while let Some(found) = next_set(active, index) {
            index = found + 1;
            let Some(item) = self.items.get(found) else {
                if !self.at_end || byte.is_none() {
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
                Item::Balance(open, close) => {
                    if let Some(end) = self.balance(position, *open, *close)
                        && self.run(found + 1, end, false)
                    {
                        return true;
                    }
                }
            }
        }
        false
    }

    /// Where the text that begins with `open` at `start` is balanced by `close`.
    fn balance(&self, start: usize, open: u8, close: u8) -> Option<usize> {
        let text = self.text.get(start..)?;
        if text.first() != Some(&open) {
            return None;
        }
        let mut depth = 1usize;
        for (index, &byte) in text.iter().enumerate().skip(1) {
            if byte == close {
                depth -= 1;
                if depth == 0 {
                    return Some(start + index + 1);
                }
            } else if byte == open {
                depth += 1;
            }
        }
        None
    }
}

/// The first active item from `index` on. (An item may activate its successor on the way.)
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

/// Reads a pattern item by item; `None` where it is malformed.
struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn take(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn item(&mut self) -> Option<Item> {
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

    /// What stands behind `[`, its `]` included.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn is_match(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern.as_bytes(), false).unwrap().is_match(text.as_bytes())
    }

    #[test]
    fn patterns_mean_what_they_mean_in_lua() {
        for (pattern, text) in [
            ("", "anything"),
            ("^$", ""),
            ("a.c", "xabcx"),
            ("^a*b+c?d-$", "aabbcd"),
            ("[%a_][%w_]*", "_x1"),
            ("[]]", "]"),
            ("[^]]", "x"),
            ("[a-]", "-"),
            ("%d%d:%d%d", "at 12:34"),
            ("%b()x", "f(a(b)c)x"),
            ("%f[%w]item%f[%W]", "an item here"),
            ("%f[%w]item", "item"),
            ("end%f[%z]", "the end"),
            ("50%%", "50%"),
            ("(x)", "(x)"),
            ("a$b", "a$b"),
            ("^x-y", "xxxy"),
            ("%S+", "a"),
        ] {
            assert!(is_match(pattern, text), "{pattern} on {text}");
        }
        for (pattern, text) in [
            ("^b", "ab"),
            ("a$", "ab"),
            ("[^a]", "aaa"),
            ("%b()x", "f(a(b)c"),
            ("%f[%w]tem", "item"),
            ("a%", "a%"),
            ("[a", "a"),
            ("%b(", "("),
            ("%fx", "x"),
            ("%d", "abc"),
        ] {
            assert!(!is_match(pattern, text), "{pattern} on {text}");
        }
    }

    #[test]
    fn a_literal_has_no_special_bytes() {
        let pattern = Pattern::new(b"foo.*", true).unwrap();
        assert!(pattern.is_match(b"a foo.* b"));
        assert!(!pattern.is_match(b"a food"));
    }

    #[test]
    fn no_text_makes_a_search_slow() {
        let text = "a".repeat(100_000);
        assert!(!is_match("a*a*a*a*a*a*a*a*b", &text));
    }
}
