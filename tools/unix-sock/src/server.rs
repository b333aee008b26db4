// SPDX-License-Identifier: MIT OR Apache-2.0
//! The listening side: many peers, each with a number.

use std::time::Instant;

use heka_core::os::{Deadline, raise_open_files, signal};
use heka_core::report::{self, Explain as _, Status, Stop};
use socket2::Socket;

use crate::door::{Entrance, refused};
use crate::exec::Processes;
use crate::facts::Facts;
use crate::hub::Hub;
use crate::plan::{Plan, Server};

/// Serves peers until a signal, a limit, or the end of the only one. `given` is an inherited
/// socket.
pub(crate) fn run(
    plan: &Plan,
    server: &Server,
    given: Option<Socket>,
    end: Deadline,
) -> Result<Status, Stop> {
    if server.exec.is_none() {
        // A process per connection would inherit it, and may rely on the usual limit.
        raise_open_files();
    } else {
        Processes::watch()?;
    }
    let mut hub = match Entrance::open(plan, server, given)? {
        Entrance::Door(door) => Hub::new(plan, Some(door))?,
        Entrance::Connection(socket, facts) => {
            let peer = facts.uid.zip(facts.gid);
            if !server.admits(peer) {
                return Err(Stop::failed(refused(&facts.path, peer)));
            }
            let mut hub = Hub::new(plan, None)?;
            take_in(&mut hub, server, socket, facts)?;
            hub
        }
    };
    let outcome = serve(&mut hub, server, end);
    hub.processes.end();
    // Output produced before an error or a signal is written too.
    let finished = hub.finish();
    outcome?;
    finished
}

fn take_in(hub: &mut Hub<'_>, server: &Server, socket: Socket, facts: Facts) -> Result<(), Stop> {
    match &server.exec {
        None => hub.connect(socket, facts).map(drop),
        Some(command) => hub.processes.start(command, socket, &facts).at(&facts),
    }
}

fn serve(hub: &mut Hub<'_>, server: &Server, end: Deadline) -> Result<(), Stop> {
    while !hub.is_done() && end.is_none_or(|end| end > Instant::now()) {
        while let Some((socket, facts)) = hub.accept()? {
            // A connection that cannot be served is closed; the others must not suffer.
            if let Err(Stop::Error { text, .. }) = take_in(hub, server, socket, facts) {
                report::warning(text);
            }
        }
        hub.turn(end)?;
        if signal::take_child() {
            hub.processes.reap();
        }
        for mut peer in std::mem::take(&mut hub.ended) {
            if !peer.link.is_drained() {
                let records = peer.link.abandon();
                hub.sink.lose_unsent(records, &peer.link.facts, "gone");
            }
        }
    }
    Ok(())
}
