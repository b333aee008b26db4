// SPDX-License-Identifier: MIT OR Apache-2.0
//! The file of `--metrics`, which is complete whenever a collector reads it.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Replacement;
use crate::report::{self, Cause as _, stats};

/// Readable for the collector, within the umask.
const MODE: u32 = 0o644;

/// The metrics file and its interval.
#[derive(Clone, Debug)]
pub struct MetricsFile {
    path: PathBuf,
    period: Duration,
}

impl MetricsFile {
    /// Creates a metrics file at `path` that is written every `period`.
    ///
    /// # Errors
    /// If something other than a file exists at `path`, which cannot be replaced.
    pub fn new(path: PathBuf, period: Duration) -> Result<Self, String> {
        match std::fs::metadata(&path) {
            Ok(metadata) if !metadata.is_file() => Err("not a regular file".to_owned()),
            _ => Ok(Self { path, period }),
        }
    }

    /// Returns the interval between writes.
    pub(super) fn period(&self) -> Duration {
        self.period
    }

    /// Writes all numbers. A failure is reported; the next call tries again.
    pub(super) fn write(&self) {
        if let Err(error) = self.try_write() {
            let path = self.path.display();
            report::repeated("metrics file", told(&path, &error));
        }
    }

    fn try_write(&self) -> io::Result<()> {
        let new = Replacement::new(&self.path, MODE)?;
        new.file().write_all(stats::prometheus(&self.name()).as_bytes())?;
        new.swap()
    }

    /// Returns the label that distinguishes this process from others of the tool: the file's name
    /// without its extension.
    fn name(&self) -> String {
        let stem = self.path.file_stem().map_or(self.path.as_path(), Path::new);
        stem.to_string_lossy().into_owned()
    }
}

fn told(path: &impl Display, error: &io::Error) -> String {
    format!("{path}: metrics not written: {}", error.cause())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_numbers_takes_the_place_of_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.prom");
        std::fs::write(&path, "half a li").unwrap();
        std::fs::write(folder.path().join("app.prom.new"), "left behind").unwrap();
        MetricsFile::new(path.clone(), Duration::ZERO).unwrap().write();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("heka_messages_total{tool=\"heka\",name=\"app\"} 0\n"), "{text}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_not_a_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        for path in [Path::new("/dev/null"), folder.path()] {
            assert!(MetricsFile::new(path.to_owned(), Duration::ZERO).is_err());
        }
    }
}
