// SPDX-License-Identifier: MIT OR Apache-2.0
//! Operands: a file, a directory (the files in it), or a shell pattern (`*`, `?`, `[a-z]`, `**`),
//! which is matched again when directories change.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::glob::Glob;
use crate::follow::packed::has_packed_name;

/// One operand.
#[derive(Clone, Debug)]
pub(crate) enum Operand {
    /// One file, which need not exist.
    File(PathBuf),
    /// The files in a directory.
    Directory(PathBuf, Glob),
    /// The files below a directory whose path from there matches the pattern.
    Pattern(PathBuf, Glob),
}

/// The result of matching operands.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Files, by name, including dangling symlinks.
    pub(crate) files: BTreeSet<PathBuf>,
    /// Directories in which more may appear.
    pub(crate) directories: Vec<PathBuf>,
}

impl Operand {
    /// Interprets an operand. An existing path is used literally; a path with a trailing slash is a
    /// directory even if it does not exist yet.
    pub(crate) fn new(path: &Path) -> Self {
        let is_slashed = path.as_os_str().as_encoded_bytes().ends_with(b"/");
        if path.is_dir() || (is_slashed && !path.exists()) {
            return Self::Directory(path.to_owned(), Glob::all());
        }
        let is_wild =
            |part: &Component<'_>| part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
        if path.exists() || !path.components().any(|part| is_wild(&part)) {
            return Self::File(path.to_owned());
        }
        let root: PathBuf = path.components().take_while(|part| !is_wild(part)).collect();
        let parts = path.components().skip_while(|part| !is_wild(part));
        match Glob::new(parts.map(|part| part.as_os_str().to_string_lossy())) {
            Some(glob) => Self::Pattern(root, glob),
            None => Self::File(path.to_owned()),
        }
    }

    /// Whether more files may match later.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self, Self::File(_))
    }

    /// Finds the matching files. Hidden files are skipped.
    pub(crate) fn scan(&self) -> Scan {
        let mut scan = Scan::default();
        match self {
            Self::File(path) => drop(scan.files.insert(path.clone())),
            Self::Directory(root, glob) | Self::Pattern(root, glob) => {
                let directory = if root.as_os_str().is_empty() { Path::new(".") } else { root };
                self.descend(directory, glob, &mut Vec::new(), &mut scan);
            }
        }
        scan
    }

    /// Checks what has appeared at `path`.
    pub(crate) fn gain(&self, path: &Path) -> Scan {
        let mut scan = Scan::default();
        let (Self::Directory(root, glob) | Self::Pattern(root, glob)) = self else { return scan };
        let is_here = root.as_os_str().is_empty() || root == Path::new(".");
        let path = if is_here { path.strip_prefix(".").unwrap_or(path) } else { path };
        let rest = if is_here { Ok(path) } else { path.strip_prefix(root) };
        let Ok(rest) = rest else { return scan };
        let mut names: Vec<String> =
            rest.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
        if names.is_empty() {
            let directory = if is_here { Path::new(".") } else { path };
            self.descend(directory, glob, &mut names, &mut scan);
        } else if names.iter().all(|name| !name.starts_with('.')) {
            let file_type = std::fs::symlink_metadata(path).map(|found| found.file_type());
            if let Ok(file_type) = file_type {
                self.see(path, file_type, glob, &mut names, &mut scan);
            }
        }
        scan
    }

    fn descend(&self, directory: &Path, glob: &Glob, names: &mut Vec<String>, scan: &mut Scan) {
        scan.directories.push(directory.to_owned());
        let Ok(entries) = std::fs::read_dir(directory) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let Ok(file_type) = entry.file_type() else { continue };
            let is_here = directory == Path::new(".");
            let path = if is_here { PathBuf::from(&name) } else { entry.path() };
            names.push(name.to_string_lossy().into_owned());
            self.see(&path, file_type, glob, names, scan);
            names.pop();
        }
    }

    fn see(
        &self,
        path: &Path,
        file_type: std::fs::FileType,
        glob: &Glob,
        names: &mut Vec<String>,
        scan: &mut Scan,
    ) {
        let fit = glob.fit(names);
        let is_packed = matches!(self, Self::Directory(..)) && has_packed_name(path);
        let is_dir =
            file_type.is_dir() || (file_type.is_symlink() && !glob.is_recursive() && path.is_dir());
        if is_dir && fit.below {
            return self.descend(path, glob, names, scan);
        }
        let is_file = file_type.is_file()
            // The target may appear later.
            || (file_type.is_symlink() && std::fs::metadata(path).map_or(true, |to| to.is_file()));
        if is_file && fit.whole && !is_packed {
            scan.files.insert(path.to_owned());
        }
    }
}
