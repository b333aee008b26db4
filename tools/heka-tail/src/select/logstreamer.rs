// SPDX-License-Identifier: MIT OR Apache-2.0
//! Heka's Logstreamer selection: a regular expression over a directory tree, whose named groups
//! assign files to streams and order them.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use regex::bytes::{Captures, Regex};

use super::find::Candidate;
use super::glob::Exclusion;
use super::tree::Tree;
use crate::few::Few;
use crate::follow::pairs::redundant;
use crate::follow::{Identity, Name};
use crate::reported::tell_output;
use heka_core::codec::regular;
use heka_core::os::clock;
use heka_core::report::{self, Cause as _};

/// The parts of a selection, as typed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    /// The root of the tree.
    pub(crate) directory: PathBuf,
    /// Selects files: a regular expression for the rest of the path.
    pub(crate) file_match: String,
    /// Named groups, most important first, whose values order the files of a stream, oldest first;
    /// a leading `^` reverses the order.
    pub(crate) priority: Vec<String>,
    /// Names of groups and fixed texts that form a stream's name.
    pub(crate) differentiator: Vec<String>,
    /// Values of groups' texts (in lower case) for the order; `missing` is for a group without
    /// text.
    pub(crate) translation: HashMap<String, HashMap<String, i64>>,
    /// Maximum age of the last write; older files are skipped.
    pub(crate) oldest: Option<Duration>,
}

/// A selection of files, grouped into streams.
#[derive(Debug)]
pub(crate) struct Selection {
    selector: Selector,
    pattern: Regex,
    exclusion: Exclusion,
    told: RefCell<BTreeSet<PathBuf>>,
    tree: RefCell<Tree>,
}

/// The streams of a selection.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Names and newest files of the streams.
    pub(crate) streams: Vec<(Name, Arc<Path>)>,
    /// Descriptions of streams whose files cannot be ordered.
    pub(crate) errors: Vec<String>,
    /// All directories of the tree, or the new ones.
    pub(crate) directories: Vec<PathBuf>,
    /// Files that are skipped because they are too old.
    pub(crate) old: Vec<PathBuf>,
}

impl Selection {
    /// Validates a selector.
    ///
    /// # Errors
    /// A description of what is wrong.
    pub(crate) fn new(mut selector: Selector, exclusion: Exclusion) -> Result<Self, String> {
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
        let (told, tree) = (RefCell::default(), RefCell::default());
        Ok(Self { selector, pattern, exclusion, told, tree })
    }

    /// Scans the whole tree.
    pub(crate) fn find(&self) -> Found {
        let mut tree = self.tree.borrow_mut();
        tree.retain_directories();
        let mut found = Found::default();
        self.walk(&self.selector.directory, &mut tree, &mut found);
        self.tell_old(found.old.iter());
        for (name, paths) in tree.streams() {
            self.take(name, paths, &mut found);
        }
        found
    }

    /// Checks what has appeared at or disappeared from `path`; returns the names of the streams
    /// concerned.
    pub(crate) fn gain(&self, path: &Path) -> Found {
        let mut tree = self.tree.borrow_mut();
        let mut found = Found::default();
        let is_dir = std::fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
        let names = if is_dir {
            self.walk(path, &mut tree, &mut found);
            tree.streams_below(path)
        } else {
            tree.remove(path);
            let stream = self.classify(path, &mut found.old);
            stream.map_or_else(Vec::new, |stream| vec![tree.insert(path, &stream)])
        };
        self.tell_old(found.old.iter());
        for name in names {
            if let Some(paths) = tree.paths(&name) {
                self.take(&name, paths, &mut found);
            }
        }
        found
    }

    /// Adds a stream to the results.
    fn take(&self, name: &Name, paths: &Few<Arc<Path>>, found: &mut Found) {
        if paths.len() > 1 && self.selector.priority.is_empty() {
            let files = self.ordered(paths);
            if files.len() > 1 {
                found.errors.push(format!(
                    "stream '{name}' has {} files and there is no priority to sort them by",
                    files.len()
                ));
                return;
            }
        }
        let newest = paths.iter().max_by(|a, b| self.compare(&self.values(a), &self.values(b)));
        found.streams.extend(newest.map(|newest| (name.clone(), Arc::clone(newest))));
    }

    /// Sets the regular file that the records are written to, if they are.
    pub(crate) fn set_output(&mut self, output: Option<Identity>) {
        self.exclusion.set_output(output);
    }

    /// Returns the files of one stream, oldest first, after checking the tree for changes.
    pub(crate) fn files_of(&self, name: &Name) -> Vec<Candidate> {
        let mut tree = self.tree.borrow_mut();
        for directory in tree.directories_of(name) {
            if tree.has_changed(&directory) {
                self.read(&directory, &mut tree, &mut Found::default());
            }
        }
        tree.paths(name).map_or_else(Vec::new, |paths| self.ordered(paths))
    }

    /// Returns the known files of one stream, oldest first.
    pub(crate) fn known_files_of(&self, name: &Name) -> Vec<Candidate> {
        let tree = self.tree.borrow();
        tree.paths(name).map_or_else(Vec::new, |paths| self.ordered(paths))
    }

    /// Returns the newest known file of a stream.
    pub(crate) fn newest_of(&self, name: &Name) -> Option<Candidate> {
        let tree = self.tree.borrow();
        self.ordered(tree.paths(name)?).pop()
    }

    /// Sorts files, oldest first.
    fn ordered(&self, paths: &Few<Arc<Path>>) -> Vec<Candidate> {
        let mut files: Vec<_> = paths.iter().filter_map(|path| Candidate::at(path)).collect();
        let redundant = redundant(&files);
        files.retain(|file| !redundant.contains(&file.path));
        let mut files: Vec<_> =
            files.into_iter().map(|file| (self.values(&file.path), file)).collect();
        files.sort_by(|(left, _), (right, _)| self.compare(left, right));
        files.into_iter().map(|(_, file)| file).collect()
    }

    /// Reads everything below `directory`; symlinks to directories are not followed.
    fn walk(&self, directory: &Path, tree: &mut Tree, found: &mut Found) {
        found.directories.push(directory.to_owned());
        for below in self.read(directory, tree, found) {
            self.walk(&below, tree, found);
        }
    }

    /// Reads a directory; returns its subdirectories by name.
    fn read(&self, directory: &Path, tree: &mut Tree, found: &mut Found) -> BTreeSet<PathBuf> {
        tree.begin(directory);
        let mut below = BTreeSet::new();
        let Ok(entries) = std::fs::read_dir(directory) else { return below };
        for entry in entries.flatten() {
            let Ok(file_type) = entry.file_type() else { continue };
            let path = entry.path();
            if file_type.is_dir() {
                below.insert(path);
            } else if let Some(stream) = self.classify(&path, &mut found.old) {
                tree.insert(&path, &stream);
            }
        }
        below
    }

    /// Returns the stream of the file at `path`, if it exists and is selected.
    fn classify(&self, path: &Path, old: &mut Vec<PathBuf>) -> Option<String> {
        let captures = self.pattern.captures(path.to_str()?.as_bytes())?;
        if self.exclusion.is_output(path) {
            if self.told.borrow_mut().insert(path.to_owned()) {
                tell_output(path);
            }
            return None;
        }
        if self.exclusion.has(path) {
            return None;
        }
        let file = Candidate::at(path)?;
        if file.modified < oldest_time(self.selector.oldest) {
            old.push(path.to_owned());
            return None;
        }
        Some(self.stream_of(&captures))
    }

    fn tell_old<'a>(&self, old: impl Iterator<Item = &'a PathBuf>) {
        let old = old.filter(|path| self.is_news(path)).count();
        if old > 0 {
            let directory = self.selector.directory.display();
            let s = if old == 1 { "" } else { "s" };
            report::warning(format_args!(
                "{directory}: {old} file{s} skipped, older than --oldest (--verbose names them)"
            ));
        }
    }

    /// Whether a file is skipped for the first time.
    fn is_news(&self, path: &Path) -> bool {
        let is_news = self.told.borrow_mut().insert(path.to_owned());
        if is_news {
            report::note(format_args!("{}: skipped, older than --oldest", path.display()));
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

    /// Returns the values by which a file is sorted.
    fn values(&self, path: &Path) -> Vec<i64> {
        let captures = path.to_str().and_then(|text| self.pattern.captures(text.as_bytes()));
        let groups = self.selector.priority.iter().map(|group| group.trim_start_matches('^'));
        groups
            .map(|group| {
                let text = captures.as_ref().and_then(|captures| text_of(captures, group));
                self.value(group, text.unwrap_or_default())
            })
            .collect()
    }

    /// Returns the value of a group's text: a month, a day, a translation, a number, otherwise -1.
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

/// Returns the text that a group has matched.
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

/// Returns the index of a name, or of its first three letters, in `names`.
fn index_of(names: &[&str], text: &str) -> Option<i64> {
    let is = |name: &&str| *name == text || name.get(..3) == Some(text);
    names.iter().position(is).and_then(|index| i64::try_from(index).ok())
}

/// Returns the time before which a last write is too old; nanoseconds since 1970.
pub(crate) fn oldest_time(oldest: Option<Duration>) -> u64 {
    let now = u64::try_from(clock::now_ns()).unwrap_or(0);
    oldest.map_or(0, |oldest| {
        now.saturating_sub(u64::try_from(oldest.as_nanos()).unwrap_or(u64::MAX))
    })
}

/// Parses a translation, `GROUP:TEXT=NUMBER`.
///
/// # Errors
/// A description of what is wrong.
pub(crate) fn parse_translation(text: &str) -> Result<(String, String, i64), String> {
    let parse = || {
        let (group, rest) = text.split_once(':')?;
        let (value, number) = rest.rsplit_once('=')?;
        Some((group.to_owned(), value.to_lowercase(), number.parse().ok()?))
    };
    parse().ok_or_else(|| "expected GROUP:TEXT=NUMBER".to_owned())
}
