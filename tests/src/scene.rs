// SPDX-License-Identifier: MIT OR Apache-2.0
//! A folder with logs for heka-tail.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{Outcome, Running, Tool, scratch};

/// A folder with a log in it, and the tool that follows it.
#[derive(Debug)]
pub struct Scene {
    /// The folder.
    pub dir: TempDir,
}

impl Scene {
    /// A folder with `app.log`, which holds `text`.
    pub fn new(text: &str) -> Self {
        let scene = Self { dir: scratch() };
        fs::write(scene.path("app.log"), text).unwrap();
        scene
    }

    /// A file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Appends to a file in it, or makes it.
    pub fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// Renames a file in it.
    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// heka-tail in it, with `-o payload`.
    pub fn tool(&self, flags: &[&str]) -> Tool {
        Tool::new("heka-tail").args(["-o", "payload"]).args(flags).dir(self.dir.path())
    }

    /// Follows `app.log`.
    pub fn follow(&self, flags: &[&str]) -> Running {
        self.tool(flags).arg("app.log").spawn()
    }

    /// Reads `app.log` to its end.
    pub fn once(&self, flags: &[&str]) -> Outcome {
        self.tool(&["--no-follow"]).args(flags).arg("app.log").run()
    }
}

/// Compresses a file as logrotate does: with its time, and removes it.
pub fn gzip(from: &Path, to: &Path) {
    let mut encoder =
        flate2::write::GzEncoder::new(File::create(to).unwrap(), flate2::Compression::fast());
    encoder.write_all(&fs::read(from).unwrap()).unwrap();
    let modified = fs::metadata(from).unwrap().modified().unwrap();
    encoder.finish().unwrap().set_modified(modified).unwrap();
    fs::remove_file(from).unwrap();
}
