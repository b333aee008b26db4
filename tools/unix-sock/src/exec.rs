// SPDX-License-Identifier: MIT OR Apache-2.0
//! One process per connection, in the manner of UCSPI: its standard input and output are the
//! socket, its environment tells who is at the other end.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use heka_core::os::signal;
use heka_core::report::{self, Explain as _, Stop};
use socket2::Socket;

use crate::facts::Facts;

/// Processes that run.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    running: Vec<(u64, Child)>,
}

impl Processes {
    /// Makes the end of a process an event.
    pub(crate) fn watch() -> Result<(), Stop> {
        signal::watch_children().at("signals")
    }

    /// How many run.
    pub(crate) fn count(&self) -> usize {
        self.running.len()
    }

    /// Starts `command` with the shell for a connection.
    pub(crate) fn start(
        &mut self,
        command: &OsStr,
        socket: Socket,
        facts: &Facts,
    ) -> std::io::Result<()> {
        // The flag is shared with the process, which expects a socket that waits.
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
        let child = shell.spawn()?;
        report::note(format_args!("{facts}: process {} started", child.id()));
        self.running.push((facts.number, child));
        Ok(())
    }

    /// Takes note of processes that have ended.
    pub(crate) fn reap(&mut self) {
        self.running.retain_mut(|(number, child)| match child.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) => {
                report::note(format_args!("peer {number}: process {} ended: {status}", child.id()));
                false
            }
            Err(_) => false,
        });
    }
}
