// SPDX-License-Identifier: MIT OR Apache-2.0
//! The required order of lines.

use std::collections::HashSet;

use super::writer::Begun;

/// Returns the lines that came before others that were written earlier. Lines of a file come in
/// order, and before those of the next, unless its writer was late.
pub(super) fn out_of_order(read: &[u64], begun: &[Begun]) -> Vec<u64> {
    let mut latest = None;
    let mut late = Vec::new();
    let mut known = HashSet::new();
    for &line in read {
        // Lines repeated after a kill are already in place.
        if !known.insert(line) {
            continue;
        }
        let newest = latest.filter(|latest| *latest > line);
        if newest.is_some_and(|newest| !may_come_after(line, newest, begun)) {
            late.push(line);
        }
        latest = latest.max(Some(line));
    }
    late
}

/// Whether a line may come after a newer one: it was written late to a file, and the newer one is
/// in another file.
fn may_come_after(line: u64, newer: u64, begun: &[Begun]) -> bool {
    begun.iter().any(|next| (next.late..next.first).contains(&line) && newer >= next.first)
}

#[test]
fn only_late_lines_may_come_late() {
    let begun = [Begun { late: 1, first: 2 }];
    assert!(out_of_order(&[0, 1, 2, 0, 3], &begun).is_empty());
    assert!(out_of_order(&[0, 2, 1, 3], &begun).is_empty());
    assert_eq!(out_of_order(&[0, 2, 1], &[]), [1]);
    assert_eq!(out_of_order(&[1, 0, 2], &begun), [0], "in one file");
    assert_eq!(out_of_order(&[1, 2, 0], &begun), [0], "it was not late");
}
