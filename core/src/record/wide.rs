// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines of two-byte units, as in UTF-16.

use super::boundary::find_unit;
use super::{More, Part, Progress};

impl Progress {
    /// Finds the record at the front of `data`, which ends with `unit` or is cut after `limit`
    /// bytes, and moves on to the next one. Returns its length in bytes, and which part of the
    /// record that is.
    pub fn next_wide(
        &mut self,
        data: &[u8],
        unit: [u8; 2],
        limit: usize,
        more: More,
    ) -> Option<(usize, Part)> {
        let limit = (limit & !1).max(2);
        let within = data.get(..limit.saturating_add(unit.len())).unwrap_or(data);
        let is_ended = more == More::Ended && !data.is_empty();
        let found = match find_unit(unit, within, &mut self.search) {
            Some(end) => (end.used, Part::Whole),
            // The delimiter may be next.
            None if within.len() <= limit.saturating_add(1) && !is_ended => return None,
            None if within.len() > limit => (limit, Part::Piece),
            None => (data.len(), Part::Whole),
        };
        self.pass(found.0);
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::searched_by;
    use super::*;

    const UNIT: [u8; 2] = [b'\n', 0];

    /// Returns the records of a file that grows by `step` bytes at a time.
    fn records(text: &[u8], step: usize, limit: usize) -> Vec<(Vec<u8>, Part)> {
        let (mut progress, mut records, mut start) = (Progress::default(), Vec::new(), 0);
        for end in (step..text.len()).step_by(step).chain([text.len()]) {
            let more = if end == text.len() { More::Ended } else { More::Idle };
            while let Some((len, part)) = progress.next_wide(&text[start..end], UNIT, limit, more) {
                records.push((text[start..start + len].to_vec(), part));
                start += len;
            }
        }
        assert_eq!((start, progress.offset()), (text.len(), text.len() as u64));
        records
    }

    #[test]
    fn records_do_not_depend_on_how_a_file_grows() {
        // Units that contain the delimiter's bytes, in either half and across two units.
        let text = b"a\0\n\n\x01\nb\0\n\0\0\n\0\x01c\0\n\0\n\0d\0e\0f\0g\0h\0\n\0i";
        for limit in [1, 2, 6, 8, 10, 100] {
            let at_once = records(text, text.len(), limit);
            for step in 1..10 {
                assert_eq!(records(text, step, limit), at_once, "{step} {limit}");
            }
            assert!(at_once.iter().all(|(record, _)| record.len() <= limit.max(2) + 2));
        }
        let whole: Vec<_> = records(text, 3, 100).into_iter().map(|(record, _)| record).collect();
        assert_eq!(whole.len(), 5);
        assert_eq!(whole[1], b"\0\n\0\x01c\0\n\0");
        // A record as long as the limit is no piece.
        assert_eq!(records(b"a\0b\0\n\0", 1, 4), [(b"a\0b\0\n\0".to_vec(), Part::Whole)]);
    }

    #[test]
    fn no_byte_of_a_line_that_grows_slowly_is_searched_twice() {
        for (unit, step) in [(b"a\0", 2), (b"\n\n", 3), (b"\0\n", 100), (b"\x01\n", 7)] {
            for limit in [8, 1 << 20] {
                let searched = [10_000, 20_000].map(|count| {
                    let line = unit.repeat(count);
                    searched_by(|| drop(records(&line, step, limit)))
                });
                assert!(searched[0] <= 3 * 20_000, "{unit:?} {step} {limit}: {searched:?}");
                assert!(searched[1] <= 3 * searched[0], "{unit:?} {step} {limit}: {searched:?}");
            }
        }
    }
}
