// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lua 5.1 patterns without captures: `(` and `)` are ordinary characters.
//!
//! A pattern is a row of items. All ways to match are followed at once, byte by byte, as a set of
//! items that may come next, so no text makes a search slow. For `%b` the brackets that are open
//! are kept on a stack, each with whether the pattern waits for its end.

use std::cell::RefCell;
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
    Items { items: Vec<Item>, balances: Vec<Balance>, at_start: bool, at_end: bool },
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

/// One `%bxy` of a pattern.
#[derive(Clone, Copy, Debug)]
pub(super) struct Balance {
    /// Which item it is.
    item: usize,
    open: u8,
    close: u8,
}

/// What is open of one `%b`: for each bracket whether the pattern waits for its end.
#[derive(Debug, Default)]
struct Open {
    brackets: Vec<bool>,
    /// How many of them are waited for.
    waiting: usize,
}

impl Open {
    fn clear(&mut self) {
        self.brackets.clear();
        self.waiting = 0;
    }

    /// Takes the next byte of the text; `is_active`: the item may begin with it. Returns whether the
    /// item ends with it.
    fn advance(&mut self, balance: Balance, byte: u8, is_active: bool) -> bool {
        let mut ends = false;
        if byte == balance.close {
            ends = self.brackets.pop().unwrap_or(false);
            self.waiting -= usize::from(ends);
        }
        // Below the first bracket that is waited for, none needs to be known.
        let is_needed = is_active || self.waiting > 0 && balance.open != balance.close;
        if byte == balance.open && is_needed {
            self.brackets.push(is_active);
            self.waiting += usize::from(is_active);
        }
        ends
    }
}

thread_local! {
    /// Kept from search to search, so that none allocates.
    static OPEN: RefCell<Vec<Open>> = const { RefCell::new(Vec::new()) };
}

/// How often an item occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    Once,
    Any,
    Some,
    Maybe,
}

impl Repeat {
    /// How regular expressions write it.
    fn sign(self) -> &'static str {
        match self {
            Self::Once => "",
            Self::Any => "*",
            Self::Some => "+",
            Self::Maybe => "?",
        }
    }
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

fn has(active: &Active, index: usize) -> bool {
    active[index / 64] >> (index % 64) & 1 != 0
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
        let balance = |(item, found): (usize, &Item)| match *found {
            Item::Balance(open, close) => Some(Balance { item, open, close }),
            _ => None,
        };
        let balances = items.iter().enumerate().filter_map(balance).collect();
        Ok(Self::Items { items, balances, at_start, at_end })
    }

    /// The same as a regular expression over bytes, if there is one.
    pub(super) fn to_regex(&self) -> Option<String> {
        let mut text = "(?s-u)".to_owned();
        match self {
            Self::Never => return None,
            Self::Plain(finder) => {
                finder.needle().iter().for_each(|byte| text += &format!("\\x{byte:02x}"));
            }
            Self::Items { items, at_start, at_end, .. } => {
                text += if *at_start { "^" } else { "" };
                for item in items {
                    let Item::Byte(class, repeat) = item else { return None };
                    let bytes = (0..=255).filter(|&byte| class.has(byte));
                    let set: String = bytes.map(|byte| format!("\\x{byte:02x}")).collect();
                    text += &format!("[{set}]{}", repeat.sign());
                }
                text += if *at_end { "$" } else { "" };
            }
        }
        Some(text)
    }

    /// Whether it matches anywhere in `text`.
    pub(super) fn is_match(&self, text: &[u8]) -> bool {
        match self {
            Self::Never => false,
            Self::Plain(finder) => finder.find(text).is_some(),
            Self::Items { items, balances, at_start, at_end } => {
                let search = Search { items, balances, text, at_end: *at_end };
                if balances.is_empty() {
                    return search.run(!at_start, &mut []);
                }
                OPEN.with_borrow_mut(|open| {
                    open.resize_with(open.len().max(balances.len()), Open::default);
                    search.run(!at_start, open.get_mut(..balances.len()).unwrap_or_default())
                })
            }
        }
    }
}

/// One search in one text.
struct Search<'a> {
    items: &'a [Item],
    balances: &'a [Balance],
    text: &'a [u8],
    at_end: bool,
}

impl Search<'_> {
    /// Follows the pattern from the start of the text on, and, if `anywhere`, from every later
    /// position too.
    fn run(&self, anywhere: bool, open: &mut [Open]) -> bool {
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
                for (balance, open) in self.balances.iter().zip(open.iter_mut()) {
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

    /// How far it is from `position` to a byte that the first item can begin with; 0 if that cannot
    /// be told so simply.
    fn distance_to_start(&self, position: usize) -> Option<usize> {
        let rest = self.text.get(position..)?;
        match self.items.first() {
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
                // Taken further by its brackets.
                Item::Balance(..) => {}
            }
        }
        false
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
mod tests;
