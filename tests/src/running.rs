// SPDX-License-Identifier: MIT OR Apache-2.0
//! A process that runs beside the test.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::wait::{eventually_or, pause};
use crate::{Outcome, ceiling, eventually};

/// So much of its output is shown when it is not what was waited for.
const SHOWN: usize = 400;

/// A running process. Dropped, it is killed with all that it started.
#[derive(Debug)]
pub struct Running {
    command: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Capture,
    stderr: Capture,
    status: Option<ExitStatus>,
    scratch: Option<TempDir>,
}

impl Running {
    pub(crate) fn new(
        mut child: Child,
        command: String,
        input: Option<Vec<u8>>,
        scratch: Option<TempDir>,
    ) -> Self {
        let mut stdin = child.stdin.take();
        if let Some(bytes) = input
            && let Some(mut pipe) = stdin.take()
        {
            // It may well end before it has read everything: that is for the test to judge.
            std::thread::spawn(move || drop(pipe.write_all(&bytes)));
        }
        let stdout = Capture::new(child.stdout.take());
        let stderr = Capture::new(child.stderr.take());
        Self { command, child, stdin, stdout, stderr, status: None, scratch }
    }

    /// Its working folder, if it was given none.
    ///
    /// # Panics
    /// If it was given one.
    pub fn dir(&self) -> &std::path::Path {
        self.scratch.as_ref().expect("it runs in a folder of the test's").path()
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// The most memory that it ever had, in KiB.
    ///
    /// # Panics
    /// If it has ended.
    pub fn peak_memory(&self) -> u64 {
        self.kibibytes("VmHWM:")
    }

    /// The memory that it has at present, in KiB.
    ///
    /// # Panics
    /// If it has ended.
    pub fn memory(&self) -> u64 {
        self.kibibytes("VmRSS:")
    }

    /// A line of its status.
    fn kibibytes(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("it has ended");
        let value = status.lines().find_map(|line| line.strip_prefix(name)).expect("such a line");
        value.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// How long it has kept a processor busy so far, for itself and in the system.
    ///
    /// # Panics
    /// If it has ended.
    pub fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()));
        let stat = stat.expect("it has ended");
        // Behind the name in brackets: state, and eleven fields on utime and stime (proc(5)).
        let (_, fields) = stat.rsplit_once(") ").expect("a name");
        let ticks = fields.split(' ').skip(11).take(2);
        let ticks: u64 = ticks.map(|field| field.parse::<u64>().expect("a number")).sum();
        Duration::from_millis(ticks * 10)
    }

    /// Its statistics as of now, as SIGUSR1 makes it tell them.
    #[track_caller]
    pub fn statistics(&self) -> String {
        let before = self.stderr().len();
        self.signal(Signal::SIGUSR1);
        eventually("a line of statistics", || {
            let said = self.stderr();
            let new = said.get(before..)?;
            new.lines().find(|line| line.contains(" bytes in")).map(str::to_owned)
        })
    }

    /// Writes to its standard input (see [`crate::Tool::stdin_open`]).
    #[track_caller]
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let stdin = self.stdin.as_mut().expect("standard input is not open");
        stdin.write_all(bytes.as_ref()).expect("cannot write to standard input");
    }

    /// Ends its standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// What it has written to stdout so far.
    pub fn stdout(&self) -> Vec<u8> {
        self.stdout.bytes()
    }

    /// What it has written to stderr so far.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr.bytes()).into_owned()
    }

    /// Waits until stdout is what `done` wants to see.
    #[track_caller]
    pub fn wait_stdout(&self, what: &str, mut done: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
        let what = || {
            let (out, stderr) = (self.stdout(), self.stderr());
            let end = out[out.len().saturating_sub(SHOWN)..].escape_ascii();
            let len = out.len();
            format!("{}: stdout: {what}\n{len} bytes, at the end: {end}\n{stderr}", self.command)
        };
        eventually_or(what, || Some(self.stdout()).filter(|bytes| done(bytes)))
    }

    /// Waits until stdout is exactly this.
    #[track_caller]
    pub fn wait_stdout_is(&self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        self.wait_stdout(&String::from_utf8_lossy(expected), |bytes| bytes == expected);
    }

    /// Waits until stderr has this somewhere.
    #[track_caller]
    pub fn wait_stderr(&self, part: &str) -> String {
        let what = || format!("{}: stderr has {part:?}\n{}", self.command, self.stderr());
        eventually_or(what, || Some(self.stderr()).filter(|text| text.contains(part)))
    }

    /// Sends it a signal (the process alone, not its group).
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("cannot send the signal");
    }

    /// Whether it runs still.
    pub fn is_running(&mut self) -> bool {
        self.status.is_none() && self.poll().is_none()
    }

    /// Ends its standard input and waits for it to end by itself.
    ///
    /// # Panics
    /// At the ceiling; what it wrote until then is in the message.
    #[track_caller]
    pub fn finish(mut self) -> Outcome {
        self.close_stdin();
        let deadline = Instant::now() + ceiling();
        let status = loop {
            if let Some(status) = self.poll() {
                break status;
            }
            if Instant::now() >= deadline {
                let status = self.kill_all();
                panic!("does not end:\n{}", self.outcome(status));
            }
            pause();
        };
        self.stdout.join(deadline);
        self.stderr.join(deadline);
        self.outcome(status)
    }

    /// Sends `signal` and waits for it to end.
    #[track_caller]
    pub fn end_by(self, signal: Signal) -> Outcome {
        self.signal(signal);
        self.finish()
    }

    fn poll(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("cannot wait for the process");
        }
        self.status
    }

    fn kill_all(&mut self) -> ExitStatus {
        // No such group any more is as good.
        let _gone = killpg(Pid::from_raw(self.pid()), Signal::SIGKILL);
        match self.status {
            Some(status) => status,
            None => self.child.wait().expect("cannot wait for the process"),
        }
    }

    fn outcome(&self, status: ExitStatus) -> Outcome {
        let outcome = Outcome {
            command: self.command.clone(),
            status,
            stdout: self.stdout.bytes(),
            stderr: self.stderr.bytes(),
        };
        outcome.keeps_secrets();
        outcome
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stdin = None;
        let status = self.kill_all();
        self.status = Some(status);
        // Also of one whose end no test asked for, and of a terminal's screen.
        if !std::thread::panicking() {
            self.outcome(status);
        }
    }
}

/// A thread that gathers one output.
#[derive(Debug)]
struct Capture {
    bytes: Arc<Mutex<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

impl Capture {
    fn new(pipe: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&bytes);
        let thread = pipe.map(|mut pipe| {
            std::thread::spawn(move || {
                let mut block = vec![0; 65536];
                while let Ok(count @ 1..) = pipe.read(&mut block) {
                    let mut all = shared.lock().unwrap_or_else(PoisonError::into_inner);
                    all.extend_from_slice(&block[..count]);
                }
            })
        });
        Self { bytes, thread }
    }

    fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the end of the output: a grandchild may hold it open longer than the process ran.
    fn join(&self, deadline: Instant) {
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            if Instant::now() >= deadline {
                return;
            }
            pause();
        }
    }
}
