// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records on standard input go to the socket, records from the socket go to standard output.

use std::time::Instant;

use heka_core::os::Output;
use heka_core::report::{Explain as _, Status, Stop};
use nix::sys::stat::fstat;
use socket2::Socket;

use crate::door::given_socket;
use crate::plan::{Plan, Role};
use crate::{client, server};

/// Connects or serves.
pub(crate) fn run(mut plan: Plan) -> Result<Status, Stop> {
    let end = plan.timeout.map(|timeout| Instant::now() + timeout);
    let mut given = None;
    if plan.server().is_some() && plan.name.is_none() {
        let (socket, is_stdin) = given_socket(plan.kind)?;
        if is_stdin {
            // As with inetd, standard output may be the socket too.
            plan.reads_stdin = false;
            plan.writes_stdout &= !is_stdout(&socket)?;
        }
        given = Some(socket);
    }
    match (&plan.role, &plan.name) {
        (Role::Server(settings), _) => server::run(&plan, settings, given, end),
        (Role::Client { backoff, connect_timeout }, Some(name)) => {
            client::run(&plan, name, *backoff, *connect_timeout, end)
        }
        (Role::Client { .. }, None) => Err(Stop::usage("no PATH given")),
    }
}

fn is_stdout(socket: &Socket) -> Result<bool, Stop> {
    let stdout = fstat(Output::stdout()?.fd()).at("standard output")?;
    Ok(fstat(socket)
        .is_ok_and(|socket| socket.st_ino == stdout.st_ino && socket.st_dev == stdout.st_dev))
}
