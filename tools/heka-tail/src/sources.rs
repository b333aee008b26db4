// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which streams there are, now and later.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::follow::{Identity, Relation, Stream};
use crate::select::{LeftOut, Operand, Selection};
use heka_core::report::{self, Cause as _, Explain as _, Stop};

use crate::state::key_of;

/// What was asked to be followed.
#[derive(Debug)]
pub(crate) struct Sources {
    operands: Vec<Operand>,
    selection: Option<Rc<Selection>>,
    known: BTreeSet<String>,
    told: Told,
}

/// A stream found, and the key of its position.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) key: String,
    pub(crate) stream: Stream,
    /// Whether nobody has named it: it may have had another name before.
    pub(crate) is_met: bool,
}

/// What a look at everything came to.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) found: Vec<Found>,
    pub(crate) directories: Vec<PathBuf>,
    /// Words on streams that cannot be read.
    pub(crate) errors: Vec<String>,
}

impl Sources {
    pub(crate) fn new(files: &[PathBuf], selection: Option<Selection>) -> Self {
        Self {
            operands: files.iter().map(|file| Operand::new(file)).collect(),
            selection: selection.map(Rc::new),
            known: BTreeSet::new(),
            told: Told::default(),
        }
    }

    /// Whether streams may appear later.
    pub(crate) fn is_open(&self) -> bool {
        self.selection.is_some() || self.operands.iter().any(Operand::is_open)
    }

    /// A directory that is not there, and the cause of that.
    pub(crate) fn missing(&self) -> Option<(String, String)> {
        self.operands.iter().find_map(|operand| match operand {
            Operand::Directory(path) => {
                let error = std::fs::metadata(path).err()?;
                Some((path.display().to_string(), error.cause()))
            }
            _ => None,
        })
    }

    /// Streams that were not there at the last scan, and the directories where more may appear.
    /// `relation` tells what the streams so far have to do with a file.
    ///
    /// # Errors
    /// If streams cannot be read; the others are still to be found by the next scan.
    pub(crate) fn scan(&mut self, relation: &dyn Fn(Identity) -> Relation) -> Result<Scan, Stop> {
        let mut scan = Scan::default();
        for operand in &self.operands {
            let here = operand.scan();
            scan.directories.extend(here.directories);
            here.left_out.into_iter().for_each(|left_out| self.told.tell(left_out));
            for file in here.files {
                let path = std::path::absolute(&file).at(file.display())?;
                let key = key_of(&path);
                if self.known.contains(&key) {
                    continue;
                }
                let mut stream = Stream::named(file.to_string_lossy(), path);
                if operand.is_open() {
                    match renamed(stream.path(), relation) {
                        Relation::None => {}
                        // It goes on there; if that lets go of it, this is a stream of its own.
                        Relation::Reads => continue,
                        Relation::HasRead(position) => stream = stream.resume(vec![position]),
                    }
                }
                self.known.insert(key.clone());
                scan.found.push(Found { key, stream, is_met: operand.is_open() });
            }
        }
        if let Some(selection) = &self.selection {
            let here = selection.find();
            scan.directories.extend(here.directories);
            scan.errors = here.errors;
            for (name, newest) in here.streams {
                let key = key_of(Path::new(&name));
                if self.known.insert(key.clone()) {
                    let stream = Stream::selected(name, Rc::clone(selection), newest);
                    scan.found.push(Found { key, stream, is_met: false });
                }
            }
        }
        Ok(scan)
    }

    /// As [`Sources::scan`], for streams that appear later; trouble is only told, once.
    pub(crate) fn rescan(&mut self, relation: &dyn Fn(Identity) -> Relation) -> Scan {
        match self.scan(relation) {
            Ok(mut scan) => {
                for found in &mut scan.found {
                    found.stream.appear_late();
                }
                for error in scan.errors.drain(..) {
                    self.told.error(error);
                }
                scan
            }
            Err(Stop::Error { text, .. }) => {
                self.told.error(text);
                Scan::default()
            }
            Err(_) => Scan::default(),
        }
    }

    /// Names may have changed.
    pub(crate) fn forget(&self) {
        if let Some(selection) = &self.selection {
            selection.forget();
        }
    }
}

/// What the file at `path` is to the streams so far.
fn renamed(path: &Path, relation: &dyn Fn(Identity) -> Relation) -> Relation {
    let identity = std::fs::metadata(path).map(|metadata| Identity::of(&metadata));
    identity.map_or(Relation::None, relation)
}

/// What was told already.
#[derive(Debug, Default)]
struct Told {
    errors: BTreeSet<String>,
    left_out: BTreeSet<LeftOut>,
    is_compressed: bool,
}

impl Told {
    fn error(&mut self, text: String) {
        if !self.errors.contains(&text) {
            report::error(&text);
            self.errors.insert(text);
        }
    }

    fn tell(&mut self, left_out: LeftOut) {
        if self.left_out.contains(&left_out) {
            return;
        }
        match &left_out {
            // Where there is one there are many.
            LeftOut::Compressed(path) if !std::mem::replace(&mut self.is_compressed, true) => {
                report::warning(format_args!(
                    "{}: left out, as all that is compressed with something else than gzip",
                    path.display()
                ));
            }
            LeftOut::Compressed(path) => {
                report::note(format_args!("{}: compressed, left out", path.display()));
            }
            LeftOut::Numbered { path, log } => report::warning(format_args!(
                "{}: taken for what {} was rotated into; name it to have it followed",
                path.display(),
                log.display()
            )),
        }
        self.left_out.insert(left_out);
    }
}
