// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a user may name to be followed: a file, a directory (the files in it), a pattern as the
//! shell has it (`*`, `?`, `[a-z]`), which is matched again when directories change.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use regex::Regex;

use crate::follow::rotated::is_rotated_from;

/// One operand.
#[derive(Clone, Debug)]
pub(crate) enum Operand {
    /// One file, whether it is there or not.
    File(PathBuf),
    /// The files in a directory.
    Directory(PathBuf),
    /// The files that a pattern matches: a root without wildcards, and one expression for each
    /// component behind it.
    Pattern(PathBuf, Vec<Regex>),
}

impl Operand {
    /// Looks at what was typed. A path that is there is taken as it is, and what ends with a slash
    /// is a directory, also before it is there.
    pub(crate) fn new(path: &Path) -> Self {
        let is_slashed = path.as_os_str().as_encoded_bytes().ends_with(b"/");
        if path.is_dir() || (is_slashed && !path.exists()) {
            return Self::Directory(path.to_owned());
        }
        let is_wild =
            |part: &Component<'_>| part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
        if path.exists() || !path.components().any(|part| is_wild(&part)) {
            return Self::File(path.to_owned());
        }
        let root: PathBuf = path.components().take_while(|part| !is_wild(part)).collect();
        let parts = path.components().skip_while(|part| !is_wild(part));
        match parts.map(|part| expression(&part.as_os_str().to_string_lossy())).collect() {
            Some(parts) => Self::Pattern(root, parts),
            None => Self::File(path.to_owned()),
        }
    }

    /// Whether more files may come to belong to it.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self, Self::File(_))
    }

    /// Looks for what it means now. Rotated files are left to the log that they come from; hidden
    /// ones and compressed ones are left out.
    pub(crate) fn scan(&self) -> Scan {
        let mut scan = Scan::default();
        let mut files = BTreeSet::new();
        match self {
            Self::File(path) => drop(files.insert(path.clone())),
            Self::Directory(path) => {
                scan.directories.push(path.clone());
                files.extend(list(path).into_iter().filter(|path| {
                    path.is_file() && path.extension().is_none_or(|extension| extension != "gz")
                }));
            }
            Self::Pattern(root, parts) => {
                let root = if root.as_os_str().is_empty() { Path::new(".") } else { root };
                descend(root, parts, &mut files, &mut scan.directories);
            }
        }
        if self.is_open() {
            let (readable, compressed): (_, BTreeSet<_>) =
                files.into_iter().partition(|path| !is_foreign(path));
            files = readable;
            scan.left_out.extend(compressed.into_iter().map(LeftOut::Compressed));
            files = without_rotated(&files, &mut scan.left_out);
        }
        scan.files = files;
        scan
    }
}

/// What an operand means.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Files, by name.
    pub(crate) files: BTreeSet<PathBuf>,
    /// Directories where more may appear.
    pub(crate) directories: Vec<PathBuf>,
    /// What somebody may miss.
    pub(crate) left_out: Vec<LeftOut>,
}

/// A file that is not followed though it may be meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LeftOut {
    /// It is compressed, not with gzip.
    Compressed(PathBuf),
    /// It has a number where rotation puts one, but some programs too: `worker-1.log`.
    Numbered {
        /// The file.
        path: PathBuf,
        /// The log that it seems to come from.
        log: PathBuf,
    },
}

/// Whether a file is compressed in a way that is not read.
fn is_foreign(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| ["xz", "bz2", "zst", "lz4", "Z"].contains(&extension))
}

fn descend(
    directory: &Path,
    parts: &[Regex],
    files: &mut BTreeSet<PathBuf>,
    directories: &mut Vec<PathBuf>,
) {
    let Some((part, rest)) = parts.split_first() else { return };
    directories.push(directory.to_owned());
    for path in list(directory) {
        if !path.file_name().is_some_and(|name| part.is_match(&name.to_string_lossy())) {
            continue;
        }
        if rest.is_empty() {
            if path.is_file() {
                files.insert(path);
            }
        } else if path.is_dir() {
            descend(&path, rest, files, directories);
        }
    }
}

/// Everything in a directory that is not hidden.
fn list(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let is_hidden = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
    };
    let paths = entries.flatten().map(|entry| {
        let is_here = directory == Path::new(".");
        if is_here { PathBuf::from(entry.file_name()) } else { entry.path() }
    });
    paths.filter(|path| !is_hidden(path)).collect()
}

fn without_rotated(files: &BTreeSet<PathBuf>, left_out: &mut Vec<LeftOut>) -> BTreeSet<PathBuf> {
    let mut kept = BTreeSet::new();
    for path in files {
        let is_source = |other: &&PathBuf| {
            other.parent() == path.parent() && *other != path && is_rotated_from(other, path)
        };
        match files.iter().find(is_source) {
            None => drop(kept.insert(path.clone())),
            Some(log) if path.extension() == log.extension() => {
                left_out.push(LeftOut::Numbered { path: path.clone(), log: log.clone() });
            }
            Some(_) => {}
        }
    }
    kept
}

/// A shell pattern for one component as an expression; `None` if it is none.
fn expression(pattern: &str) -> Option<Regex> {
    let mut text = String::from("^");
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            '*' => text.push_str(".*"),
            '?' => text.push('.'),
            '[' => {
                let (set, after) = rest.as_str().split_once(']')?;
                let (negated, set) = match set.strip_prefix(['!', '^']) {
                    Some(set) => ("^", set),
                    None => ("", set),
                };
                let set = set.replace('\\', "\\\\").replace('[', "\\[").replace('&', "\\&");
                text += &format!("[{negated}{set}]");
                rest = after.chars();
            }
            _ => text.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    Regex::new(&(text + "$")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_the_shell() {
        let matches = |pattern, name| expression(pattern).is_some_and(|re| re.is_match(name));
        assert!(matches("*.log", "a.log"));
        assert!(!matches("*.log", "a.logs"));
        assert!(matches("a?[0-9].l", "ab7.l"));
        assert!(!matches("[!a]x", "ax"));
        assert!(matches("[!a]x", "bx"));
        assert!(expression("[a").is_none());
    }

    #[test]
    fn rotated_files_belong_to_their_log() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.log", "a.log.1", "a.log.2.gz", "b.log.1", ".hidden", "c.gz", "a.log.3.xz"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let names = |operand: &Operand| -> Vec<String> {
            let files = operand.scan().files;
            files.iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect()
        };
        assert_eq!(names(&Operand::new(dir.path())), ["a.log", "b.log.1"]);
        assert_eq!(names(&Operand::new(&dir.path().join("a.l*"))), ["a.log"]);
    }
}
