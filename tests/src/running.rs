// SPDX-License-Identifier: MIT OR Apache-2.0
//! Processes that run beside the test.

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

/// Maximum length, in bytes, of an unexpected output in a message.
const SHOWN: usize = 400;

/// A running process. When dropped, it is killed with all its children.
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
            // The process may exit before it has read everything; the test judges that.
            std::thread::spawn(move || drop(pipe.write_all(&bytes)));
        }
        let stdout = Capture::new(child.stdout.take());
        let stderr = Capture::new(child.stderr.take());
        Self { command, child, stdin, stdout, stderr, status: None, scratch }
    }

    /// The process's own working folder.
    ///
    /// # Panics
    /// If the test chose the folder.
    pub fn dir(&self) -> &std::path::Path {
        self.scratch.as_ref().expect("it runs in a folder of the test's").path()
    }

    /// Process id.
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// The peak memory, in KiB.
    ///
    /// # Panics
    /// If the process has ended.
    pub fn peak_memory(&self) -> u64 {
        self.kibibytes("VmHWM:")
    }

    /// The current memory, in KiB.
    ///
    /// # Panics
    /// If the process has ended.
    pub fn memory(&self) -> u64 {
        self.kibibytes("VmRSS:")
    }

    /// Reads a line of /proc/PID/status, in KiB.
    fn kibibytes(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("it has ended");
        let value = status.lines().find_map(|line| line.strip_prefix(name)).expect("such a line");
        value.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Returns the processor time used so far, user and system.
    ///
    /// # Panics
    /// If the process has ended.
    pub fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()));
        let stat = stat.expect("it has ended");
        // After the name in parentheses: the state, and eleven fields later utime and stime
        // (proc(5)).
        let (_, fields) = stat.rsplit_once(") ").expect("a name");
        let ticks = fields.split(' ').skip(11).take(2);
        let ticks: u64 = ticks.map(|field| field.parse::<u64>().expect("a number")).sum();
        Duration::from_millis(ticks * 10)
    }

    /// Sends SIGUSR1 and returns the statistics it makes the tool report.
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

    /// Writes to standard input (see [`crate::Tool::stdin_open`]).
    #[track_caller]
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        assert!(self.try_write(bytes), "cannot write to standard input");
    }

    /// Like [`Running::write`]; `false` if nobody reads it.
    #[track_caller]
    pub fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let stdin = self.stdin.as_mut().expect("standard input is not open");
        stdin.write_all(bytes.as_ref()).is_ok()
    }

    /// Closes standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Returns the output to stdout so far.
    pub fn stdout(&self) -> Vec<u8> {
        self.stdout.bytes()
    }

    /// Returns the output to stderr so far.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr.bytes()).into_owned()
    }

    /// Waits until `done` accepts stdout.
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

    /// Waits until stdout equals `expected`.
    #[track_caller]
    pub fn wait_stdout_is(&self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        self.wait_stdout(&String::from_utf8_lossy(expected), |bytes| bytes == expected);
    }

    /// Waits until stderr contains `part`.
    #[track_caller]
    pub fn wait_stderr(&self, part: &str) -> String {
        let what = || format!("{}: stderr has {part:?}\n{}", self.command, self.stderr());
        eventually_or(what, || Some(self.stderr()).filter(|text| text.contains(part)))
    }

    /// Sends a signal to the process, not to its group.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("cannot send the signal");
    }

    /// Sends a signal to a process of that name that this one, or a process it has started, has
    /// started; `false` if there is none.
    pub fn signal_helper(&self, name: &str, signal: Signal) -> bool {
        let mut pids = children(self.pid());
        let mut index = 0;
        while let Some(pid) = pids.get(index).copied() {
            let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if comm.trim_end() == name {
                return kill(Pid::from_raw(pid), signal).is_ok();
            }
            pids.extend(children(pid));
            index += 1;
        }
        false
    }

    /// Whether the process is running.
    pub fn is_running(&mut self) -> bool {
        self.status.is_none() && self.poll().is_none()
    }

    /// Closes standard input and waits for the process to exit.
    ///
    /// # Panics
    /// At the ceiling, with the output so far in the message.
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

    /// Sends `signal` and waits for the process to exit.
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
        // The group may already be gone.
        let _gone = killpg(Pid::from_raw(self.pid()), Signal::SIGKILL);
        match self.status {
            Some(status) => status,
            None => self.child.wait().expect("cannot wait for the process"),
        }
    }

    fn outcome(&self, status: ExitStatus) -> Outcome {
        let outcome = self.unchecked(status);
        outcome.keeps_secrets();
        outcome
    }

    fn unchecked(&self, status: ExitStatus) -> Outcome {
        Outcome {
            command: self.command.clone(),
            status,
            stdout: self.stdout.bytes(),
            stderr: self.stderr.bytes(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stdin = None;
        let status = self.kill_all();
        self.status = Some(status);
        if std::thread::panicking() {
            eprintln!("it was running when the test failed:\n{}", self.unchecked(status));
        } else {
            // Also checked for processes that no test waited for, and for a terminal's screen.
            self.outcome(status);
        }
    }
}

/// The processes that a process has started, by any of its threads.
fn children(pid: i32) -> Vec<i32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.map(|thread| std::fs::read_to_string(thread.path().join("children")));
    let pids = |list: String| -> Vec<i32> {
        list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    };
    lists.flatten().flat_map(pids).collect()
}

/// A thread that collects an output.
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

    /// Waits for the end of the output: a grandchild may hold it open longer than the process runs.
    fn join(&self, deadline: Instant) {
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            if Instant::now() >= deadline {
                return;
            }
            pause();
        }
    }
}
