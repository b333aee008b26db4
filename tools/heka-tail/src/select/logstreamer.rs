// SPDX-License-Identifier: MIT OR Apache-2.0
//! Heka's Logstreamer selection: a regular expression over a directory tree, whose named groups
//! put files into streams and order them.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use regex::bytes::{Captures, Regex};

use super::find::Candidate;
use crate::follow::rotated::is_being_made;
use heka_core::codec::regular;
use heka_core::os::clock;
use heka_core::report::{self, Cause as _};

/// What a selection is made of, as typed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    /// The tree to look through.
    pub(crate) directory: PathBuf,
    /// The files in it: a regular expression over the rest of the path.
    pub(crate) file_match: String,
    /// Named groups, most important first, whose values put the files of a stream in order, oldest
    /// first; `^` in front turns that round.
    pub(crate) priority: Vec<String>,
    /// Names of groups and fixed texts that make up a stream's name.
    pub(crate) differentiator: Vec<String>,
    /// Values of groups' texts (in lower case) for the order, `missing` for a group without text.
    pub(crate) translation: HashMap<String, HashMap<String, i64>>,
    /// Files that were last written longer ago are left out.
    pub(crate) oldest: Option<Duration>,
}

/// A selection of files, put into streams.
#[derive(Debug)]
pub(crate) struct Selection {
    selector: Selector,
    pattern: Regex,
    told: RefCell<BTreeSet<PathBuf>>,
    /// The tree as it was when it was looked through last.
    tree: RefCell<Option<Tree>>,
}

#[derive(Debug, Default)]
struct Tree {
    streams: BTreeMap<String, Vec<(Vec<i64>, Candidate)>>,
    directories: Vec<PathBuf>,
}

/// The streams of a selection.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Their names and newest files.
    pub(crate) streams: Vec<(String, PathBuf)>,
    /// Words on those whose files cannot be put in order.
    pub(crate) errors: Vec<String>,
    /// All directories of the tree.
    pub(crate) directories: Vec<PathBuf>,
}

impl Selection {
    /// Checks a selector.
    ///
    /// # Errors
    /// Words on what is wrong with it.
    pub(crate) fn new(mut selector: Selector) -> Result<Self, String> {
        let directory = &selector.directory;
        let real = std::fs::canonicalize(directory)
            .map_err(|error| format!("{}: {}", directory.display(), error.cause()))?;
        let root = real.to_str().ok_or("the directory's name is not UTF-8")?;
        let slash = if selector.file_match.starts_with('/') { "" } else { "/" };
        let end = if selector.file_match.ends_with('$') { "" } else { "$" };
        let pattern = format!("^{}{slash}{}{end}", regex::escape(root), selector.file_match);
        let pattern = regular::compile(&pattern).map_err(|mistake| mistake.to_string())?;
        selector.directory = real;
        let groups: Vec<&str> = pattern.capture_names().flatten().collect();
        for group in selector.priority.iter().map(|group| group.trim_start_matches('^')) {
            if !groups.contains(&group) {
                return Err(format!("the file match has no group '{group}' to sort by"));
            }
        }
        for (group, values) in &selector.translation {
            if values.len() == 1 && !values.contains_key("missing") {
                return Err(format!("a translation of '{group}' to one value must have 'missing'"));
            }
        }
        Ok(Self { selector, pattern, told: RefCell::default(), tree: RefCell::default() })
    }

    /// What is there now.
    pub(crate) fn find(&self) -> Found {
        let tree = self.scan();
        let mut found = Found::default();
        for (name, files) in &tree.streams {
            if files.len() > 1 && self.selector.priority.is_empty() {
                found.errors.push(format!(
                    "stream '{name}' has {} files and there is no priority to sort them by",
                    files.len()
                ));
            } else if let Some((_, newest)) = files.last() {
                found.streams.push((name.clone(), newest.path.clone()));
            }
        }
        found.directories.clone_from(&tree.directories);
        *self.tree.borrow_mut() = Some(tree);
        found
    }

    /// The tree is to be looked through again before [`Selection::newest_of`] answers.
    pub(crate) fn forget(&self) {
        *self.tree.borrow_mut() = None;
    }

    /// The files of one stream, oldest first, as they are now.
    pub(crate) fn files_of(&self, name: &str) -> Vec<Candidate> {
        let files = self.scan().streams.remove(name).unwrap_or_default();
        files.into_iter().map(|(_, file)| file).collect()
    }

    /// The newest file of a stream when the tree was looked through last, which is much cheaper.
    pub(crate) fn newest_of(&self, name: &str) -> Option<Candidate> {
        let mut tree = self.tree.borrow_mut();
        let tree = tree.get_or_insert_with(|| self.scan());
        tree.streams.get(name)?.last().map(|(_, file)| file.clone())
    }

    fn scan(&self) -> Tree {
        let mut tree = Tree::default();
        tree.directories.push(self.selector.directory.clone());
        let mut old = 0;
        let now = u64::try_from(clock::now_ns()).unwrap_or(0);
        let oldest = self.selector.oldest.map_or(0, |oldest| {
            now.saturating_sub(u64::try_from(oldest.as_nanos()).unwrap_or(u64::MAX))
        });
        walk(&self.selector.directory, &mut |path, is_directory| {
            if is_directory {
                return tree.directories.push(path.to_owned());
            }
            let Some(captures) =
                path.to_str().and_then(|text| self.pattern.captures(text.as_bytes()))
            else {
                return;
            };
            let Some(file) = Candidate::at(path) else { return };
            if file.modified < oldest {
                old += u64::from(self.is_news(path));
                return;
            }
            let sort = self.sort_values(&captures);
            tree.streams.entry(self.stream_of(&captures)).or_default().push((sort, file));
        });
        if old > 0 {
            let directory = self.selector.directory.display();
            let s = if old == 1 { "" } else { "s" };
            report::warning(format_args!(
                "{directory}: {old} file{s} left out, older than --oldest (--verbose names them)"
            ));
        }
        for files in tree.streams.values_mut() {
            let paths: HashSet<PathBuf> = files.iter().map(|(_, file)| file.path.clone()).collect();
            files.retain(|(_, file)| !is_being_made(&file.path, &paths));
            files.sort_by(|(left, _), (right, _)| self.compare(left, right));
        }
        tree
    }

    /// Whether a file is left out for the first time.
    fn is_news(&self, path: &Path) -> bool {
        let is_news = self.told.borrow_mut().insert(path.to_owned());
        if is_news {
            report::note(format_args!("{}: left out, older than --oldest", path.display()));
        }
        is_news
    }

    fn stream_of(&self, captures: &Captures<'_>) -> String {
        let parts = self.selector.differentiator.iter();
        parts
            .map(|part| match text_of(captures, part) {
                Some(text) => text,
                None if self.pattern.capture_names().flatten().any(|name| name == part) => "",
                None => part,
            })
            .collect()
    }

    fn sort_values(&self, captures: &Captures<'_>) -> Vec<i64> {
        let groups = self.selector.priority.iter().map(|group| group.trim_start_matches('^'));
        groups
            .map(|group| {
                let text = text_of(captures, group).unwrap_or_default();
                self.value(group, text)
            })
            .collect()
    }

    /// What a group's text is worth: a month, a day, a translation, a number, else -1.
    fn value(&self, group: &str, text: &str) -> i64 {
        let lower = text.to_lowercase();
        let named = match group {
            "MonthName" => index_of(&MONTHS, &lower).map(|month| month + 1),
            "DayName" => index_of(&DAYS, &lower),
            _ => None,
        };
        let translated = || {
            let key = if lower.is_empty() { "missing" } else { &lower };
            self.selector.translation.get(group)?.get(key).copied()
        };
        named.or_else(translated).or_else(|| text.parse().ok()).unwrap_or(-1)
    }

    fn compare(&self, left: &[i64], right: &[i64]) -> Ordering {
        let values = left.iter().zip(right).zip(&self.selector.priority);
        values
            .map(|((left, right), group)| {
                let order = left.cmp(right);
                if group.starts_with('^') { order.reverse() } else { order }
            })
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

/// What a group has matched.
fn text_of<'a>(captures: &Captures<'a>, group: &str) -> Option<&'a str> {
    captures.name(group).and_then(|group| std::str::from_utf8(group.as_bytes()).ok())
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// The place of a name, or of its first three letters, among `names`.
fn index_of(names: &[&str], text: &str) -> Option<i64> {
    let is = |name: &&str| *name == text || name.get(..3) == Some(text);
    names.iter().position(is).and_then(|index| i64::try_from(index).ok())
}

/// Shows everything below `directory`; symlinks to directories are not entered.
fn walk(directory: &Path, see: &mut dyn FnMut(&Path, bool)) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    let mut paths: Vec<(PathBuf, bool)> = entries
        .flatten()
        .filter_map(|entry| Some((entry.path(), entry.file_type().ok()?.is_dir())))
        .collect();
    paths.sort();
    for (path, is_directory) in paths {
        see(&path, is_directory);
        if is_directory {
            walk(&path, see);
        }
    }
}

/// A translation, `GROUP:TEXT=NUMBER`.
///
/// # Errors
/// Words on what is wrong.
pub(crate) fn parse_translation(text: &str) -> Result<(String, String, i64), String> {
    let parse = || {
        let (group, rest) = text.split_once(':')?;
        let (value, number) = rest.rsplit_once('=')?;
        Some((group.to_owned(), value.to_lowercase(), number.parse().ok()?))
    };
    parse().ok_or_else(|| "expected GROUP:TEXT=NUMBER".to_owned())
}
