// SPDX-License-Identifier: MIT OR Apache-2.0
//! One line per message, for people:
//!
//! ```text
//! 12:38:24.154 web01 nginx.access INFO  GET /x 404  status=404 bytes=512
//! 12:38:24.201 web02 app          ERR   cannot connect: timeout  attempt=3 host=db7
//! ```
//!
//! No part of a message reaches the output as a control character, whatever the output is.

mod column;
mod fields;
mod line;
mod style;
mod time;

use std::ops::Range;

pub use time::TimeForm;

use column::{Column, Cut};
use fields::Gap;
use line::Line;

use super::FieldList;
#[cfg(feature = "regex")]
use super::matcher::Highlight;
use super::time::Zone;
use crate::wire::MessageView;

/// The look of lines.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// Form of times; the default is the time of day in the local zone.
    pub time: Option<TimeForm>,
    /// Fields to show; the default is all.
    pub fields: Option<FieldList>,
    /// Whether to use colours.
    pub color: bool,
    /// Whether to cut lines that are too wide instead of wrapping them.
    pub no_wrap: bool,
    /// Returns the width of the terminal in columns, if there is one.
    pub width: Option<fn() -> Option<usize>>,
    /// Reads the clock (nanoseconds since 1970), for [`TimeForm::Relative`].
    pub now: Option<fn() -> i64>,
    /// The parts of payloads to highlight.
    #[cfg(feature = "regex")]
    pub highlight: Option<Highlight>,
}

/// Where the width is limited, a name takes at most this fraction of it, but at least [`NARROWEST`]
/// columns.
const NAME_PART: usize = 5;
const NARROWEST: usize = 8;
/// The widest severity, such as `EMERG`.
const SEVERITY_WIDTH: usize = 5;
/// Indentation of text whose head takes more than half of the width.
const SMALL_INDENT: usize = 4;
/// Columns that text needs after the head.
const LEAST_ROOM: usize = 16;

/// Writes lines and remembers the widths of the columns.
#[derive(Clone, Debug)]
pub struct Short {
    look: Look,
    zone: Zone,
    host: Column,
    logger: Column,
    /// The ranges to highlight, kept so that no message allocates.
    ranges: Vec<Range<usize>>,
    /// Buffer for the text of a field.
    scratch: Vec<u8>,
}

impl Short {
    /// Creates a writer of lines with this look; local times are in `zone`.
    pub fn new(look: Look, zone: Zone) -> Self {
        let (host, logger) = (Column::new(Cut::End), Column::new(Cut::Start));
        Self { look, zone, host, logger, ranges: Vec::new(), scratch: Vec::new() }
    }

    /// Appends one message and a line end.
    pub fn put(&mut self, out: &mut Vec<u8>, message: &MessageView<'_>) {
        let width = self.look.width.and_then(|ask| ask()).map(|width| width.max(4));
        let head = self.put_head(out, message, width);
        let indent = match width {
            Some(width) if head > width / 2 => SMALL_INDENT,
            _ => head,
        };
        let mut line = Line::new(out, head, indent, width, self.look.no_wrap);
        // Text squeezed in next to the head is harder to read than text below it.
        if width.is_some_and(|width| head + LEAST_ROOM > width) && !self.look.no_wrap {
            line.below();
        }
        let payload = message.payload.unwrap_or_default();
        let payload = payload.strip_suffix(b"\n").unwrap_or(payload);
        let payload = payload.strip_suffix(b"\r").unwrap_or(payload);
        self.ranges.clear();
        #[cfg(feature = "regex")]
        if let (Some(highlight), true) = (&self.look.highlight, self.look.color) {
            highlight.find(payload, &mut self.ranges);
        }
        let mut done = 0;
        for range in &self.ranges {
            line.text(payload.get(done..range.start).unwrap_or_default());
            line.style(style::HIGHLIGHT);
            line.text(payload.get(range.clone()).unwrap_or_default());
            line.style(style::RESET);
            done = range.end;
        }
        line.text(payload.get(done..).unwrap_or_default());
        let all = FieldList::All;
        let fields = self.look.fields.as_ref().unwrap_or(&all);
        let gap = match payload {
            b"" => Gap::None,
            _ if payload.contains(&b'\n') => Gap::Line,
            _ => Gap::Blanks,
        };
        fields::put(fields, &mut line, message, gap, self.look.color, &mut self.scratch);
        line.end();
    }

    /// Appends time, host, logger and severity, and returns their width in columns.
    fn put_head(
        &mut self,
        out: &mut Vec<u8>,
        message: &MessageView<'_>,
        width: Option<usize>,
    ) -> usize {
        let color = self.look.color;
        let mut columns = 0;
        let form = self.look.time.unwrap_or_default();
        if form != TimeForm::None {
            style::put(out, color, style::DIM);
            let now = self.look.now.map(|now| now());
            columns += form.put(out, message.timestamp, &self.zone, now) + 1;
            style::put(out, color, style::RESET);
            out.push(b' ');
        }
        let limit = width.map(|width| (width / NAME_PART).max(NARROWEST));
        columns += self.host.put(out, message.hostname, limit, color) + 1;
        out.push(b' ');
        columns += self.logger.put(out, message.logger, limit, color) + 1;
        out.push(b' ');
        columns + put_severity(out, message.severity, color) + 1
    }
}

/// Appends the word for a severity, padded.
fn put_severity(out: &mut Vec<u8>, severity: Option<i32>, color: bool) -> usize {
    let mut digits = itoa::Buffer::new();
    let word = severity.map_or("-", |severity| {
        super::severity::short_name(severity).unwrap_or_else(|| digits.format(severity))
    });
    let style = match severity {
        Some(..=3) => style::RED,
        Some(4) => style::YELLOW,
        Some(7..) => style::DIM,
        Some(5 | 6) | None => "",
    };
    style::put(out, color, style);
    out.extend_from_slice(word.as_bytes());
    if !style.is_empty() {
        style::put(out, color, style::RESET);
    }
    let width = word.len().max(SEVERITY_WIDTH);
    out.extend((word.len()..=width).map(|_| b' '));
    width
}

#[cfg(test)]
mod tests;
