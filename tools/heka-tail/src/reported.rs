// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reports about files that are not followed, each made only once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use heka_core::report;

/// A file that is not followed although the user may expect it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LeftOut {
    /// What heka-tail writes to.
    Output(PathBuf),
    /// Compressed in an unsupported format.
    Compressed(PathBuf),
    /// Named like a rotated file, which some programs do too: `worker-1.log`.
    Numbered {
        /// The file.
        path: PathBuf,
        /// The log that it seems to be rotated from.
        log: PathBuf,
    },
}

/// Reports that a file is not followed because the records are written to it.
pub(crate) fn tell_output(path: &Path) {
    report::warning(format_args!("{}: skipped: it is the output file", path.display()));
}

/// The reports already made.
#[derive(Debug, Default)]
pub(crate) struct Reported {
    errors: BTreeSet<String>,
    left_out: BTreeSet<LeftOut>,
    is_compressed: bool,
}

impl Reported {
    pub(crate) fn error(&mut self, text: String) {
        if !self.errors.contains(&text) {
            report::error(&text);
            self.errors.insert(text);
        }
    }

    /// Forgets the reports about a removed log.
    pub(crate) fn forget(&mut self, path: &Path) {
        self.left_out.retain(|left_out| match left_out {
            LeftOut::Output(file)
            | LeftOut::Compressed(file)
            | LeftOut::Numbered { path: file, .. } => {
                file.parent() != path.parent() || file.exists()
            }
        });
    }

    pub(crate) fn left_out(&mut self, left_out: LeftOut) {
        if self.left_out.contains(&left_out) {
            return;
        }
        match &left_out {
            LeftOut::Output(path) => tell_output(path),
            // Where there is one, there are many.
            LeftOut::Compressed(path) if !std::mem::replace(&mut self.is_compressed, true) => {
                report::warning(format_args!(
                    "{}: skipped: only gzip, xz, zstd and bzip2 are supported (further ones not \
                     reported)",
                    path.display()
                ));
            }
            LeftOut::Compressed(path) => {
                report::note(format_args!("{}: compressed, skipped", path.display()));
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
