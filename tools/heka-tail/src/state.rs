// SPDX-License-Identifier: MIT OR Apache-2.0
//! Positions across runs: read at the start, saved as data is written.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::follow::{FilePosition, Identity, Journal, Options, Stream, position};
use heka_core::delivery::checkpoint::{CheckpointFile, Positions, source_key};
use heka_core::os::read_file;
use heka_core::report::{self, Cause as _, Explain as _, Refused, Stop, stats};

use crate::numbers;
use crate::select::logstreamer::oldest_time;

use crate::plan::{Every, Job, Position};
use crate::streams::Streams;

/// Time before another attempt to write a position file that cannot be written.
const RETRY: Duration = Duration::from_secs(1);

/// Maximum size of a journal in bytes: it is one line.
const MAX_JOURNAL: u64 = 1 << 20;

/// Positions of streams across runs.
#[derive(Debug)]
pub(crate) struct State {
    /// Positions that are handed on with the messages.
    handed_on: Positions,
    /// Files of streams by identity, if they have a birth time: without one, another file may have
    /// reused the inode. Created when a file is looked up; after the start, without the files of
    /// streams that were resumed.
    by_identity: Option<BTreeMap<Identity, FilePosition>>,
    /// Numbers of streams whose position may have changed since it was last noted.
    touched: BTreeSet<usize>,
    /// Streams that were resumed, during the start.
    resumed: BTreeSet<Arc<str>>,
    journals: Vec<(String, Journal)>,
    file: Option<CheckpointFile>,
    every: Every,
    saved_at: Instant,
    saved_records: u64,
    /// Number of records written.
    pub(crate) records: u64,
    is_failing: bool,
}

impl State {
    pub(crate) fn open(job: &Job) -> Result<Self, Stop> {
        let (handed_on, file, every) = match &job.position {
            Position::Forget => (Positions::default(), None, Every::Records(u64::MAX)),
            Position::HandOn(path) => (Positions::read(path)?, None, Every::Records(u64::MAX)),
            Position::Keep(path, every) => {
                if let Some(folder) = path.parent().filter(|_| job.makes_folder) {
                    // As the XDG Base Directory Specification requires.
                    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
                    made.at(folder.display())?;
                }
                hint_at_missing_equals(job);
                let file = CheckpointFile::open(path)?;
                if job.files.iter().any(|operand| file.is_at(operand)) {
                    return Err(io::Error::from(Refused::Input)).at(path.display());
                }
                (Positions::default(), Some(file), *every)
            }
        };
        let journals =
            job.journals.iter().map(|path| read_journal(path)).collect::<Result<_, _>>()?;
        Ok(Self {
            handed_on,
            by_identity: None,
            touched: BTreeSet::new(),
            resumed: BTreeSet::new(),
            journals,
            file,
            every,
            saved_at: Instant::now(),
            saved_records: 0,
            records: 0,
            is_failing: false,
        })
    }

    /// Returns the positions of all streams, which for streams that were not resumed are those of
    /// earlier runs.
    fn positions(&self) -> &Positions {
        self.file.as_ref().map_or(&self.handed_on, CheckpointFile::positions)
    }

    /// Returns the files of all streams but `without`, by identity.
    fn index(&self, without: &BTreeSet<Arc<str>>) -> BTreeMap<Identity, FilePosition> {
        let all = self.positions().iter().filter(|(key, _)| !without.contains(*key));
        let files = all.filter_map(|(_, bytes)| position::decode(bytes)).flatten();
        let born = files.filter(|file| file.identity.born != 0);
        born.map(|file| (file.identity, file)).collect()
    }

    /// Resumes a stream at its position, if there is one.
    pub(crate) fn resume(
        &mut self,
        stream: &mut Stream,
        is_met: bool,
        options: &Options,
    ) -> Result<(), Stop> {
        let key = key_of(stream.id());
        let found = self.positions().get_source(&key);
        if let Some((key, files)) = found.map(|(key, at)| (Arc::clone(key), position::decode(at))) {
            self.resumed.insert(key);
            match files {
                Some(files) => stream.resume(files),
                None => {
                    let name = stream.name();
                    report::warning(format_args!("{name}: ignoring unreadable position"));
                }
            }
            return Ok(());
        }
        if is_met && let Some(place) = self.renamed(stream.path()) {
            stream.resume(vec![place]);
            return Ok(());
        }
        self.by_journal(stream, options)
    }

    /// Resumes a stream at the position in a journal.
    fn by_journal(&self, stream: &mut Stream, options: &Options) -> Result<(), Stop> {
        if self.journals.is_empty() {
            return Ok(());
        }
        let files = stream.list(options);
        let is_its = |journal: &Journal, name: &str| {
            name.ends_with(&format!("/{}", stream.name()))
                || files.iter().any(|file| file.path == journal.file_name)
                || journal.file_name == stream.path()
        };
        let Some((name, journal)) =
            self.journals.iter().find(|(name, journal)| is_its(journal, name))
        else {
            return Ok(());
        };
        match journal.find(&files, options.unpacks) {
            Some(place) => {
                report::note(format_args!(
                    "{}: continuing at {place}, found by {name}",
                    stream.name()
                ));
                stream.resume(vec![place]);
                Ok(())
            }
            None => Err(Stop::failed(format_args!(
                "{name}: no file of {} has what was read last",
                stream.name()
            ))),
        }
    }

    /// Returns the position of the file at `path` under an earlier name.
    fn renamed(&mut self, path: &Path) -> Option<FilePosition> {
        let identity = Identity::of(&std::fs::metadata(path).ok()?);
        let files = self.by_identity.take().unwrap_or_else(|| self.index(&BTreeSet::new()));
        self.by_identity.insert(files).get(&identity).copied()
    }

    /// Whether positions are kept at all.
    pub(crate) fn keeps(&self) -> bool {
        self.file.is_some()
    }

    /// Whether positions should be saved with [`State::save`] now.
    pub(crate) fn is_due(&self) -> bool {
        self.file.is_some() && self.save_at().is_some_and(|at| at <= Instant::now())
    }

    /// Returns when to save positions even without events.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.file.as_ref().filter(|file| file.is_changed())?;
        self.save_at()
    }

    /// Returns the time of the next save, whether or not there is something to save.
    fn save_at(&self) -> Option<Instant> {
        let saved_at = self.saved_at;
        match self.every {
            Every::Time(time) if self.is_failing => Some(saved_at + time.max(RETRY)),
            Every::Time(time) => Some(saved_at + time),
            Every::Records(_) if self.is_failing => Some(saved_at + RETRY),
            Every::Records(records) => {
                let at = self.saved_records.saturating_add(records);
                (self.records >= at).then_some(saved_at)
            }
        }
    }

    /// Notes that the position of a stream may change.
    pub(crate) fn touch(&mut self, number: usize) {
        if self.keeps() {
            self.touched.insert(number);
        }
    }

    /// Notes the positions of streams; everything before them has been written.
    pub(crate) fn note(&mut self, streams: &Streams) {
        let touched = std::mem::take(&mut self.touched);
        let Some(file) = &mut self.file else { return };
        let mut bytes = Vec::new();
        for followed in touched.into_iter().filter_map(|number| streams.get(number)) {
            let files = followed.stream.position();
            if !files.is_empty() {
                bytes.clear();
                position::encode(&mut bytes, &files, followed.is_met);
                file.set(&key_of(followed.stream.id()), &bytes);
            }
        }
    }

    /// Forgets a stream that was removed for good: another stream may get its name.
    pub(crate) fn forget(&mut self, stream: &Stream) {
        let key = key_of(stream.id());
        match &mut self.file {
            Some(file) => file.remove(&key),
            None => self.handed_on.remove(&key),
        }
    }

    /// Ends the start: forgets discovered streams that were not resumed and whose files were last
    /// written longer ago than `after`.
    pub(crate) fn forget_old(&mut self, after: Option<Duration>) {
        if let Some(after) = after {
            self.forget_before(oldest_time(Some(after)));
        }
        let resumed = std::mem::take(&mut self.resumed);
        self.by_identity = Some(self.index(&resumed));
    }

    fn forget_before(&mut self, since: u64) {
        let Some(file) = &mut self.file else { return };
        let is_old = |bytes: &[u8]| {
            position::is_met(bytes)
                && position::decode(bytes)
                    .is_some_and(|files| files.iter().all(|file| file.modified < since))
        };
        let all = file.positions().iter();
        let old = all.filter(|(key, bytes)| !self.resumed.contains(*key) && is_old(bytes));
        let old: Vec<String> = old.map(|(key, _)| key.to_owned()).collect();
        old.iter().for_each(|key| file.remove(key));
    }

    /// Stores the noted positions. A failure is reported once, and saving is tried again.
    pub(crate) fn save(&mut self) {
        let Some(file) = &mut self.file else { return };
        self.saved_at = Instant::now();
        self.saved_records = self.records;
        let saved = file.save();
        if saved.is_ok() {
            numbers::SAVED_AT.set(stats::now());
        }
        match saved {
            Ok(()) if std::mem::take(&mut self.is_failing) => {
                report::note(format_args!("{}: positions are stored again", file.name().display()));
            }
            Ok(()) => {}
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    let path = file.name().display();
                    report::warning(format_args!(
                        "{path}: {}; positions are stored later",
                        error.cause()
                    ));
                }
            }
        }
    }

    /// Whether the last save failed.
    pub(crate) fn is_failing(&self) -> bool {
        self.is_failing
    }
}

/// Returns the key of a stream in position files.
pub(crate) fn key_of(id: &Path) -> Cow<'_, str> {
    if let Some(text) = id.to_str().filter(|text| !text.contains('\\')) {
        return source_key(text);
    }
    let mut text = String::new();
    for chunk in id.as_os_str().as_encoded_bytes().utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', "\\\\"));
        // Names that differ in bytes that are not UTF-8 must have different keys.
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    Cow::Owned(source_key(&text).into_owned())
}

/// Gives a hint for `--checkpoint cp log`, where `cp` is taken for a log.
fn hint_at_missing_equals(job: &Job) {
    // The tool's own directory is only used without a value.
    let Some(first) = job.files.first().filter(|_| job.makes_folder && job.files.len() > 1) else {
        return;
    };
    if !first.exists() || Positions::is_file(first) {
        let first = first.display();
        report::hint(format_args!("to store positions in {first}: --checkpoint={first}"));
    }
}

fn read_journal(path: &Path) -> Result<(String, Journal), Stop> {
    let name = path.display().to_string();
    let text = File::open(path).and_then(|file| read_file(&file, MAX_JOURNAL)).at(&name)?;
    match Journal::parse(&text) {
        Ok((journal, has_more)) => {
            if has_more {
                report::warning(format_args!("{name}: ignoring what follows the journal"));
            }
            Ok((name, journal))
        }
        Err(cause) => Err(Stop::failed(format_args!("{name}: {cause}"))),
    }
}
