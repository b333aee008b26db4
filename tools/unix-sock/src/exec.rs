// SPDX-License-Identifier: MIT OR Apache-2.0
//! One process per connection, in the manner of UCSPI: its standard input and output are the
//! socket, its environment describes the peer.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use heka_core::net::exec::status_words;
use heka_core::os::signal;
use heka_core::report::words::Count;
use heka_core::report::{self, Explain as _, Stop};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use socket2::Socket;

use crate::facts::Facts;

/// Time for processes to exit after they were terminated.
const GRACE: Duration = Duration::from_secs(2);
/// Interval of checks in milliseconds: one signal may announce the exit of several processes.
const PAUSE: u8 = 50;

/// Running processes.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    running: Vec<(u64, Child)>,
}

impl Processes {
    /// Makes the exit of a process an event.
    pub(crate) fn watch() -> Result<(), Stop> {
        signal::watch_children().at("signals")
    }

    /// Returns the number of running processes.
    pub(crate) fn count(&self) -> usize {
        self.running.len()
    }

    /// Starts `command` in a shell for a connection.
    pub(crate) fn start(
        &mut self,
        command: &OsStr,
        socket: Socket,
        facts: &Facts,
    ) -> std::io::Result<()> {
        // The flag is shared with the process, which expects a blocking socket.
        socket.set_nonblocking(false)?;
        let input = OwnedFd::from(socket.try_clone()?);
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(command).stdin(Stdio::from(input)).stdout(OwnedFd::from(socket));
        shell.env("PROTO", "UNIX").env("UNIXLOCALPATH", &facts.path);
        shell.env("UNIXCONNNUM", facts.number.to_string());
        for (name, value) in facts.numbers() {
            shell.env(
                match name {
                    "pid" => "UNIXREMOTEPID",
                    "uid" => "UNIXREMOTEEUID",
                    _ => "UNIXREMOTEEGID",
                },
                value.to_string(),
            );
        }
        // A separate process group, so that everything it has started ends with it.
        let child = shell.process_group(0).spawn()?;
        report::note(format_args!("{facts}: process {} started", child.id()));
        self.running.push((facts.number, child));
        Ok(())
    }

    /// Ends the processes: terminates them, and kills them after some time.
    pub(crate) fn end(&mut self) {
        let groups = self.groups();
        signal_all(&groups, Signal::SIGTERM);
        let limit = Instant::now() + GRACE;
        while !self.running.is_empty() && Instant::now() < limit {
            // `wait` would return at once because of a pending signal.
            let mut fds: Vec<_> = signal::wake_fd()
                .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
                .into_iter()
                .collect();
            let _ = poll(&mut fds, PAUSE);
            signal::drain();
            self.reap();
        }
        if !self.running.is_empty() {
            let count = Count(self.running.len() as u64, "command");
            report::warning(format_args!("killed {count} that did not end on SIGTERM"));
        }
        // Including what a shell has left behind: a process that was being started may have missed
        // the signal.
        signal_all(&groups, Signal::SIGKILL);
        self.running.iter_mut().for_each(|(_, child)| drop(child.wait()));
    }

    fn groups(&self) -> Vec<Pid> {
        let ids = self.running.iter().map(|(_, child)| i32::try_from(child.id()));
        ids.flatten().map(Pid::from_raw).collect()
    }

    /// Reaps processes that have exited.
    pub(crate) fn reap(&mut self) {
        self.running.retain_mut(|(number, child)| match child.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) => {
                let (id, words) = (child.id(), status_words(status));
                report::note(format_args!("peer {number}: process {id} ended: {words}"));
                false
            }
            Err(_) => false,
        });
    }
}

fn signal_all(groups: &[Pid], signal: Signal) {
    for group in groups {
        // It may have exited already.
        let _ = killpg(*group, signal);
    }
}
