// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs as the peer of a connection: `exec:COMMAND`, and the tools for brokers.
//!
//! A program gets one end of a socket pair as its standard input and output. It is terminated when
//! its parent dies (`PR_SET_PDEATHSIG`). For the kernel the parent is the thread that started it,
//! so one thread, which lives as long as the process, starts all programs.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

use nix::poll::PollFlags;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};
use socket2::{Domain, Socket, Type};

use super::{DialError, Fault, FaultKind, Retries, Stream, peek_at};
use crate::os::{Deadline, wait_for};
use crate::report::words::{CLOSED, NO_ANSWER};
use crate::report::{self, Cause as _, Level, Status, Stop};

/// Time for a program to exit after its connection is closed, and again after a SIGTERM.
const GRACE: Duration = Duration::from_secs(1);
/// Interval of checks whether it has.
const LOOK: Duration = Duration::from_millis(5);
/// Time for a program that has closed its side to exit.
const STATUS_LIMIT: Duration = Duration::from_millis(500);

/// Environment variables from the service manager that are only meant for this process.
const OF_THE_MANAGER: [&str; 6] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
];

/// A program to start.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Program {
    /// A command line for the shell.
    Shell(String),
    /// A heka tool that speaks a broker's protocol, and the broker's address.
    Broker {
        /// The tool.
        tool: &'static str,
        /// The address.
        url: String,
    },
}

/// The direction of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the program.
    To,
    /// From the program. A heka tool reconnects by itself, with these retries: only the tool knows
    /// its position.
    From(Retries),
}

impl Program {
    /// Starts the program. If messages go to a heka tool, waits until it reports that it is
    /// connected: another address may work better.
    ///
    /// # Errors
    /// [`DialError`].
    pub fn start(&self, direction: Direction, deadline: Deadline) -> Result<Stream, DialError> {
        let (near, far) = Socket::pair(Domain::UNIX, Type::STREAM, None)?;
        let far = OwnedFd::from(far);
        let mut command = self.command(direction);
        for name in OF_THE_MANAGER {
            command.env_remove(name);
        }
        command.stdin(Stdio::from(far.try_clone()?)).stdout(Stdio::from(far));
        let child = spawn(command).map_err(|error| self.absent(&error))?;
        let mut process = Process(Some(child));
        if matches!(self, Self::Broker { .. }) && direction == Direction::To {
            process.await_first_byte(&near, deadline)?;
        }
        Ok(Stream::of_program(near, process))
    }

    fn command(&self, direction: Direction) -> Command {
        match self {
            Self::Shell(line) => {
                let mut command = Command::new("/bin/sh");
                command.arg("-c").arg(line);
                command
            }
            Self::Broker { tool, url } => {
                let mut command = Command::new(beside_us(tool));
                command.arg("--ack").args(verbosity());
                match direction {
                    Direction::To => command.arg("--retry=0"),
                    Direction::From(retries) => {
                        command.arg(format!("--retry={retries}")).arg("--read")
                    }
                };
                command.arg(url);
                command
            }
        }
    }

    fn absent(&self, error: &io::Error) -> DialError {
        let cause = format_args!("cannot be started: {}", error.cause());
        let fault = Fault::new(FaultKind::Program, cause);
        DialError::Failed(match self {
            Self::Broker { tool, .. } if error.kind() == io::ErrorKind::NotFound => {
                fault.hint(format!("such an address needs {tool}, which is not installed"))
            }
            _ => fault,
        })
    }
}

impl std::fmt::Display for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Shell(line) => write!(f, "exec:{line}"),
            Self::Broker { url, .. } => f.write_str(url),
        }
    }
}

/// Returns the flag that makes a heka tool as verbose as this one.
fn verbosity() -> Option<&'static str> {
    let flags = [(Level::Trace, "-vvv"), (Level::Debug, "-vv"), (Level::Note, "-v")];
    let more = flags.into_iter().find(|(level, _)| report::wants(*level)).map(|(_, flag)| flag);
    more.or((!report::wants(Level::Warning)).then_some("-q"))
}

/// Returns the path of a tool installed next to this program; otherwise `PATH` is searched.
fn beside_us(tool: &str) -> PathBuf {
    let own = std::env::current_exe().ok().map(|path| path.with_file_name(tool));
    own.filter(|path| path.is_file()).unwrap_or_else(|| tool.into())
}

/// A running program, which is terminated when dropped.
#[derive(Debug)]
pub(super) struct Process(Option<Child>);

impl Process {
    /// Returns the exit status, if the program exits before `until`.
    fn ended(&mut self, until: Instant) -> Option<ExitStatus> {
        self.0.as_mut().and_then(|child| ended(child, until))
    }

    /// Terminates the program, if it has not exited. The connection stays open for its last output.
    fn ask_to_end(&mut self) {
        if let Some(child) = &mut self.0
            && matches!(child.try_wait(), Ok(None))
        {
            // Not reaped yet, so the process ID is still valid.
            let _asked = kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM);
        }
    }

    /// Returns the exit status, if the program has exited.
    pub(super) fn exit(&mut self) -> Option<ExitStatus> {
        self.0.as_mut().and_then(|child| child.try_wait().ok().flatten())
    }

    /// Waits for the program to send anything.
    fn await_first_byte(&mut self, near: &Socket, deadline: Deadline) -> Result<(), DialError> {
        if !wait_for(near.as_fd(), PollFlags::POLLIN, deadline)? {
            return Err(DialError::of(FaultKind::Timeout, NO_ANSWER));
        }
        if peek_at(near, 0, &mut [0]).is_ok_and(|len| len > 0) {
            return Ok(());
        }
        match self.ended(Instant::now() + STATUS_LIMIT) {
            // The program has reported the cause, and another attempt would fail in the same way.
            Some(status) if status.code() == Some(2) => Err(Stop::Said(Status::Usage).into()),
            Some(status) => Err(DialError::of(FaultKind::Program, status_words(status))),
            None => Err(DialError::of(FaultKind::Closed, CLOSED)),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take()
            && !matches!(child.try_wait(), Ok(Some(_)))
        {
            std::thread::spawn(move || end(&mut child));
        }
    }
}

/// The end of a connection to a program. The exit status is available a moment later, unless the
/// program continues to run.
#[derive(Debug)]
pub struct Parting {
    until: Instant,
}

impl Parting {
    /// Begins when the connection ends.
    pub fn begin() -> Self {
        Self { until: Instant::now() + STATUS_LIMIT }
    }

    /// Whether there is nothing left to wait for: [`Stream::program_exit`] is known, or the program
    /// continues to run.
    pub fn is_over(&self, stream: &mut Stream) -> bool {
        stream.program_exit().is_some() || Instant::now() >= self.until
    }

    /// Returns when to check again.
    pub fn due(&self) -> Instant {
        self.until.min(Instant::now() + LOOK)
    }
}

/// Describes an exit status for people.
pub fn status_words(status: ExitStatus) -> String {
    match (status.code(), status.signal().map(Signal::try_from)) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(Ok(signal))) => format!("killed by {signal}"),
        _ => "killed by a signal".to_owned(),
    }
}

/// Ends a program that is no longer needed: waits for it, terminates it, then kills it.
fn end(child: &mut Child) {
    if ended(child, Instant::now() + GRACE).is_some() {
        return;
    }
    // Not reaped yet, so the process ID is still valid.
    let pid = Pid::from_raw(child.id().cast_signed());
    let asked = kill(pid, Signal::SIGTERM);
    if asked.is_err() || ended(child, Instant::now() + GRACE).is_none() {
        let _killed = child.kill().and_then(|()| child.wait());
    }
}

/// Terminates the programs at the other ends of these connections, and waits up to `limit` for all of
/// them to exit.
pub fn end_all<'a>(streams: impl Iterator<Item = &'a mut Stream>, limit: Duration) {
    let mut programs: Vec<_> = streams.filter_map(Stream::program).collect();
    programs.iter_mut().for_each(|program| program.ask_to_end());
    let until = Instant::now() + limit;
    for program in programs {
        let _in_time = program.ended(until);
    }
}

/// Waits until `until` for a program to exit.
fn ended(child: &mut Child, until: Instant) -> Option<ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < until => std::thread::park_timeout(LOOK),
            _ => return None,
        }
    }
}

/// A command to start, and the channel for the result.
type Order = (Command, mpsc::Sender<io::Result<Child>>);

/// Starts a program as a child of the thread that starts all programs.
fn spawn(command: Command) -> io::Result<Child> {
    static STARTER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (orders, queue) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (command, started) in queue {
                let _awaited = started.send(spawn_here(command));
            }
        });
        orders
    });
    let (started, outcome) = mpsc::channel();
    let lost = |_| io::Error::other("the thread that starts programs is gone");
    starter.send((command, started)).map_err(|_| lost(mpsc::RecvError))?;
    outcome.recv().map_err(lost)?
}

fn spawn_here(mut command: Command) -> io::Result<Child> {
    let parent = nix::unistd::getpid();
    let tie = move || {
        set_pdeathsig(Signal::SIGTERM)?;
        // The parent may have died before.
        if getppid() == parent { Ok(()) } else { Err(io::Error::other("the parent is gone")) }
    };
    #[expect(unsafe_code, reason = "what has to be done between fork and exec is never safe")]
    // SAFETY: `tie` makes two system calls, which are async-signal-safe, and allocates only when
    // the parent, and whatever lock it held, is gone.
    unsafe {
        command.pre_exec(tie);
    }
    command.spawn()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    fn start(line: &str) -> Stream {
        Program::Shell(line.to_owned()).start(Direction::To, None).unwrap()
    }

    fn status(stream: &mut Stream) -> ExitStatus {
        let parting = Parting { until: Instant::now() + Duration::from_secs(30) };
        while !parting.is_over(stream) {
            std::thread::park_timeout(LOOK);
        }
        stream.program_exit().unwrap()
    }

    #[test]
    fn a_program_has_the_connection_as_its_input_and_output() {
        let mut stream = start("read line; echo \"got $line\"; exit 7");
        stream.write_all(b"this\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert_eq!(text, "got this\n");
        assert_eq!(status_words(status(&mut stream)), "exit status 7");
    }

    #[test]
    fn a_program_outlives_the_thread_that_asked_for_it_and_not_the_connection() {
        let asker = std::thread::spawn(|| start("echo $$; read line; echo alive; exec sleep 1000"));
        let mut stream = asker.join().unwrap();
        let mut pid = [0; 32];
        let len = stream.read(&mut pid).unwrap();
        let pid = Pid::from_raw(std::str::from_utf8(&pid[..len]).unwrap().trim().parse().unwrap());
        stream.write_all(b"\n").unwrap();
        let mut text = [0; 6];
        stream.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"alive\n");
        drop(stream);
        let since = Instant::now();
        while kill(pid, None).is_ok() {
            assert!(since.elapsed() < Duration::from_secs(30), "it neither ends nor is reaped");
            std::thread::park_timeout(LOOK);
        }
    }

    #[test]
    fn all_programs_are_asked_to_end_before_one_is_waited_for() {
        // Each says when it is ready to be asked, and ends with the connection at the latest.
        let (polite, deaf) = ("echo; read line", "trap '' TERM; echo; read line");
        let mut streams = [deaf, polite, deaf, polite].map(start);
        for stream in &mut streams {
            stream.read_exact(&mut [0]).unwrap();
        }
        end_all(streams.iter_mut(), Duration::from_millis(100));
        assert_eq!([0, 2].map(|deaf| streams[deaf].program_exit()), [None, None]);
        // They have taken the time of the others, but these have been asked.
        let words = [1, 3].map(|polite| status_words(status(&mut streams[polite])));
        assert_eq!(words, ["killed by SIGTERM"; 2]);
    }

    #[test]
    fn a_signal_has_a_name() {
        let mut stream = start("kill -KILL $$");
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        assert_eq!(status_words(status(&mut stream)), "killed by SIGKILL");
    }
}
