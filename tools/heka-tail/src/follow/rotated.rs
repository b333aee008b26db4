// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which files a named log was rotated into, by their names: `app.log.1`, `app.log.2.gz`,
//! `app.log-20261121`, `app-20261121.log`, `app.log.old`.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::identity::{Identity, is_settled, modified};
use crate::select::find::Candidate;

/// What stands in a rotated file's name in addition to the log's.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mark {
    /// A small number: the larger, the older, unless the files' times say otherwise.
    Number(u32),
    /// A date or a time: the smaller, the older.
    Date(String),
    /// `old`.
    Word,
}

/// The files that the log at `path` was rotated into, oldest first, and that log itself last if it
/// is there.
pub(crate) fn files_of(path: &Path) -> Vec<Candidate> {
    let mut found = rotated(path);
    let live = Candidate::at(path);
    order(&mut found, live.as_ref());
    let mut files: Vec<Candidate> = found.into_iter().map(|(_, candidate)| candidate).collect();
    files.extend(live);
    files
}

/// Whether the file at `path` has the name of one that the log at `log` was rotated into.
pub(crate) fn is_rotated_from(log: &Path, path: &Path) -> bool {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    name(log).zip(name(path)).is_some_and(|(log, path)| mark(&log, &path).is_some())
}

fn rotated(path: &Path) -> Vec<(Mark, Candidate)> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str()))
    else {
        return Vec::new();
    };
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let Ok(names) = names_in(dir) else { return Vec::new() };
    let mut found: Vec<(Mark, Candidate)> = names
        .iter()
        .filter_map(|other| {
            // Most files of a large directory are told apart by this alone.
            if !other.as_bytes().starts_with(stem.as_bytes()) {
                return None;
            }
            let mark = mark(name, other.to_str()?)?;
            Some((mark, Candidate::at(&dir.join(other))?))
        })
        .collect();
    let paths: HashSet<PathBuf> = found.iter().map(|(_, file)| file.path.clone()).collect();
    found.retain(|(_, file)| !is_being_made(&file.path, &paths));
    found
}

/// What was in a directory when it was read last.
struct Listing {
    directory: PathBuf,
    identity: Identity,
    changed: u64,
    names: Rc<Vec<OsString>>,
}

thread_local! {
    /// Of a thousand logs in one directory each asks for the same names.
    static LISTED: RefCell<Option<Listing>> = const { RefCell::new(None) };
}

/// The names in a directory, which is only read if it has changed since the last call, or may have.
fn names_in(directory: &Path) -> std::io::Result<Rc<Vec<OsString>>> {
    let metadata = std::fs::metadata(directory)?;
    let (identity, changed) = (Identity::of(&metadata), modified(&metadata));
    LISTED.with_borrow_mut(|listed| {
        let is_same = |listing: &&Listing| {
            listing.directory == directory
                && listing.identity == identity
                && listing.changed == changed
        };
        if let Some(listing) = listed.as_ref().filter(is_same) {
            return Ok(Rc::clone(&listing.names));
        }
        let can_keep = is_settled(changed);
        let entries = std::fs::read_dir(directory)?;
        let names = Rc::new(entries.flatten().map(|entry| entry.file_name()).collect());
        let directory = directory.to_owned();
        *listed =
            can_keep.then(|| Listing { directory, identity, changed, names: Rc::clone(&names) });
        Ok(names)
    })
}

/// Whether a compressed file is not complete yet: what it is made from is still there.
pub(crate) fn is_being_made(path: &Path, others: &HashSet<PathBuf>) -> bool {
    path.extension().is_some_and(|extension| extension == "gz")
        && others.contains(&path.with_extension(""))
}

fn order(found: &mut [(Mark, Candidate)], live: Option<&Candidate>) {
    if found.iter().all(|(mark, _)| matches!(mark, Mark::Number(_))) {
        found.sort_by_key(|(mark, candidate)| match mark {
            Mark::Number(number) => (Reverse(*number), candidate.modified),
            Mark::Date(_) | Mark::Word => (Reverse(0), 0),
        });
        if are_rising(found, live) {
            found.reverse();
        }
    } else if found.iter().all(|(mark, _)| matches!(mark, Mark::Date(_))) {
        found.sort_by_key(|(mark, _)| match mark {
            Mark::Date(date) => date.clone(),
            Mark::Number(_) | Mark::Word => String::new(),
        });
    } else {
        found.sort_by_key(|(_, candidate)| candidate.modified);
    }
}

/// Whether files in order of falling numbers are all younger than the next: each rotation takes the
/// next number. A copy of a folder, whose files have the times of the copying, is not taken for
/// that: it has the log itself before its rotated files.
fn are_rising(found: &[(Mark, Candidate)], live: Option<&Candidate>) -> bool {
    let beginning = |file: &Candidate| match file.identity.born {
        0 => file.modified,
        born => born.min(file.modified),
    };
    let is_before = |older: &Candidate, newer: &Candidate| {
        beginning(older) < beginning(newer) && older.modified < newer.modified
    };
    let is_newest = |live: &Candidate| found.iter().all(|(_, file)| file.modified <= live.modified);
    found.len() > 1
        && found.windows(2).all(|pair| matches!(pair, [(_, a), (_, b)] if is_before(b, a)))
        && live.is_none_or(is_newest)
}

/// What `other` has in its name beside `name`, if that looks like a rotation.
fn mark(name: &str, other: &str) -> Option<Mark> {
    let other = other.strip_suffix(".gz").unwrap_or(other);
    if let Some(rest) = other.strip_prefix(name) {
        return read_mark(rest);
    }
    let (stem, extension) = name.rsplit_once('.')?;
    let middle = other.strip_prefix(stem)?.strip_suffix(extension)?.strip_suffix('.')?;
    read_mark(middle)
}

fn read_mark(text: &str) -> Option<Mark> {
    let text = text.strip_prefix(['.', '-', '_'])?;
    if text == "old" {
        return Some(Mark::Word);
    }
    let is_date = |c: char| c.is_ascii_digit() || matches!(c, '-' | '_' | '.' | ':' | 'T' | 'Z');
    if !text.starts_with(|c: char| c.is_ascii_digit()) || !text.chars().all(is_date) {
        return None;
    }
    match text.parse() {
        Ok(number) if text.len() <= 5 => Some(Mark::Number(number)),
        _ => Some(Mark::Date(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fall_or_rise() {
        let file = |number: u64, born, modified| {
            let identity = Identity { device: 1, inode: number, born };
            let path = PathBuf::from(format!("app.log.{number}"));
            (Mark::Number(u32::try_from(number).unwrap()), Candidate { path, identity, modified })
        };
        let order = |mut files: Vec<(Mark, Candidate)>, live: u64| -> Vec<u64> {
            let (_, live) = file(0, live, live);
            order(&mut files, Some(&live));
            files.iter().map(|(_, file)| file.identity.inode).collect()
        };
        assert_eq!(order(vec![file(1, 30, 40), file(2, 10, 20)], 50), [2, 1]);
        assert_eq!(order(vec![file(6, 30, 40), file(5, 10, 20), file(7, 40, 50)], 50), [5, 6, 7]);
        // A compressed file has the birth of its compression; late lines overlap.
        assert_eq!(order(vec![file(1, 30, 40), file(2, 45, 35)], 50), [2, 1]);
        // Copied in order of their names.
        assert_eq!(order(vec![file(1, 20, 20), file(2, 30, 30)], 10), [2, 1]);
        assert_eq!(order(vec![file(1, 20, 20), file(2, 20, 20)], 10), [2, 1]);
    }

    #[test]
    fn rotated_names_are_told_from_neighbours() {
        let of = |other| mark("app.log", other);
        assert_eq!(of("app.log.1"), Some(Mark::Number(1)));
        assert_eq!(of("app.log.12.gz"), Some(Mark::Number(12)));
        assert_eq!(of("app.log-20261121.gz"), Some(Mark::Date("20261121".to_owned())));
        assert_eq!(of("app-2026-11-21.log"), Some(Mark::Date("2026-11-21".to_owned())));
        assert_eq!(of("app.1.log"), Some(Mark::Number(1)));
        assert_eq!(of("app.log.old"), Some(Mark::Word));
        for other in
            ["app.log", "app-error.log", "app.log.swp", "app.log2", "app.log.", "xapp.log.1"]
        {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
