// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counts messages by value (`--count-by`).

use std::collections::HashMap;

use heka_core::codec::{Selector, harmless};
use heka_core::os::Output;
use heka_core::report::Stop;
use heka_core::wire::MessageView;

/// Maximum number of bytes of distinct values; messages with further values are counted together.
const MAX_SIZE: usize = 64 * 1024 * 1024;
/// Memory of an entry beyond its value, in bytes.
const ENTRY_SIZE: usize = 64;

/// Counts messages by value.
pub(crate) struct Tally {
    selectors: Vec<Selector>,
    counts: HashMap<Vec<u8>, u64>,
    size: usize,
    /// Number of messages whose value did not fit.
    others: u64,
    key: Vec<u8>,
    /// Maximum number of lines.
    top: usize,
}

impl Tally {
    pub(crate) fn new(selectors: Vec<Selector>, top: Option<usize>) -> Self {
        let top = top.unwrap_or(usize::MAX);
        Self { selectors, counts: HashMap::new(), size: 0, others: 0, key: Vec::new(), top }
    }

    pub(crate) fn add(&mut self, message: &MessageView<'_>) {
        self.key.clear();
        for (index, selector) in self.selectors.iter().enumerate() {
            if index > 0 {
                self.key.push(b'\t');
            }
            selector.put(&mut self.key, message);
        }
        if let Some(count) = self.counts.get_mut(&self.key) {
            *count += 1;
        } else if self.size + self.key.len() + ENTRY_SIZE <= MAX_SIZE {
            self.size += self.key.len() + ENTRY_SIZE;
            self.counts.insert(self.key.clone(), 1);
        } else {
            self.others += 1;
        }
    }

    /// Writes a line for each value, like `uniq -c | sort -rn`; with a bar on a terminal.
    pub(crate) fn write(&self, out: &mut Output) -> Result<(), Stop> {
        let mut counts: Vec<_> = self.counts.iter().collect();
        counts.sort_unstable_by(|one, other| other.1.cmp(one.1).then(one.0.cmp(other.0)));
        let most = counts.first().map_or(0, |(_, count)| **count);
        let has_bars = out.is_terminal();
        let rest: u64 = counts.iter().skip(self.top).map(|(_, count)| **count).sum();
        for (key, count) in counts.into_iter().take(self.top) {
            let mut line = format!("{count:7} ");
            if has_bars {
                push_bar(&mut line, *count, most);
            }
            for (index, value) in key.split(|&byte| byte == b'\t').enumerate() {
                line += if index > 0 { "\t" } else { "" };
                harmless::push_line(&mut line, value);
            }
            line.push('\n');
            out.put(line.as_bytes());
            out.end_record()?;
        }
        let others = self.others + rest;
        if others > 0 {
            let bar = if has_bars { " ".repeat(BAR + 1) } else { String::new() };
            out.put(format!("{others:7} {bar}(other)\n").as_bytes());
            out.end_record()?;
        }
        Ok(())
    }
}

/// Width of the longest bar.
const BAR: usize = 20;

/// Appends a padded bar whose length is the ratio of `count` to `most`, in eighths of a column.
fn push_bar(line: &mut String, count: u64, most: u64) {
    const PARTS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = u128::from(count) * BAR as u128 * 8 / u128::from(most.max(1));
    let eighths = usize::try_from(eighths).unwrap_or(0).clamp(1, BAR * 8);
    let part = PARTS.get(eighths % 8).filter(|_| !eighths.is_multiple_of(8));
    line.extend(std::iter::repeat_n('█', eighths / 8).chain(part.copied()));
    let len = eighths.div_ceil(8);
    line.extend(std::iter::repeat_n(' ', BAR + 1 - len));
}

#[cfg(test)]
mod tests {
    #[test]
    fn bars_are_in_proportion() {
        let bar = |count, most| {
            let mut line = String::new();
            super::push_bar(&mut line, count, most);
            line
        };
        assert_eq!(bar(8, 8), format!("{} ", "█".repeat(20)));
        assert_eq!(bar(4, 8), format!("{}{}", "█".repeat(10), " ".repeat(11)));
        assert_eq!(bar(1, 1_000_000), format!("▏{}", " ".repeat(20)));
        assert!((1..200).all(|count| bar(count, 200).chars().count() == 21));
    }
}
