// SPDX-License-Identifier: MIT OR Apache-2.0
//! The files of a stream that follow the current one.

use std::collections::VecDeque;

use crate::select::find::Candidate;

/// Files to read, oldest first. Most streams have none.
#[derive(Debug, Default)]
pub(crate) struct Queue(Option<Box<Files>>);

#[derive(Debug, Default)]
struct Files(VecDeque<Candidate>);

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Candidate> {
        self.0.iter().flat_map(|files| &files.0)
    }

    /// Removes and returns the first file.
    pub(crate) fn pop(&mut self) -> Option<Candidate> {
        let first = self.0.as_mut()?.0.pop_front();
        self.0.take_if(|files| files.0.is_empty());
        first
    }

    /// Removes and returns all files.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Candidate> {
        self.0.take().into_iter().flat_map(|files| files.0)
    }

    pub(crate) fn extend(&mut self, files: impl IntoIterator<Item = Candidate>) {
        let mut files = files.into_iter().peekable();
        if files.peek().is_some() {
            self.0.get_or_insert_default().0.extend(files);
        }
    }
}

impl FromIterator<Candidate> for Queue {
    fn from_iter<I: IntoIterator<Item = Candidate>>(files: I) -> Self {
        let mut queue = Self::default();
        queue.extend(files);
        queue
    }
}
