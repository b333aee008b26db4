// SPDX-License-Identifier: MIT OR Apache-2.0
//! A folder with logs for heka-tail.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tempfile::TempDir;

use crate::{Outcome, Running, Tool, eventually, scratch};

/// A folder with a log, and heka-tail following it.
#[derive(Debug)]
pub struct Scene {
    /// The folder.
    pub dir: TempDir,
}

impl Scene {
    /// Creates a folder with `app.log`, which contains `text`.
    pub fn new(text: &str) -> Self {
        let scene = Self { dir: scratch() };
        fs::write(scene.path("app.log"), text).unwrap();
        scene
    }

    /// Returns the path of a file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Appends to a file in the folder, or creates it.
    pub fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// Renames a file in the folder.
    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// Returns heka-tail with the folder as its working directory and `-o payload`.
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

/// Waits until a process has no open file of this name.
pub fn lets_go_of(tail: &Running, name: &str) {
    eventually("it is closed", || {
        let files = fs::read_dir(format!("/proc/{}/fd", tail.pid())).unwrap();
        let mut files = files.filter_map(|file| fs::read_link(file.unwrap().path()).ok());
        (!files.any(|file| file.to_string_lossy().contains(name))).then_some(())
    });
}

/// Waits until a process has been idle for a second.
pub fn rests(tail: &Running) {
    // Number of context switches of its threads, which increases whenever a thread runs.
    let switches = || -> u64 {
        let threads = fs::read_dir(format!("/proc/{}/task", tail.pid())).unwrap();
        let texts = threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("status")));
        let count = |text: String| -> u64 {
            let lines = text.lines().filter(|line| line.contains("ctxt_switches"));
            lines.map(|line| line.split_whitespace().last().unwrap().parse::<u64>().unwrap()).sum()
        };
        texts.map(|text| count(text.unwrap())).sum()
    };
    let mut before = (switches(), Instant::now());
    eventually("it rests for a second", || {
        let now = switches();
        if now != before.0 {
            before = (now, Instant::now());
        }
        (before.1.elapsed().as_millis() >= 1000).then_some(())
    });
}

/// Compresses a file as logrotate does: keeps its time, and removes the original.
pub fn gzip(from: &Path, to: &Path) {
    let mut encoder =
        flate2::write::GzEncoder::new(File::create(to).unwrap(), flate2::Compression::fast());
    encoder.write_all(&fs::read(from).unwrap()).unwrap();
    let modified = fs::metadata(from).unwrap().modified().unwrap();
    encoder.finish().unwrap().set_modified(modified).unwrap();
    fs::remove_file(from).unwrap();
}
