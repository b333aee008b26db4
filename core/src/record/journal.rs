// SPDX-License-Identifier: MIT OR Apache-2.0
//! Entries of journald's export format: fields, then an empty line. A field is `NAME=VALUE` and a
//! newline; or `NAME`, a newline, the length of its value in 8 bytes, little-endian, the value, and a
//! newline.

use super::boundary::{End, Search, memchr};

/// Size of a length.
const LENGTH: usize = 8;
/// Number of bytes kept of an entry that is skipped: the end of a name and the length after it.
pub(super) const ENTRY_REACH: usize = 1 + 1 + LENGTH;

/// Value of [`Search::count`] at the beginning of a line.
const NOTHING: usize = 0;
const A_NAME: usize = 1;
const A_VALUE: usize = 2;

/// Finds the empty line that ends the entry at the front of `data`.
pub(super) fn find_entry(data: &[u8], search: &mut Search) -> Option<End> {
    loop {
        // A value may extend beyond the available bytes.
        let rest = data.get(search.searched..)?;
        let newline = memchr(b'\n', rest);
        let line = rest.get(..newline.unwrap_or(rest.len())).unwrap_or_default();
        if line.contains(&b'=') {
            search.count = A_VALUE;
        } else if !line.is_empty() {
            search.count = search.count.max(A_NAME);
        }
        search.searched += line.len();
        newline?;
        let behind = search.searched + 1;
        match search.count {
            NOTHING => {
                let text = search.searched;
                return Some(End { text, whole: behind, used: behind });
            }
            A_NAME => {
                let length = data.get(behind..)?.first_chunk::<LENGTH>()?;
                let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
                search.searched = (behind + LENGTH + 1).saturating_add(length);
            }
            _ => search.searched = behind,
        }
        search.count = NOTHING;
    }
}

#[cfg(test)]
mod tests {
    use crate::record::{Found, Framing, Limit, More, Oversize, Progress, Splitter};

    /// Returns the records of `stream` and the number of bytes lost when it arrives in pieces of
    /// `len` bytes.
    fn split(stream: &[u8], len: usize, size: usize) -> (Vec<Vec<u8>>, usize) {
        let splitter = Splitter::new(Framing::Journal, Limit { size, oversize: Oversize::Drop });
        let (mut held, mut progress) = (Vec::new(), Progress::default());
        let (mut found, mut damaged) = (Vec::new(), 0);
        let pieces = stream.chunks(len).map(|piece| (piece, More::Coming));
        for (piece, more) in pieces.chain([(&[][..], More::Ended)]) {
            held.extend_from_slice(piece);
            let mut records = splitter.records(&held, &mut progress, more);
            for what in records.by_ref() {
                match what {
                    Found::Record(record) => found.push(record.text.to_vec()),
                    _ => damaged += 1,
                }
            }
            let done = records.done();
            held.drain(..done);
        }
        (found, damaged)
    }

    fn binary(name: &str, value: &[u8]) -> Vec<u8> {
        let length = (value.len() as u64).to_le_bytes();
        [name.as_bytes(), b"\n", &length, value, b"\n"].concat()
    }

    #[test]
    fn values_may_hold_newlines_and_equals_signs() {
        let first =
            [b"A=1\n".to_vec(), binary("MESSAGE", b"x\n\ny=\n"), b"B==\n".to_vec()].concat();
        let second = [binary("C", b""), binary("D", &[0; 300])].concat();
        let stream = [&first[..], b"\n", &second, b"\n", b"LAST=1\n"].concat();
        for len in [1, 2, 7, 100, 1000] {
            let (found, damaged) = split(&stream, len, 1000);
            assert_eq!(
                (found, damaged),
                (vec![first.clone(), second.clone(), b"LAST=1\n".to_vec()], 0)
            );
        }
    }

    #[test]
    fn an_entry_that_is_too_long_is_left_out_and_nothing_else() {
        let long =
            [&b"A=1\n"[..], &binary("M", &b"\n\nX=\n".repeat(100)), b"LONG=", &[b'x'; 500], b"\n"]
                .concat();
        let stream = [b"B=1\n\n", &long[..], b"\n", b"C=1\n\n"].concat();
        for len in [1, 2, 7, 100, 1000] {
            let (found, damaged) = split(&stream, len, 40);
            assert_eq!((found, damaged), (vec![b"B=1\n".to_vec(), b"C=1\n".to_vec()], 1), "{len}");
        }
    }
}
