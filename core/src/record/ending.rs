// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a record ends, of which only the beginning may be there: by its delimiter, by the line
//! that begins the next one, by the end of the input, or not within its limit.

use super::boundary::{End, Lines};
use super::{More, Progress, Splitter};

/// Where a record ends.
pub(super) enum Ends {
    At(End),
    /// Farther away than the limit allows.
    Beyond,
    /// Not in what is there.
    Open,
}

/// A look for the end of a record. What was searched is remembered in the progress.
pub(super) struct Look<'l> {
    pub(super) splitter: &'l Splitter,
    pub(super) progress: &'l mut Progress,
}

impl Look<'_> {
    /// Where the record ends that `within` begins with. `within` has no more bytes than the limit
    /// and a delimiter allow.
    pub(super) fn for_end(self, within: &[u8], more: More) -> Ends {
        match &self.splitter.lines {
            None => self.record_end(within, more),
            Some(lines) => self.group_end(lines.as_ref(), within, more),
        }
    }

    /// Where the record ends that `within` begins with, of which the limit allows no more.
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

    /// Where the record, or line, ends that `data` begins with.
    fn find_end(&mut self, data: &[u8], more: More) -> Option<End> {
        if let Some(end) = self.progress.known.take() {
            return Some(end);
        }
        // An end that may go on is not waited for beyond the limit, where memory would grow.
        let is_full = data.len() > self.splitter.limit.size && more == More::Coming;
        let more = if is_full { More::Idle } else { more };
        self.splitter.find_end(data, &mut self.progress.search, more)
    }

    /// Where the group of lines ends that `within` begins with.
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

    /// The same, where no line ends behind those that are known.
    fn last_line(self, lines: &dyn Lines, within: &[u8], more: More) -> Ends {
        let limit = self.splitter.limit.size;
        let line = within.get(self.progress.line..).unwrap_or_default();
        let is_full = within.len() >= limit.saturating_add(self.splitter.reach());
        match self.progress.before {
            Some(before) if line.is_empty() && more != More::Coming => Ends::At(before),
            Some(before) if more == More::Idle => Ends::At(before),
            // What there is of it is enough to decide whether it belongs to the others.
            Some(before) if is_full && lines.begins(line) => Ends::At(before),
            _ if is_full || within.len() > limit && more == More::Ended => Ends::Beyond,
            _ if more == More::Ended => Ends::At(End::all(within.len())),
            _ => Ends::Open,
        }
    }
}
