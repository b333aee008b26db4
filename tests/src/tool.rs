// SPDX-License-Identifier: MIT OR Apache-2.0
//! Command lines of tools and of the shell.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::{Outcome, Running, SECRET, bindir, scratch, system_path};

/// A command to run.
///
/// The environment is empty except for `PATH`, `LC_ALL=C`, `TZ=UTC` and a `HOME` that is the
/// working folder; standard input is empty unless given.
#[derive(Debug)]
pub struct Tool {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    stdin: Stdin,
    stdout: Option<File>,
    stderr: Option<File>,
    dir: Option<PathBuf>,
}

#[derive(Debug)]
pub(crate) enum Stdin {
    Bytes(Vec<u8>),
    File(File),
    Open,
}

/// `sh -c LINE`, for pipelines.
pub fn sh(line: &str) -> Tool {
    Tool::at("/bin/sh").arg("-c").arg(line)
}

impl Tool {
    /// Creates a command for one of our tools.
    pub fn new(name: &str) -> Self {
        Self::at(bindir().join(name))
    }

    /// Creates a command for another program: a path, or a name found in `PATH` (call
    /// [`crate::require`] first).
    pub fn at(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            stdin: Stdin::Bytes(Vec::new()),
            stdout: None,
            stderr: None,
            dir: None,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Runs in `dir` instead of a new folder.
    #[must_use]
    pub fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.dir = Some(dir.as_ref().to_owned());
        self
    }

    /// Writes `bytes` to standard input, then closes it.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Stdin::Bytes(bytes.into());
        self
    }

    /// Uses a file (or device, or an end of a pipe) as standard input.
    #[must_use]
    pub fn stdin_file(mut self, file: File) -> Self {
        self.stdin = Stdin::File(file);
        self
    }

    /// Uses a file with these bytes as standard input: unlike in a pipe, all are available at once.
    #[must_use]
    pub fn stdin_at_once(self, bytes: impl AsRef<[u8]>) -> Self {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(bytes.as_ref()).and_then(|()| file.rewind()).expect("room for it");
        self.stdin_file(file)
    }

    /// Keeps standard input open: write with [`Running::write`], close with
    /// [`Running::close_stdin`].
    #[must_use]
    pub fn stdin_open(mut self) -> Self {
        self.stdin = Stdin::Open;
        self
    }

    /// Redirects stdout to a file instead of capturing it.
    #[must_use]
    pub fn stdout_file(mut self, file: File) -> Self {
        self.stdout = Some(file);
        self
    }

    /// Redirects stderr to a file instead of capturing it.
    #[must_use]
    pub fn stderr_file(mut self, file: File) -> Self {
        self.stderr = Some(file);
        self
    }

    /// Runs until the process exits; at the ceiling, it is killed and the test fails.
    #[track_caller]
    pub fn run(self) -> Outcome {
        self.spawn().finish()
    }

    /// Starts the process.
    ///
    /// # Panics
    /// If there is no such program.
    #[track_caller]
    pub fn spawn(self) -> Running {
        let (mut command, line, scratch) = self.command();
        let (stdin, bytes) = match self.stdin {
            Stdin::Bytes(bytes) => (Stdio::piped(), Some(bytes)),
            Stdin::File(file) => (Stdio::from(file), None),
            Stdin::Open => (Stdio::piped(), None),
        };
        command.stdin(stdin);
        command.stdout(self.stdout.map_or_else(Stdio::piped, Stdio::from));
        command.stderr(self.stderr.map_or_else(Stdio::piped, Stdio::from));
        // A separate process group, so that nothing of a pipeline outlives the test.
        command.process_group(0);
        let child = command.spawn().unwrap_or_else(|error| panic!("{line}: {error}"));
        Running::new(child, line, bytes, scratch)
    }

    /// Returns the command without its streams, its text for messages, and its folder.
    pub(crate) fn command(&self) -> (Command, String, Option<TempDir>) {
        for (name, value) in &self.env {
            // Every output is searched for the marker.
            let is_marked = name != "CF_ACCESS_TOKEN" || value.to_string_lossy().contains(SECRET);
            assert!(is_marked, "a token of a test must have {SECRET} in it");
        }
        let own = self.dir.is_none().then(scratch);
        let dir = self.dir.as_deref().or(own.as_ref().map(TempDir::path)).expect("one of the two");
        let mut command = Command::new(&self.program);
        command.args(&self.args).current_dir(dir).env_clear();
        command.env("PATH", system_path()).env("LC_ALL", "C").env("TZ", "UTC").env("HOME", dir);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        let name = self.program.file_name().unwrap_or_default().to_string_lossy();
        let args = self.args.iter().map(|arg| format!(" {}", arg.to_string_lossy()));
        (command, name.into_owned() + &args.collect::<String>(), own)
    }
}
