// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pieces that lines of logs are made of.

/// The part of `text` before `end`, and what follows it.
#[inline]
pub(super) fn prefixed<'a>(text: &'a [u8], end: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = find(text, end)?;
    Some((text.get(..at)?, text.get(at + end.len()..)?))
}

/// Where `wanted` is, which is short and begins with a byte that is rare: to prepare a search
/// would cost more than the search.
#[inline]
pub(super) fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let (first, behind) = wanted.split_first()?;
    let mut from = 0;
    loop {
        let at = from + memchr::memchr(*first, text.get(from..)?)?;
        from = at + 1;
        if text.get(from..)?.starts_with(behind) {
            return Some(at);
        }
    }
}

/// The text in the brackets at the front of `text`, and what follows them.
#[inline]
pub(super) fn bracketed(text: &[u8], open: u8, close: u8) -> Option<(&[u8], &[u8])> {
    let inside = text.strip_prefix(&[open])?;
    prefixed(inside, &[close])
}

/// The text without blanks at its front.
#[inline]
pub(super) fn after_blanks(text: &[u8]) -> &[u8] {
    let len = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    text.get(len..).unwrap_or_default()
}

/// The word at the front of `text`, which may be all of it, and what follows the blank behind it.
#[inline]
pub(super) fn word(text: &[u8]) -> (&[u8], &[u8]) {
    prefixed(text, b" ").unwrap_or((text, &[]))
}
