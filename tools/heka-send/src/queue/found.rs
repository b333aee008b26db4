// SPDX-License-Identifier: MIT OR Apache-2.0
//! The state in which an earlier process left a queue.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use heka_core::delivery::queue_end::End;
use heka_core::os::PrivateDir;
use heka_core::report::{Explain as _, Stop};

use super::cursor::{self, Cursor};
use super::end::EndFile;
use super::files::{Files, name_of, open_locked};
use super::log::{Complete, Last, Log};
use super::survey::{Survey, survey};
use super::{Limits, Place};

/// The recovered state of a queue's directory.
pub(super) struct Found {
    pub(super) dir: Arc<PrivateDir>,
    pub(super) cursor: Cursor,
    pub(super) log: Log,
    pub(super) survey: Survey,
}

impl Found {
    /// Opens the directory and removes incomplete data after a crash.
    pub(super) fn open(dir: &Path, limits: &Limits) -> Result<Self, Stop> {
        let subject = dir.display();
        let dir = Arc::new(open_locked(dir)?);
        let mut files = Files::open(&dir)?;
        let mut cursor = Cursor::load(&dir, &files)?;
        if cursor.is_fresh {
            cursor.first_file = files.check(&dir, limits.message_size)?;
        }
        let (end_file, said) = EndFile::open(&dir, &cursor).at(dir.path_of("end").display())?;
        let said = said.filter(|end| files.may_reach(end.place.file));
        let home = cursor::home(dir.as_file(), end_file.file()).at(&subject)?;
        if cursor.home != home {
            cursor.rename_stream();
            cursor.home = home;
        }
        let told = said.unwrap_or_default();
        begin(&mut cursor, &told, &files);
        let known = said.map(|end| end.place.file);
        files.check_others(cursor.place.file, known, &dir, limits.message_size)?;
        files.remove_before(cursor.place.file, &dir).at(&subject)?;
        let promised = cursor.promised.take().filter(|_| cursor.is_other_boot);
        if let Some(place) = said.map(|end| end.place).or(promised) {
            files.cut(place).at(&subject)?;
        }
        let (mut survey, mut sizes) =
            survey(&dir, &files, &mut cursor, &told, limits.message_size)?;
        let size = sizes.pop_back().unwrap_or(0);
        let end =
            Place { file: cursor.place.file + sizes.len() as u64, offset: survey.whole.min(size) };
        survey.pass_over(end, &mut cursor);
        // Incomplete data after a crash is removed.
        files.cut(end).at(&subject)?;
        let file =
            files.take_writer(end.file, &dir).at(dir.path_of(&name_of(end.file)).display())?;
        let complete = complete_files(cursor.place.file, sizes, files);
        let files = (complete, Last { file, end, extent: end.offset });
        let end_file = (end_file, &told);
        let log = Log::new(Arc::clone(&dir), limits.file_size, files, end_file, survey.last);
        Ok(Self { dir, cursor, log, survey })
    }
}

/// Moves the cursor to where the queue begins.
fn begin(cursor: &mut Cursor, told: &End, files: &Files) {
    if told.is_newer(cursor.place.file, cursor.number) {
        (cursor.place, cursor.number, cursor.lost) = (told.begun, told.number, told.lost);
    }
    let is_gone = |first: &u64| cursor.is_fresh && *first > cursor.place.file;
    if let Some(file) = files.first().filter(is_gone) {
        // The files before it were acknowledged and removed.
        cursor.place = Place { file, offset: 0 };
    }
}

/// Returns the files before the last one, with these sizes from number `first` on, as far as they
/// exist.
fn complete_files(first: u64, sizes: VecDeque<u64>, files: Files) -> VecDeque<Complete> {
    // An earlier process may not have synced them.
    let mut files: BTreeMap<_, _> = files.into_iter().collect();
    let numbered = (first..).zip(sizes);
    let complete = |(number, size)| Complete { size, unsynced: files.remove(&number) };
    numbered.map(complete).collect()
}
