// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which streams there are, now and later.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use heka_core::diag;
use heka_core::exit::{Explain as _, Stop};
use heka_core::tail::{Operand, Selection, Stream};

use crate::state::key_of;

/// What was asked to be followed.
#[derive(Debug)]
pub(crate) struct Sources {
    operands: Vec<Operand>,
    selection: Option<Rc<Selection>>,
    known: BTreeSet<String>,
    told: BTreeSet<String>,
}

/// A stream found, and the key of its position.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) key: String,
    pub(crate) stream: Stream,
}

impl Sources {
    pub(crate) fn new(files: &[PathBuf], selection: Option<Selection>) -> Self {
        Self {
            operands: files.iter().map(|file| Operand::new(file)).collect(),
            selection: selection.map(Rc::new),
            known: BTreeSet::new(),
            told: BTreeSet::new(),
        }
    }

    /// Whether streams may appear later.
    pub(crate) fn is_open(&self) -> bool {
        self.selection.is_some() || self.operands.iter().any(Operand::is_open)
    }

    /// Streams that were not there at the last scan, and the directories where more may appear.
    pub(crate) fn scan(&mut self) -> Result<(Vec<Found>, Vec<PathBuf>), Stop> {
        let mut found = Vec::new();
        let mut directories = Vec::new();
        for operand in &self.operands {
            let (files, more) = operand.scan();
            directories.extend(more);
            for file in files {
                let path = std::path::absolute(&file).at(file.display())?;
                let key = key_of(&path);
                if self.known.insert(key.clone()) {
                    let stream = Stream::named(file.to_string_lossy(), path);
                    found.push(Found { key, stream });
                }
            }
        }
        if let Some(selection) = &self.selection {
            directories.extend(selection.directories());
            for (name, newest) in selection.streams().map_err(Stop::failed)? {
                let key = key_of(Path::new(&name));
                if self.known.insert(key.clone()) {
                    let stream = Stream::selected(name, Rc::clone(selection), newest);
                    found.push(Found { key, stream });
                }
            }
        }
        Ok((found, directories))
    }

    /// As [`Sources::scan`], for streams that appear later; trouble is only told.
    pub(crate) fn rescan(&mut self) -> (Vec<Found>, Vec<PathBuf>) {
        match self.scan() {
            Ok((found, directories)) => {
                let late = |found: Found| Found { stream: found.stream.appeared_late(), ..found };
                (found.into_iter().map(late).collect(), directories)
            }
            Err(Stop::Error { text, .. }) => {
                if self.told.insert(text.clone()) {
                    diag::error(text);
                }
                (Vec::new(), Vec::new())
            }
            Err(_) => (Vec::new(), Vec::new()),
        }
    }
}
