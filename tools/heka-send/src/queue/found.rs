// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an earlier process has left of a queue.

use std::collections::VecDeque;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use heka_core::os::PrivateDir;
use heka_core::report::{Explain as _, Stop};

use super::cursor::{self, Cursor};
use super::end::{End, EndFile};
use super::files::{Files, name_of, open_locked};
use super::survey::{Survey, survey};
use super::{Limits, Place};

/// What is found in the directory of a queue, put in order.
pub(super) struct Found {
    pub(super) dir: Arc<PrivateDir>,
    pub(super) files: Files,
    pub(super) cursor: Cursor,
    pub(super) end_file: EndFile,
    pub(super) end: End,
    pub(super) survey: Survey,
    pub(super) sizes: VecDeque<u64>,
    pub(super) writer: File,
}

impl Found {
    /// Opens the directory and cuts off what a crash has torn.
    pub(super) fn open(dir: &Path, limits: &Limits) -> Result<Self, Stop> {
        let subject = dir.display();
        let dir = Arc::new(open_locked(dir)?);
        let mut files = Files::open(&dir)?;
        let mut cursor = Cursor::load(&dir, &files)?;
        if cursor.is_fresh {
            cursor.first_file = files.check(&dir, limits.message_size)?;
        }
        let (end_file, told) = EndFile::open(&dir, &cursor).at(dir.path_of("end").display())?;
        let home = cursor::home(dir.as_file(), end_file.file()).at(&subject)?;
        if cursor.home != home {
            cursor.rename_stream();
            cursor.home = home;
        }
        let end = told.unwrap_or_default();
        if end.begun.file >= cursor.place.file && cursor.number <= end.number {
            // The file was begun anew after the cursor was saved.
            (cursor.place, cursor.number, cursor.lost) = (end.begun, end.number, end.lost);
        }
        files.remove_before(cursor.place.file, &dir).at(&subject)?;
        let promised = cursor.promised.take().filter(|_| cursor.is_other_boot);
        if let Some(place) = told.map(|end| end.place).or(promised) {
            files.cut(place).at(&subject)?;
        }
        let (survey, mut sizes) = survey(&dir, &files, &mut cursor, &end, limits.message_size)?;
        let last = cursor.place.file + (sizes.len() as u64).saturating_sub(1);
        if let Some(size) = sizes.back_mut() {
            // What a crash has torn is cut off.
            files.cut(Place { file: last, offset: survey.whole }).at(&subject)?;
            *size = survey.whole.min(*size);
        }
        let writer = files.take_writer(last, &dir).at(dir.path_of(&name_of(last)).display())?;
        Ok(Self { dir, files, cursor, end_file, end, survey, sizes, writer })
    }
}
