// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lua 5.1 patterns without captures: `(` and `)` are ordinary characters.
//!
//! A pattern is a sequence of items. All ways to match are followed at once, byte by byte, as a set
//! of items that may come next, so that no text makes a search slow. For `%b`, open brackets are
//! kept on a stack, each with a flag that says whether the pattern waits for its end.

mod item;
mod search;
mod syntax;

use memchr::memmem;

use self::item::{Balance, Item, Repeat};
use self::search::Search;
use self::syntax::Syntax;

/// Maximum number of items in a pattern.
const MAX_ITEMS: usize = 255;

/// The items of a pattern.
#[derive(Clone, Debug)]
pub(super) struct Items {
    items: Vec<Item>,
    balances: Vec<Balance>,
    /// The bytes that every match begins with.
    prefix: Option<memmem::Finder<'static>>,
    /// Whether a match begins at the start of the text.
    at_start: bool,
    /// Whether it ends at the end of the text.
    at_end: bool,
}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    /// A literal.
    Plain(Box<memmem::Finder<'static>>),
    /// Items.
    Items(Box<Items>),
    /// A malformed pattern matches nothing, as in Lua but without the error.
    Never,
}

impl Pattern {
    /// Compiles a pattern; with `literal`, every byte stands for itself.
    pub(super) fn new(text: &[u8], literal: bool) -> Result<Self, &'static str> {
        if literal || !text.iter().any(|byte| b"^$*+?.[%-".contains(byte)) {
            return Ok(Self::Plain(Box::new(memmem::Finder::new(text).into_owned())));
        }
        let (at_start, rest) = match text {
            [b'^', rest @ ..] => (true, rest),
            _ => (false, text),
        };
        let mut reader = Syntax { rest };
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
        let prefix = prefix_of(&items).map(|bytes| memmem::Finder::new(&bytes).into_owned());
        Ok(Self::Items(Box::new(Items { items, balances, prefix, at_start, at_end })))
    }

    /// Returns the equivalent regular expression over bytes, if there is one.
    pub(super) fn to_regex(&self) -> Option<String> {
        let mut text = "(?s-u)".to_owned();
        match self {
            Self::Never => return None,
            Self::Plain(finder) => {
                finder.needle().iter().for_each(|byte| text += &format!("\\x{byte:02x}"));
            }
            Self::Items(of) => {
                let Items { items, at_start, at_end, .. } = &**of;
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

    /// Whether the pattern matches anywhere in `text`.
    pub(super) fn is_match(&self, text: &[u8]) -> bool {
        match self {
            Self::Never => false,
            Self::Plain(finder) => finder.find(text).is_some(),
            Self::Items(items) => Search { pattern: items, text }.run(),
        }
    }
}

/// The bytes that every match of these items begins with.
fn prefix_of(items: &[Item]) -> Option<Vec<u8>> {
    let byte = |item: &Item| match item {
        Item::Byte(class, Repeat::Once) => class.only(),
        _ => None,
    };
    let bytes: Vec<u8> = items.iter().map_while(byte).collect();
    Some(bytes).filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests;
