// SPDX-License-Identifier: MIT OR Apache-2.0
//! The heka-tail that follows the log, and its output.

use std::fs::{self, OpenOptions};
use std::path::PathBuf;

use heka_tests::{Running, Tool, eventually};

pub(super) struct Tail {
    pub(super) dir: PathBuf,
    pub(super) log: PathBuf,
    pub(super) flags: Vec<String>,
}

impl Tail {
    pub(super) fn start(&self) -> Running {
        let append = |name: &str| {
            OpenOptions::new().create(true).append(true).open(self.dir.join(name)).unwrap()
        };
        Tool::new("heka-tail")
            .args(["-o", "payload", "--verbose", "--checkpoint=../pos"])
            .args(&self.flags)
            .arg(&self.log)
            .dir(self.log.parent().unwrap())
            .stdout_file(append("out"))
            .stderr_file(append("err"))
            .spawn()
    }

    /// A kill may happen in the middle of a write(2).
    pub(super) fn drop_unfinished(&self) {
        let out = fs::read(self.dir.join("out")).unwrap();
        let len = out.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let file = OpenOptions::new().write(true).open(self.dir.join("out")).unwrap();
        file.set_len(len as u64).unwrap();
    }

    /// Waits until all lines before this one are printed.
    pub(super) fn await_lines(&self, before: u64) {
        eventually("lines", || (self.count(before) == before).then_some(()));
    }

    /// Returns how many lines before this one are printed.
    pub(super) fn count(&self, before: u64) -> u64 {
        let mut lines = self.lines();
        lines.retain(|&line| line < before);
        lines.sort_unstable();
        lines.dedup();
        lines.len() as u64
    }

    pub(super) fn lines(&self) -> Vec<u64> {
        let out = fs::read(self.dir.join("out")).unwrap();
        let whole = out.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"));
        let number = |line: &[u8]| {
            let text = String::from_utf8_lossy(line).into_owned();
            let (number, rest) = text.split_once(' ').unwrap_or((&text, ""));
            let number: u64 = number.parse().unwrap_or_else(|_| panic!("torn line {text:?}"));
            assert_eq!(rest.len() as u64, number % 90 + 1, "torn line {text:?}");
            number
        };
        whole.map(number).collect()
    }
}
