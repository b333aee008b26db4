// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that a stream has left behind: kept open for late lines, then finished. Each waits for the
//! end of its last record separately.

use std::time::Instant;

use super::chunk::Around;
use super::contents::{Contents, Likeness};
use super::file::{OpenFile, Pulled};
use super::history::History;
use super::identity::Identity;
use super::look::Look;
use super::loss;
use super::options::Options;
use super::patience::Patience;
use super::position::FilePosition;
use crate::select::find::Candidate;
use heka_core::record::More;
use heka_core::report::{Cause as _, Stop};

/// The files left behind, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Late(Option<Box<Files>>);

/// Most streams have none.
#[derive(Debug, Default)]
struct Files(Vec<LateFile>);

#[derive(Debug)]
struct LateFile {
    file: OpenFile,
    until: Instant,
    patience: Patience,
}

impl Late {
    /// Keeps a file open for late lines until `until`.
    pub(crate) fn push(&mut self, file: OpenFile, until: Instant, patience: Patience) {
        self.all_mut().push(LateFile { file, until, patience });
    }

    fn all(&self) -> &[LateFile] {
        self.0.as_ref().map_or(&[], |files| &files.0)
    }

    fn all_mut(&mut self) -> &mut Vec<LateFile> {
        &mut self.0.get_or_insert_default().0
    }

    /// Releases the memory if there are no files left.
    fn let_go(&mut self) {
        self.0.take_if(|files| files.0.is_empty());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }

    /// Returns the positions of the files.
    pub(crate) fn positions(&self) -> Vec<FilePosition> {
        self.all().iter().map(|late| late.file.position()).collect()
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &OpenFile> {
        self.all().iter().map(|late| &late.file)
    }

    pub(crate) fn has(&self, identity: Identity) -> bool {
        self.files().any(|file| file.identity() == identity)
    }

    /// Removes and returns the last file, if it has this identity.
    pub(crate) fn pop(&mut self, identity: Option<Identity>) -> Option<OpenFile> {
        let is = |late: &mut LateFile| Some(late.file.identity()) == identity;
        let late = self.0.as_mut()?.0.pop_if(is)?;
        self.let_go();
        Some(late.file)
    }

    /// Returns the current position of a file, or `old`, its position at the start, if it has not
    /// been read since.
    pub(crate) fn as_of_now(&self, old: FilePosition) -> FilePosition {
        let late = self.files().find(|file| file.generation() == old.generation);
        late.map_or(old, OpenFile::position)
    }

    /// Compares a file with the contents of these.
    pub(crate) fn likeness(&self, file: &Candidate, unpacks: bool) -> Likeness {
        let all = self.files().map(|late| Contents::of_left(late).likeness(file, unpacks));
        all.reduce(Likeness::or).unwrap_or(Likeness::Other)
    }

    /// Returns when the first wait ends.
    pub(crate) fn deadline(&self, options: &Options) -> Option<Instant> {
        let held = self.all().iter().filter_map(|late| late.patience.deadline(&late.file, options));
        held.chain(self.all().iter().map(|late| late.until)).min()
    }

    /// Reads late lines; closes files whose time is up. `current` is the position of the file after
    /// them.
    ///
    /// # Errors
    /// Errors of the consumer.
    pub(crate) fn look(
        &mut self,
        current: Option<FilePosition>,
        history: &mut History,
        look: &mut Look<'_>,
    ) -> Result<(), Stop> {
        for index in 0..self.all().len() {
            self.read(index, current, look)?;
        }
        while let Some(index) = self.all().iter().position(|late| late.until <= look.now) {
            let mut file = self.all_mut().remove(index).file;
            let others: Vec<FilePosition> = self.positions().into_iter().chain(current).collect();
            file.press(More::Ended, Around::before(&others), look.consume)?;
            history.close(&file);
        }
        self.let_go();
        Ok(())
    }

    fn read(
        &mut self,
        index: usize,
        current: Option<FilePosition>,
        look: &mut Look<'_>,
    ) -> Result<(), Stop> {
        let others = self.others(index, current);
        let Some(late) = self.all_mut().get_mut(index) else { return Ok(()) };
        let around = Around { others: &others, rank: index };
        let error = loop {
            let pulled = late.file.pull(look.block, around, look.consume)?;
            if matches!(pulled, Ok(Pulled::Data | Pulled::Rest)) {
                late.patience = Patience::new(look.now);
            }
            if !matches!(pulled, Ok(Pulled::Data)) {
                break pulled.err();
            }
        };
        if late.patience.take_due(&late.file, look.options, look.now) {
            late.file.press(More::Idle, around, look.consume)?;
        }
        if let Some(error) = error {
            loss::tell(look, late.file.path(), error.cause(), late.file.unread());
            late.until = look.now;
        }
        Ok(())
    }

    /// Presents the held data of all files again.
    ///
    /// # Errors
    /// Errors of the consumer.
    pub(crate) fn press(
        &mut self,
        current: Option<FilePosition>,
        look: &mut Look<'_>,
        more: More,
    ) -> Result<(), Stop> {
        for index in 0..self.all().len() {
            let others = self.others(index, current);
            if let Some(late) = self.all_mut().get_mut(index) {
                let around = Around { others: &others, rank: index };
                late.file.press(more, around, look.consume)?;
            }
        }
        Ok(())
    }

    /// Returns the positions of all files except number `index`.
    fn others(&self, index: usize, current: Option<FilePosition>) -> Vec<FilePosition> {
        let mut others = self.positions();
        others.remove(index);
        others.extend(current);
        others
    }
}
