// SPDX-License-Identifier: MIT OR Apache-2.0
//! The files that a log was rotated into, recognised by their names: `app.log.1`, `app.log.2.gz`,
//! `app.log-20261121`, `app-20261121.log`, `app.log.old`.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::path::Path;

use super::packed::unpacked_name;
use super::pairs::redundant;
use crate::select::find::Candidate;
use crate::select::listing::Listing;

/// The addition to the log's name in a rotated file's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// A small number: larger is older, unless the files' times say otherwise.
    Number(u32),
    /// A date, a time or a number with leading zeros: smaller is older.
    Date(String),
    /// `old`, or a word that says nothing about the order.
    Word,
}

/// Which names count as those of rotated files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// Those with a mark after a separator.
    Marked,
    /// All that begin with the log's name.
    Any,
}

const SEPARATORS: [char; 3] = ['.', '-', '_'];

/// Returns the files in `directory` that a log called `name` was rotated into, in no particular
/// order.
pub(crate) fn rotated_in(directory: &Path, name: &str, width: Width) -> Vec<(Mark, Candidate)> {
    let Ok(listing) = Listing::of(directory) else { return Vec::new() };
    let mut found = Vec::new();
    let mut met = HashSet::new();
    for (from, to) in ranges(name, width) {
        for other in listing.between(&from, &to) {
            if let Some(mark) = other.to_str().and_then(|other| mark(name, other, width))
                && met.insert(other)
                && let Some(file) = Candidate::at(&directory.join(other))
            {
                found.push((mark, file));
            }
        }
    }
    let redundant = redundant(found.iter().map(|(_, file)| file));
    found.retain(|(_, file)| !redundant.contains(&file.path));
    found
}

/// Returns the ranges of names that the files may have, which exclude most of a large directory.
fn ranges(name: &str, width: Width) -> Vec<(String, String)> {
    if width == Width::Any {
        return vec![(name.to_owned(), format!("{name}\u{10ffff}"))];
    }
    let stem = name.rsplit_once('.').map(|(stem, _)| stem);
    let names = [Some(name), stem].into_iter().flatten();
    let range = |name: &str, from: &str, to: &str| (format!("{name}{from}"), format!("{name}{to}"));
    let of = |name| {
        let ends = [("-0", "-:"), (".0", ".:"), ("_0", "_:")];
        let words = [("-old", "-ole"), (".old", ".ole"), ("_old", "_ole")];
        ends.into_iter().chain(words).map(move |(from, to)| range(name, from, to))
    };
    names.flat_map(of).collect()
}

/// Returns the names of logs that a file called `name` may have been rotated from, most likely
/// first.
pub(crate) fn logs_of(name: &str) -> Vec<String> {
    let name = unpacked_name(name);
    let marked = |text: &str| -> Vec<usize> {
        let places = text.match_indices(SEPARATORS).map(|(at, _)| at);
        places.filter(|&at| text.get(at..).and_then(read_mark).is_some()).collect()
    };
    let cut = |text: &str, at: usize| text.get(..at).unwrap_or_default().to_owned();
    let mut logs: Vec<String> = marked(name).into_iter().map(|at| cut(name, at)).collect();
    if let Some((front, extension)) = name.rsplit_once('.') {
        let middles = marked(front).into_iter();
        logs.extend(middles.map(|at| format!("{}.{extension}", cut(front, at))));
    }
    logs.retain(|log| !log.is_empty());
    logs
}

/// Sorts rotated files, oldest first.
pub(crate) fn order(found: &mut [(Mark, Candidate)], live: Option<&Candidate>) {
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

/// Whether files with falling numbers are each younger than the next, since each rotation uses the
/// next number. A copy of a directory, whose files have the times of the copying, must not be
/// mistaken for that: there, the log itself comes before its rotated files.
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

/// Returns the mark of `other`, a name beside `name`, if it looks like a rotation.
fn mark(name: &str, other: &str, width: Width) -> Option<Mark> {
    if name == other {
        return None;
    }
    let other = unpacked_name(other);
    if let Some(rest) = other.strip_prefix(name) {
        let any = || if rest.is_empty() { None } else { read_number(rest).or(Some(Mark::Word)) };
        return read_mark(rest).or_else(|| if width == Width::Any { any() } else { None });
    }
    let (stem, extension) = name.rsplit_once('.')?;
    let middle = other.strip_prefix(stem)?.strip_suffix(extension)?.strip_suffix('.')?;
    read_mark(middle)
}

fn read_mark(text: &str) -> Option<Mark> {
    let text = text.strip_prefix(SEPARATORS)?;
    if text == "old" { Some(Mark::Word) } else { read_number(text) }
}

fn read_number(text: &str) -> Option<Mark> {
    let is_date = |c: char| c.is_ascii_digit() || matches!(c, '-' | '_' | '.' | ':' | 'T' | 'Z');
    if !text.starts_with(|c: char| c.is_ascii_digit()) || !text.chars().all(is_date) {
        return None;
    }
    // Leading zeros mean that the numbers count up.
    let is_padded = text.starts_with('0') && text.len() > 1;
    match text.parse() {
        Ok(number) if text.len() <= 5 && !is_padded => Some(Mark::Number(number)),
        _ => Some(Mark::Date(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::follow::Identity;

    #[test]
    fn numbers_fall_or_rise() {
        let file = |number: u64, born, modified| {
            let identity = Identity { device: 1, inode: number, born };
            let path = PathBuf::from(format!("app.log.{number}"));
            (
                Mark::Number(u32::try_from(number).unwrap()),
                Candidate { path, identity, modified, len: 1 },
            )
        };
        let order = |mut files: Vec<(Mark, Candidate)>, live: u64| -> Vec<u64> {
            let (_, live) = file(0, live, live);
            order(&mut files, Some(&live));
            files.iter().map(|(_, file)| file.identity.inode).collect()
        };
        assert_eq!(order(vec![file(1, 30, 40), file(2, 10, 20)], 50), [2, 1]);
        assert_eq!(order(vec![file(6, 30, 40), file(5, 10, 20), file(7, 40, 50)], 50), [5, 6, 7]);
        // A compressed file has the birth time of its compression; late lines overlap.
        assert_eq!(order(vec![file(1, 30, 40), file(2, 45, 35)], 50), [2, 1]);
        // Copied in order of their names.
        assert_eq!(order(vec![file(1, 20, 20), file(2, 30, 30)], 10), [2, 1]);
        assert_eq!(order(vec![file(1, 20, 20), file(2, 20, 20)], 10), [2, 1]);
    }

    #[test]
    fn rotated_names_are_told_from_neighbours() {
        let of = |other| mark("app.log", other, Width::Marked);
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

    #[test]
    fn a_rotated_file_tells_its_log() {
        for (name, log) in [
            ("app.log.1", "app.log"),
            ("app.log-20261121.gz", "app.log"),
            ("app-2026-11-21.log", "app.log"),
            ("app.1.log", "app.log"),
            ("0.log.20261129-120001", "0.log"),
        ] {
            assert!(logs_of(name).iter().any(|found| found == log), "{name}: {:?}", logs_of(name));
            assert!(mark(log, name, Width::Marked).is_some(), "{name}");
        }
        assert!(logs_of("app-error.log").is_empty());
        assert_eq!(mark("app.log", "app.log1", Width::Any), Some(Mark::Number(1)));
        let padded = Mark::Date("00002".to_owned());
        assert_eq!(mark("app.log", "app.log00002.gz", Width::Any), Some(padded));
        assert_eq!(mark("app.log", "app.log", Width::Any), None);
    }
}
