// SPDX-License-Identifier: MIT OR Apache-2.0
//! How many messages there are of each kind (`--count-by`).

use std::collections::HashMap;

use heka_core::codec::{Selector, harmless};
use heka_core::os::Output;
use heka_core::report::Stop;
use heka_core::wire::MessageView;

/// So many bytes of different values are kept; messages with others are counted together.
const MAX_SIZE: usize = 64 * 1024 * 1024;
/// What an entry takes beside its value.
const ENTRY_SIZE: usize = 64;

/// Counts messages by what they have.
pub(crate) struct Tally {
    selectors: Vec<Selector>,
    counts: HashMap<Vec<u8>, u64>,
    size: usize,
    /// Messages with values for which there was no room.
    others: u64,
    key: Vec<u8>,
}

impl Tally {
    pub(crate) fn new(selectors: Vec<Selector>) -> Self {
        Self { selectors, counts: HashMap::new(), size: 0, others: 0, key: Vec::new() }
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

    /// Writes a line for each value, as `uniq -c | sort -rn` does.
    pub(crate) fn write(&self, out: &mut Output) -> Result<(), Stop> {
        let mut counts: Vec<_> = self.counts.iter().collect();
        counts.sort_unstable_by(|one, other| other.1.cmp(one.1).then(one.0.cmp(other.0)));
        for (key, count) in counts {
            let mut line = format!("{count:7} ");
            for (index, value) in key.split(|&byte| byte == b'\t').enumerate() {
                line += if index > 0 { "\t" } else { "" };
                harmless::push_line(&mut line, value);
            }
            line.push('\n');
            out.put(line.as_bytes());
            out.end_record()?;
        }
        if self.others > 0 {
            out.put(format!("{:7} (other)\n", self.others).as_bytes());
            out.end_record()?;
        }
        Ok(())
    }
}
