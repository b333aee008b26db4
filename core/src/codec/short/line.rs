// SPDX-License-Identifier: MIT OR Apache-2.0
//! Text after the head of a line: kept within the width, with continuation lines indented.

use unicode_width::UnicodeWidthChar as _;

use super::style::RESET;
use crate::codec::harmless;

/// Distance of tab stops, counted from the start of the text.
const TAB: usize = 8;

/// The text of one message as it is written.
pub(super) struct Line<'a> {
    out: &'a mut Vec<u8>,
    /// The next column.
    at: usize,
    /// Column where continuation lines begin.
    indent: usize,
    width: Option<usize>,
    /// Whether text that is too wide is cut.
    no_wrap: bool,
    /// The last blank of this line: its offset in `out` and its column.
    blank: Option<(usize, usize)>,
    /// Length of `out` before the last column in which an ellipsis fits.
    room: usize,
    is_cut: bool,
    is_styled: bool,
    /// Whether only a wrap precedes the next character.
    is_wrapped: bool,
}

impl<'a> Line<'a> {
    /// Begins text at column `at`, with continuation lines indented to `indent`.
    pub(super) fn new(
        out: &'a mut Vec<u8>,
        at: usize,
        indent: usize,
        width: Option<usize>,
        no_wrap: bool,
    ) -> Self {
        let room = out.len();
        Self {
            out,
            at,
            indent,
            width,
            no_wrap,
            blank: None,
            room,
            is_cut: false,
            is_styled: false,
            is_wrapped: false,
        }
    }

    /// Appends text; any bytes are allowed.
    pub(super) fn text(&mut self, text: &[u8]) {
        // A line end of two bytes counts as one.
        let mut parts = text.split(|&byte| byte == b'\n').peekable();
        while let Some(part) = parts.next() {
            let is_last = parts.peek().is_none();
            let part = if is_last { part } else { part.strip_suffix(b"\r").unwrap_or(part) };
            if self.width.is_none() && part.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
                self.out.extend_from_slice(part);
            } else {
                harmless::each_harmless(part, |c| self.char(c));
            }
            if !is_last {
                self.below();
            }
        }
    }

    /// Switches to a style, or back to the default.
    pub(super) fn style(&mut self, style: &str) {
        if !self.is_cut {
            self.is_styled = style != RESET;
            self.out.extend_from_slice(style.as_bytes());
        }
    }

    /// Begins a continuation line.
    pub(super) fn below(&mut self) {
        while self.out.last() == Some(&b' ') {
            self.out.pop();
        }
        self.out.push(b'\n');
        self.out.extend((0..self.indent).map(|_| b' '));
        self.at = self.indent;
        self.blank = None;
        self.is_cut = false;
        self.is_wrapped = false;
        self.room = self.out.len();
    }

    /// Ends the message.
    pub(super) fn end(self) {
        while self.out.last() == Some(&b' ') {
            self.out.pop();
        }
        self.out.push(b'\n');
    }

    fn char(&mut self, c: char) {
        if c == '\t' && self.width.is_some() {
            let stop = TAB - (self.at.saturating_sub(self.indent)) % TAB;
            (0..stop).for_each(|_| self.char(' '));
            return;
        }
        if self.is_cut || self.is_wrapped && c == ' ' {
            return;
        }
        let columns = c.width().unwrap_or(0);
        let Some(width) = self.width else { return self.push(c, columns) };
        if self.at + columns <= width {
            // An ellipsis may be needed after the text so far.
            if self.at < width {
                self.room = self.out.len();
            }
        } else if self.no_wrap {
            return self.cut();
        } else if c == ' ' {
            self.below();
            self.is_wrapped = true;
            return;
        } else {
            self.wrap();
        }
        if c == ' ' {
            self.blank = Some((self.out.len(), self.at));
        }
        self.push(c, columns);
    }

    fn push(&mut self, c: char, columns: usize) {
        self.out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        self.at += columns;
        self.is_wrapped = false;
    }

    /// Continues on a new line from the last word, unless that leaves half of the line empty.
    fn wrap(&mut self) {
        let (indent, width) = (self.indent, self.width.unwrap_or(usize::MAX));
        match self.blank.filter(|&(_, column)| column > indent + (width - indent.min(width)) / 2) {
            None => self.below(),
            Some((place, column)) => {
                let gap = std::iter::once(b'\n').chain((0..indent).map(|_| b' '));
                self.out.splice(place..=place, gap);
                self.at = self.at - (column + 1) + indent;
                self.blank = None;
                self.room = self.out.len();
            }
        }
    }

    /// Omits the rest of the line.
    fn cut(&mut self) {
        self.out.truncate(self.room);
        self.out.extend_from_slice("…".as_bytes());
        if self.is_styled {
            self.out.extend_from_slice(RESET.as_bytes());
            self.is_styled = false;
        }
        self.is_cut = true;
    }
}
