// SPDX-License-Identifier: MIT OR Apache-2.0
//! One line a message for people:
//!
//! ```text
//! 12:38:24.154 web01 nginx.access INFO  GET /x 404  status=404 bytes=512
//! 12:38:24.201 web02 app          ERR   cannot connect: timeout  attempt=3 host=db7
//! ```
//!
//! Nothing that a message holds reaches the output as a control character, wherever the output goes.

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

/// How lines look.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// How times are written; the time of day in the local zone if nothing is said.
    pub time: Option<TimeForm>,
    /// Which fields are shown; all of them if nothing is said.
    pub fields: Option<FieldList>,
    /// Whether there is colour.
    pub color: bool,
    /// Cut lines that are too wide instead of going on below.
    pub no_wrap: bool,
    /// Asks for the columns of the terminal, if there is one.
    pub width: Option<fn() -> Option<usize>>,
    /// Reads the clock (nanoseconds since 1970), for [`TimeForm::Relative`].
    pub now: Option<fn() -> i64>,
    /// What of a payload is to catch the eye.
    #[cfg(feature = "regex")]
    pub highlight: Option<Highlight>,
}

/// Columns of a name at most, where the width is limited: this part of it, but not less than
/// [`NARROWEST`].
const NAME_PART: usize = 5;
const NARROWEST: usize = 8;
/// The widest severity, such as `EMERG`.
const SEVERITY_WIDTH: usize = 5;
/// How far text hangs where the head takes more than half of the width.
const SMALL_INDENT: usize = 4;
/// Columns that text needs beside the head.
const LEAST_ROOM: usize = 16;

/// Writes lines; remembers how wide the columns are.
#[derive(Clone, Debug)]
pub struct Short {
    look: Look,
    zone: Zone,
    host: Column,
    logger: Column,
    /// Where the highlight is, kept so that no message allocates.
    ranges: Vec<Range<usize>>,
    /// For the text of a field.
    scratch: Vec<u8>,
}

impl Short {
    /// Lines with that look, local times in `zone`.
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
        // Text that had to squeeze beside the head would be harder to read than text below it.
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

/// Appends the word for a severity and the blanks behind it.
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
