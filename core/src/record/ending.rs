// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finds the end of a record that may be incomplete: its delimiter, the line that begins the next
//! record, the end of the input, or none within the limit.

use super::boundary::{End, Lines};
use super::{More, Progress, Splitter};

/// The end of a record.
pub(super) enum Ends {
    At(End),
    /// Beyond the limit.
    Beyond,
    /// Not within the available bytes.
    Open,
}

/// A search for the end of a record. Its extent is stored in the progress.
pub(super) struct Look<'l> {
    pub(super) splitter: &'l Splitter,
    pub(super) progress: &'l mut Progress,
}

impl Look<'_> {
    /// Finds the end of the record at the front of `within`, which has no more bytes than the limit
    /// and a delimiter allow.
    pub(super) fn for_end(self, within: &[u8], more: More) -> Ends {
        match &self.splitter.lines {
            None => self.record_end(within, more),
            Some(lines) => self.group_end(lines.as_ref(), within, more),
        }
    }

    /// Finds the end of a single record at the front of `within`, which the limit does not allow to
    /// be longer.
    fn record_end(mut self, within: &[u8], more: More) -> Ends {
        let limit = self.splitter.limit.size;
        let end = self.find_end(within, more);
        let end = end.or_else(|| (more == More::Ended).then(|| End::all(within.len())));
        match end {
            Some(end) if end.text <= limit => Ends::At(end),
            None if within.len() < limit.saturating_add(self.splitter.reach()) => Ends::Open,
            _ => Ends::Beyond,
        }
    }

    /// Finds the end of the record or line at the front of `data`.
    fn find_end(&mut self, data: &[u8], more: More) -> Option<End> {
        if let Some(end) = self.progress.known.take() {
            return Some(end);
        }
        // An end that may extend further is not deferred beyond the limit, or memory would grow.
        let is_full = data.len() > self.splitter.limit.size && more == More::Coming;
        let more = if is_full { More::Idle } else { more };
        self.splitter.find_end(data, &mut self.progress.search, more)
    }

    /// Finds the end of the group of lines at the front of `within`.
    fn group_end(mut self, lines: &dyn Lines, within: &[u8], more: More) -> Ends {
        let limit = self.splitter.limit.size;
        loop {
            let start = self.progress.line;
            let line = within.get(start..).unwrap_or_default();
            let Some(end) = self.find_end(line, more) else {
                return self.last_line(lines, within, more);
            };
            let group = end.behind(start);
            let before = self.progress.before;
            let is_next = before.is_some() && lines.begins(line.get(..end.whole).unwrap_or(line));
            if is_next || group.text > limit {
                self.progress.known = before.map(|_| end);
                return before.filter(|_| is_next).map_or(Ends::Beyond, Ends::At);
            }
            self.progress.before = Some(group);
            self.progress.line = group.used;
            self.progress.search = Default::default();
        }
    }

    /// Like `group_end`, if no line end follows the known ones.
    fn last_line(self, lines: &dyn Lines, within: &[u8], more: More) -> Ends {
        let limit = self.splitter.limit.size;
        let line = within.get(self.progress.line..).unwrap_or_default();
        let is_full = within.len() >= limit.saturating_add(self.splitter.reach());
        match self.progress.before {
            Some(before) if line.is_empty() && more != More::Coming => Ends::At(before),
            Some(before) if more == More::Idle => Ends::At(before),
            // The available part is enough to decide whether the line belongs to the group.
            Some(before) if is_full && lines.begins(line) => Ends::At(before),
            _ if is_full || within.len() > limit && more == More::Ended => Ends::Beyond,
            _ if more == More::Ended => Ends::At(End::all(within.len())),
            _ => Ends::Open,
        }
    }
}
