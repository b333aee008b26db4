// SPDX-License-Identifier: MIT OR Apache-2.0
//! Entries of the journal: in its export format, each ends with an empty line; a value that is
//! preceded by its length may hold anything. What begins with a bracket is JSON.

use super::More;
use super::boundary::{Boundary, End, Search, memchr};
use super::values::Values;

/// How many bytes tell the length of a value.
const LENGTH_SIZE: usize = 8;
/// A length that no entry has is not one.
const MAX_VALUE: u64 = 1 << 32;

/// Entries of the journal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entries;

impl Boundary for Entries {
    fn find(&self, data: &[u8], search: &mut Search, more: More) -> Option<End> {
        let first = data.iter().find(|byte| !byte.is_ascii_whitespace());
        if matches!(first, Some(b'{')) && !search.is_inside {
            return Values.find(data, search, more);
        }
        if search.from == 0 && !search.is_inside {
            search.from = data.iter().take_while(|&&byte| byte == b'\n').count();
        }
        loop {
            let rest = data.get(search.from..)?;
            let seen = search.searched.saturating_sub(search.from);
            let Some(at) = memchr(b'\n', rest.get(seen..)?) else {
                search.searched = data.len();
                return None;
            };
            let line = rest.get(..seen + at)?;
            if line.is_empty() {
                return Some(End {
                    text: search.from,
                    whole: search.from + 1,
                    used: search.from + 1,
                });
            }
            let mut next = search.from + line.len() + 1;
            if !line.contains(&b'=') {
                let Some(bytes) = data.get(next..next + LENGTH_SIZE) else {
                    search.searched = search.from;
                    return None;
                };
                let len = bytes.iter().rev().fold(0, |len, &byte| len << 8 | u64::from(byte));
                if len < MAX_VALUE {
                    next += LENGTH_SIZE + usize::try_from(len).ok()? + 1;
                }
            }
            if next > data.len() {
                search.searched = search.from;
                return None;
            }
            search.from = next;
            search.searched = next;
        }
    }

    fn reach(&self) -> usize {
        1
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
