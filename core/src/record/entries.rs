// SPDX-License-Identifier: MIT OR Apache-2.0
//! Entries of the journal, in its export format or in JSON; each entry decides for itself.

use super::More;
use super::boundary::{Boundary, End, Search};
use super::journal::{ENTRY_REACH, find_entry};
use super::values::Values;

/// Entries of the journal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entries;

impl Boundary for Entries {
    fn find(&self, data: &[u8], search: &mut Search, more: More) -> Option<End> {
        let first = data.iter().find(|byte| !byte.is_ascii_whitespace());
        if first == Some(&b'{') && !search.is_inside {
            return Values.find(data, search, more);
        }
        find_entry(data, search)
    }

    fn reach(&self) -> usize {
        ENTRY_REACH
    }

    fn holds_back(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Found, Limit, Oversize, Progress, Splitter};
    use super::*;

    #[test]
    fn entries_end_with_an_empty_line_that_is_not_in_a_value() {
        let binary = b"MESSAGE\n\x07\0\0\0\0\0\0\0a\n\nb=\n\n\nPRIORITY=3\n\n";
        let stream = [
            b"\n__CURSOR=s=1\nMESSAGE=one\n\n",
            &binary[..],
            b"{\"MESSAGE\":\"two\"}\nMESSAGE=last",
        ]
        .concat();
        for len in [1, 2, 5, 1000] {
            let splitter = Splitter::journal(Limit { size: 1000, oversize: Oversize::Split });
            let mut progress = Progress::default();
            let (mut found, mut start, mut end) = (Vec::new(), 0, 0);
            while start < stream.len() {
                end = (end + len).min(stream.len());
                let more = if end == stream.len() { More::Ended } else { More::Coming };
                let mut records = splitter.records(&stream[start..end], &mut progress, more);
                for record in records.by_ref() {
                    let Found::Record(record) = record else { panic!("{record:?}") };
                    found.push(record.text.trim_ascii_start().to_vec());
                }
                start += records.done();
            }
            found.retain(|record| !record.is_empty());
            let expected: [&[u8]; 4] = [
                b"__CURSOR=s=1\nMESSAGE=one\n",
                b"MESSAGE\n\x07\0\0\0\0\0\0\0a\n\nb=\n\n\nPRIORITY=3\n",
                b"{\"MESSAGE\":\"two\"}",
                b"MESSAGE=last",
            ];
            assert_eq!(found, expected, "by {len}");
        }
    }
}
