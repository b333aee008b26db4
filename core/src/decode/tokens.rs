// SPDX-License-Identifier: MIT OR Apache-2.0
//! The lexical elements of log lines.

/// Splits `text` at the first `end`.
#[inline]
pub(super) fn prefixed<'a>(text: &'a [u8], end: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = find(text, end)?;
    Some((text.get(..at)?, text.get(at + end.len()..)?))
}

/// Finds `wanted`, which is short and begins with a rare byte: preparing a searcher would cost more
/// than the search.
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

/// Splits off the text in brackets at the front of `text`.
#[inline]
pub(super) fn bracketed(text: &[u8], open: u8, close: u8) -> Option<(&[u8], &[u8])> {
    let inside = text.strip_prefix(&[open])?;
    prefixed(inside, &[close])
}

/// Skips blanks at the front.
#[inline]
pub(super) fn after_blanks(text: &[u8]) -> &[u8] {
    let len = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    text.get(len..).unwrap_or_default()
}

/// Splits off the word at the front of `text` (possibly all of it) and the blank after it.
#[inline]
pub(super) fn word(text: &[u8]) -> (&[u8], &[u8]) {
    prefixed(text, b" ").unwrap_or((text, &[]))
}
