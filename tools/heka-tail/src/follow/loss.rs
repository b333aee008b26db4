// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reports lost data with the name of the file, and the number of bytes if known.

use std::fmt::Display;
use std::path::Path;

use super::look::Look;
use crate::select::find::Candidate;
use heka_core::report;

/// Reports that this many bytes of the file at `path`, or an unknown number, are lost.
pub(crate) fn tell(look: &mut Look<'_>, path: &Path, cause: impl Display, bytes: Option<u64>) {
    look.lost = true;
    let path = path.display();
    match bytes {
        None => report::error(format_args!("{path}: {cause}; the rest is skipped")),
        Some(1) => report::error(format_args!("{path}: {cause}; 1 byte is lost")),
        Some(bytes) => report::error(format_args!("{path}: {cause}; {bytes} bytes are lost")),
    }
}

/// Removes from `expected` (oldest first) the files that exist in `found`: themselves, or
/// compressed or copied. Returns the rest, which was deleted.
pub(crate) fn deleted(mut expected: Vec<Candidate>, found: &[&Candidate]) -> Vec<Candidate> {
    let is = |file: &Candidate, other: &Candidate| file.identity == other.identity;
    let mut new: Vec<&Candidate> = found.to_vec();
    new.retain(|file| !expected.iter().any(|other| is(file, other)));
    expected.retain(|file| !found.iter().any(|other| is(file, other)));
    // The oldest are deleted first, so the newest have the newest copies.
    let mut deleted = Vec::new();
    while let Some(file) = expected.pop() {
        match new.iter().rposition(|other| other.may_be_made_of(&file)) {
            Some(index) => new.truncate(index),
            None => deleted.push(file),
        }
    }
    deleted.reverse();
    deleted
}
