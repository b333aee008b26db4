// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a finished process left behind, and what a test may say about it.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::sys::signal::Signal;

/// What every token and password of a test has in it.
pub const SECRET: &str = "s3cr3t";

/// Exit status and output of a finished process. The assertions return `self`, so they chain.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was run, for messages.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// Everything it wrote to stdout.
    pub stdout: Vec<u8>,
    /// Everything it wrote to stderr.
    pub stderr: Vec<u8>,
}

impl Outcome {
    /// Stdout as text, damaged where it is none.
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Stderr as text, damaged where it is none.
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// No token or password is in what it wrote: in these tests all of them have [`SECRET`] in
    /// them. Checked for every run.
    pub(crate) fn keeps_secrets(&self) {
        for bytes in [&self.stdout, &self.stderr] {
            // The library's own search is fast in tests too, which are not optimised.
            let shows = String::from_utf8_lossy(bytes).contains(SECRET);
            assert!(!shows, "it shows a secret\n{self}");
        }
    }

    /// It exited with 0.
    #[track_caller]
    pub fn succeeds(&self) -> &Self {
        self.exits(0)
    }

    /// It exited with `code`.
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.status.code(), Some(code), "exit status\n{self}");
        self
    }

    /// It died of `signal`: really died, rather than exiting with 128 + n.
    #[track_caller]
    pub fn killed_by(&self, signal: Signal) -> &Self {
        assert_eq!(self.status.signal(), Some(signal as i32), "signal\n{self}");
        self
    }

    /// Stdout is exactly this.
    #[track_caller]
    pub fn stdout_is(&self, expected: impl AsRef<[u8]>) -> &Self {
        let expected = expected.as_ref();
        assert!(
            self.stdout == expected,
            "stdout should be ({} bytes)\n{}\n{self}",
            expected.len(),
            String::from_utf8_lossy(expected)
        );
        self
    }

    /// Stderr is exactly this.
    #[track_caller]
    pub fn stderr_is(&self, expected: &str) -> &Self {
        assert!(self.err() == expected, "stderr should be\n{expected}\n{self}");
        self
    }

    /// Stdout has this somewhere.
    #[track_caller]
    pub fn stdout_has(&self, part: &str) -> &Self {
        assert!(self.out().contains(part), "stdout should have {part:?}\n{self}");
        self
    }

    /// Stderr has this somewhere.
    #[track_caller]
    pub fn stderr_has(&self, part: &str) -> &Self {
        assert!(self.err().contains(part), "stderr should have {part:?}\n{self}");
        self
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "command: {}\nstatus: {}", self.command, self.status)?;
        writeln!(f, "stdout ({} bytes):\n{}", self.stdout.len(), head(&self.stdout))?;
        write!(f, "stderr ({} bytes):\n{}", self.stderr.len(), head(&self.stderr))
    }
}

/// As much of an output as helps in a message.
fn head(bytes: &[u8]) -> String {
    const MOST: usize = 4000;
    let shown = bytes.get(..MOST).unwrap_or(bytes);
    let more = if shown.len() < bytes.len() { "\n[…]" } else { "" };
    String::from_utf8_lossy(shown).escape_debug().to_string().replace("\\n", "\n") + more
}
