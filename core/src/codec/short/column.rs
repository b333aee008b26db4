// SPDX-License-Identifier: MIT OR Apache-2.0
//! A column of names, as wide as the widest so far.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::style;
use crate::codec::harmless;

/// Shown for an absent name.
const ABSENT: &[u8] = b"-";
/// Shown for the omitted part of a name.
const ELLIPSIS: char = '…';

/// The end at which a name that is too wide is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The start: paths differ at their ends.
    Start,
    /// The end.
    End,
}

/// A column.
#[derive(Clone, Debug)]
pub(super) struct Column {
    cut: Cut,
    width: usize,
    /// The last name and its shown form, because names repeat.
    name: Vec<u8>,
    limit: Option<usize>,
    shown: String,
}

impl Column {
    pub(super) fn new(cut: Cut) -> Self {
        Self { cut, width: 0, name: Vec::new(), limit: None, shown: String::new() }
    }

    /// Appends a padded name and returns its width in columns, which never shrinks.
    pub(super) fn put(
        &mut self,
        out: &mut Vec<u8>,
        name: Option<&[u8]>,
        limit: Option<usize>,
        color: bool,
    ) -> usize {
        let name = name.filter(|name| !name.is_empty());
        let text = name.unwrap_or(ABSENT);
        if self.name != text || self.limit != limit || self.shown.is_empty() {
            self.remember(text, limit);
        }
        let width = self.shown.width();
        self.width = self.width.max(width);
        let color = color && name.is_some();
        style::put(out, color, style::of_name(text));
        out.extend_from_slice(self.shown.as_bytes());
        style::put(out, color, style::RESET);
        out.extend((width..self.width).map(|_| b' '));
        self.width
    }

    fn remember(&mut self, name: &[u8], limit: Option<usize>) {
        self.name.clear();
        self.name.extend_from_slice(name);
        self.limit = limit;
        self.shown.clear();
        harmless::push_line(&mut self.shown, name);
        if let Some(limit) = limit.filter(|&limit| self.shown.width() > limit) {
            self.shown = match self.cut {
                Cut::End => {
                    let mut kept = head(self.shown.chars(), limit);
                    kept.push(ELLIPSIS);
                    kept
                }
                Cut::Start => {
                    let mut kept = head(self.shown.chars().rev(), limit);
                    kept.push(ELLIPSIS);
                    kept.chars().rev().collect()
                }
            };
        }
    }
}

/// Returns as many characters as fit into `limit` columns minus one.
fn head(chars: impl Iterator<Item = char>, limit: usize) -> String {
    let mut width = 0;
    chars
        .take_while(|c| {
            width += c.width().unwrap_or(0);
            width < limit
        })
        .collect()
}
