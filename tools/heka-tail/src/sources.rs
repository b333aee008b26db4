// SPDX-License-Identifier: MIT OR Apache-2.0
//! The set of streams, now and later.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use crate::follow::identity::just_before_now;
use crate::follow::packed::has_foreign_name;
use crate::follow::rotated::logs_of;
use crate::follow::{Identity, Name, Relation, Stream};
use crate::select::find::Candidate;
use crate::select::logstreamer::oldest_time;
use crate::select::operand::Scan as Meant;
use crate::select::{Exclusion, Operand, Selection};
use heka_core::report::{self, Cause as _, Explain as _, Stop};
use std::time::Duration;

use crate::reported::{LeftOut, Reported};

/// The files that the user asked for.
#[derive(Debug)]
pub(crate) struct Sources {
    operands: Vec<Operand>,
    selection: Option<Rc<Selection>>,
    exclusion: Exclusion,
    oldest: Option<Duration>,
    /// The numbers of followed streams, by [`Stream::id`].
    known: HashMap<Arc<Path>, usize>,
    /// Numbers of the operands that have matched a file.
    matched: BTreeSet<usize>,
    reported: Reported,
}

/// A stream that was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) stream: Box<Stream>,
    /// Whether it was discovered rather than named by the user: it may have had another name
    /// before.
    pub(crate) is_met: bool,
}

/// The result of a full or partial scan.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) found: Vec<Found>,
    pub(crate) directories: Vec<PathBuf>,
    /// Descriptions of streams that cannot be read.
    pub(crate) errors: Vec<String>,
    /// Numbers of streams that were affected.
    pub(crate) touched: Vec<usize>,
    /// Numbers of streams that have a rotated file.
    pub(crate) rotated: Vec<usize>,
    /// Files that are skipped until they are written to.
    pub(crate) old: Vec<PathBuf>,
    /// Start of the scan.
    pub(crate) begun: u64,
}

impl Scan {
    fn begin() -> Self {
        Self { begun: just_before_now(), ..Self::default() }
    }
}

/// Returns the relation of the existing streams to a file.
pub(crate) type Related<'a> = &'a dyn Fn(Identity) -> Relation;

impl Sources {
    /// Creates the set of what `files` and the selection name, without `output`.
    pub(crate) fn new(
        files: &[PathBuf],
        (mut selection, mut exclusion): (Option<Selection>, Exclusion),
        oldest: Option<Duration>,
        output: Option<Identity>,
    ) -> Self {
        exclusion.set_output(output);
        if let Some(selection) = &mut selection {
            selection.set_output(output);
        }
        Self {
            operands: files.iter().map(|file| Operand::new(file)).collect(),
            selection: selection.map(Rc::new),
            exclusion,
            oldest,
            known: HashMap::new(),
            matched: BTreeSet::new(),
            reported: Reported::default(),
        }
    }

    /// Whether streams may appear later.
    pub(crate) fn is_open(&self) -> bool {
        self.selection.is_some() || self.operands.iter().any(Operand::is_open)
    }

    /// Returns a missing directory and the cause.
    pub(crate) fn missing(&self) -> Option<(String, String)> {
        self.operands.iter().find_map(|operand| match operand {
            Operand::Directory(path, _) => {
                let error = std::fs::metadata(path).err()?;
                Some((path.display().to_string(), error.cause()))
            }
            _ => None,
        })
    }

    /// Records the number of a stream.
    pub(crate) fn place(&mut self, stream: &Stream, number: usize) {
        self.known.insert(Arc::clone(stream.id()), number);
    }

    /// Forgets a removed stream.
    pub(crate) fn forget(&mut self, stream: &Stream) {
        self.known.remove(stream.id());
        self.reported.forget(stream.path());
    }

    /// Returns the streams that did not exist at the last scan, and the directories in which more
    /// may appear.
    ///
    /// # Errors
    /// If streams cannot be read; the others will be found by the next scan.
    pub(crate) fn scan(&mut self, related: Related<'_>) -> Result<Scan, Stop> {
        let mut scan = Scan::begin();
        for index in 0..self.operands.len() {
            if let Some(operand) = self.operands.get(index) {
                let meant = operand.scan();
                self.take_in(index, meant, related, &mut scan)?;
            }
        }
        if let Some(selection) = self.selection.clone() {
            let found = selection.find();
            self.take_in_selected(&selection, found, &mut scan);
        }
        Ok(scan)
    }

    /// Like [`Sources::scan`], for streams that appear later; failures are reported once instead.
    pub(crate) fn rescan(&mut self, related: Related<'_>) -> Scan {
        let scan = self.scan(related);
        self.late(scan)
    }

    /// Checks for new or removed files at these paths.
    pub(crate) fn gain(&mut self, paths: &[PathBuf], related: Related<'_>) -> Scan {
        let mut scan = Ok(Scan::begin());
        for path in paths {
            let gained = scan.as_mut().map(|scan| self.gain_one(path, related, scan));
            if let Ok(Err(stop)) = gained {
                scan = Err(stop);
            }
        }
        let mut scan = self.late(scan);
        for found in &mut scan.found {
            found.stream.set_alone(true);
        }
        scan
    }

    fn gain_one(&mut self, path: &Path, related: Related<'_>, scan: &mut Scan) -> Result<(), Stop> {
        for index in 0..self.operands.len() {
            if let Some(operand) = self.operands.get(index).filter(|operand| operand.is_open()) {
                let meant = operand.gain(path);
                self.take_in(index, meant, related, scan)?;
            }
        }
        if let Some(selection) = self.selection.clone() {
            let found = selection.gain(path);
            self.take_in_selected(&selection, found, scan);
        }
        Ok(())
    }

    fn late(&mut self, scan: Result<Scan, Stop>) -> Scan {
        match scan {
            Ok(mut scan) => {
                for found in &mut scan.found {
                    found.stream.appear_late();
                }
                for error in scan.errors.drain(..) {
                    self.reported.error(error);
                }
                scan
            }
            Err(Stop::Error { text, .. }) => {
                self.reported.error(text);
                Scan::default()
            }
            Err(_) => Scan::default(),
        }
    }

    /// Adds the files that match an operand. Rotated files are left to their log.
    fn take_in(
        &mut self,
        operand: usize,
        meant: Meant,
        related: Related<'_>,
        scan: &mut Scan,
    ) -> Result<(), Stop> {
        let is_open = self.operands.get(operand).is_some_and(Operand::is_open);
        let oldest = oldest_time(self.oldest);
        if !meant.files.is_empty() {
            self.matched.insert(operand);
        }
        scan.directories.extend(meant.directories);
        for file in &meant.files {
            let path = std::path::absolute(file).at(file.display())?;
            self.refuse_output(file, is_open)?;
            if self.known.contains_key(path.as_path())
                || (is_open && self.is_left_out(file, &meant.files, scan))
            {
                continue;
            }
            if is_open && Candidate::at(file).is_some_and(|file| file.modified < oldest) {
                scan.old.push(path);
                continue;
            }
            let path = path.into();
            let mut stream = Stream::named(Name::of(file, &path), path, is_open);
            if is_open {
                match renamed(stream.path(), related) {
                    Relation::None => {}
                    // It is read as part of that stream; if it is released there, it becomes a
                    // stream of its own.
                    Relation::Reads => continue,
                    Relation::HasRead(position) => stream.resume(vec![position]),
                }
            }
            self.add(stream, is_open, scan);
        }
        Ok(())
    }

    /// Refuses to follow the output if the user has named it.
    fn refuse_output(&self, file: &Path, is_met: bool) -> Result<(), Stop> {
        if !is_met && self.exclusion.is_output(file) {
            return Err(Stop::failed(format_args!(
                "{}: input file is output file",
                file.display()
            )));
        }
        Ok(())
    }

    fn add(&mut self, stream: Stream, is_met: bool, scan: &mut Scan) {
        // The number is set when the stream is added.
        self.place(&stream, usize::MAX);
        scan.found.push(Found { stream: Box::new(stream), is_met });
    }

    fn take_in_selected(
        &mut self,
        selection: &Rc<Selection>,
        found: crate::select::logstreamer::Found,
        scan: &mut Scan,
    ) {
        scan.directories.extend(found.directories);
        scan.errors.extend(found.errors);
        scan.old.extend(found.old);
        for (name, newest) in found.streams {
            match self.known.get(name.shared()) {
                Some(&number) => scan.touched.push(number),
                None => {
                    let stream = Stream::selected(name, Rc::clone(selection), newest);
                    self.add(stream, false, scan);
                }
            }
        }
    }

    /// Whether not to follow a file: excluded, the output, compressed in an unsupported format, or
    /// rotated from an existing log, which is among `others` or followed already.
    fn is_left_out(&mut self, path: &Path, others: &BTreeSet<PathBuf>, scan: &mut Scan) -> bool {
        if self.exclusion.is_output(path) {
            self.reported.left_out(LeftOut::Output(path.to_owned()));
            return true;
        }
        if self.exclusion.has(path) {
            return true;
        }
        if has_foreign_name(path) {
            self.reported.left_out(LeftOut::Compressed(path.to_owned()));
            return true;
        }
        let Some(log) = self.log_of(path, others) else { return false };
        scan.rotated.extend(self.number_of(&log));
        if path.extension() == log.extension() {
            self.reported.left_out(LeftOut::Numbered { path: path.to_owned(), log });
        }
        true
    }

    fn log_of(&self, path: &Path, others: &BTreeSet<PathBuf>) -> Option<PathBuf> {
        let name = path.file_name()?.to_str()?;
        let mut logs = logs_of(name).into_iter().map(|log| path.with_file_name(log));
        logs.find(|log| {
            let is_known = || self.number_of(log).is_some();
            let is_meant = || {
                let mut open = self.operands.iter().filter(|operand| operand.is_open());
                // A file that has just appeared is alone here.
                others.len() == 1 && open.any(|operand| operand.gain(log).files.contains(log))
            };
            others.contains(log) || is_known() || is_meant()
        })
    }

    /// Returns the stream with this path.
    fn number_of(&self, path: &Path) -> Option<usize> {
        let path = std::path::absolute(path).ok()?;
        self.known.get(path.as_path()).copied()
    }

    /// Finishes the first scan: reports patterns that match nothing, and returns whether there are
    /// any. A file that was named can match no others later.
    pub(crate) fn settle(&mut self, waits: bool) -> bool {
        let mut is_any = false;
        for (number, operand) in self.operands.iter().enumerate() {
            if let Operand::Pattern(root, glob) = operand
                && !self.matched.contains(&number)
            {
                is_any = true;
                let waits = if waits { "; waiting for one" } else { "" };
                let pattern = root.join(glob.text());
                report::warning(format_args!("{}: no such file{waits}", pattern.display()));
            }
        }
        self.operands.retain(Operand::is_open);
        self.operands.shrink_to_fit();
        self.matched.clear();
        is_any
    }
}

/// Returns the relation of the existing streams to the file at `path`.
fn renamed(path: &Path, related: Related<'_>) -> Relation {
    let identity = std::fs::metadata(path).map(|metadata| Identity::of(&metadata));
    identity.map_or(Relation::None, related)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_files_belong_to_their_log() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.log", "a.log.1", "a.log.2.gz", "b.log.1", ".hidden", "c.gz", "a.log.3.xz"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let names = |operand: &Path| -> Vec<String> {
            let files = [operand.to_owned()];
            let mut sources = Sources::new(&files, (None, Exclusion::default()), None, None);
            let found = sources.scan(&|_| Relation::None).unwrap().found;
            let names = found.iter().map(|found| found.stream.path().file_name().unwrap());
            names.map(|name| name.to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names(dir.path()), ["a.log", "b.log.1"]);
        assert_eq!(names(&dir.path().join("a.l*")), ["a.log"]);
    }
}
