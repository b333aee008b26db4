// SPDX-License-Identifier: MIT OR Apache-2.0
//! The result of a finished process, with assertions.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::sys::signal::Signal;

/// Contained in every token and password of the tests.
pub const SECRET: &str = "s3cr3t";

/// Exit status and output of a finished process. The assertions return `self`, so they can be
/// chained.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The command, for messages.
    pub command: String,
    /// Exit status.
    pub status: ExitStatus,
    /// All output to stdout.
    pub stdout: Vec<u8>,
    /// All output to stderr.
    pub stderr: Vec<u8>,
}

impl Outcome {
    /// Stdout as text; invalid UTF-8 is replaced.
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Stderr as text; invalid UTF-8 is replaced.
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Asserts that no output contains a token or password, all of which contain [`SECRET`] in
    /// tests. Called for every run.
    pub(crate) fn keeps_secrets(&self) {
        for bytes in [&self.stdout, &self.stderr] {
            // The library's search is fast even in unoptimised tests.
            let shows = String::from_utf8_lossy(bytes).contains(SECRET);
            assert!(!shows, "it shows a secret\n{self}");
        }
    }

    /// Asserts exit status 0.
    #[track_caller]
    pub fn succeeds(&self) -> &Self {
        self.exits(0)
    }

    /// Asserts exit status `code`.
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.status.code(), Some(code), "exit status\n{self}");
        self
    }

    /// Asserts that the process was killed by `signal`, rather than exiting with 128 + n.
    #[track_caller]
    pub fn killed_by(&self, signal: Signal) -> &Self {
        assert_eq!(self.status.signal(), Some(signal as i32), "signal\n{self}");
        self
    }

    /// Asserts that stdout equals `expected`.
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

    /// Asserts that stderr equals `expected`.
    #[track_caller]
    pub fn stderr_is(&self, expected: &str) -> &Self {
        assert!(self.err() == expected, "stderr should be\n{expected}\n{self}");
        self
    }

    /// Asserts that stdout contains `part`.
    #[track_caller]
    pub fn stdout_has(&self, part: &str) -> &Self {
        assert!(self.out().contains(part), "stdout should have {part:?}\n{self}");
        self
    }

    /// Asserts that stderr contains `part`.
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

/// Returns the beginning of an output, for messages.
fn head(bytes: &[u8]) -> String {
    const MOST: usize = 4000;
    let shown = bytes.get(..MOST).unwrap_or(bytes);
    let more = if shown.len() < bytes.len() { "\n[…]" } else { "" };
    String::from_utf8_lossy(shown).escape_debug().to_string().replace("\\n", "\n") + more
}
