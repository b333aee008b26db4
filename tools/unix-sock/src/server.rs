// SPDX-License-Identifier: MIT OR Apache-2.0
//! The listening side: many peers, each with a number.

use std::time::Instant;

use heka_core::os::{Deadline, raise_open_files, signal};
use heka_core::report::{self, Explain as _, Status, Stop};

use crate::door::Door;
use crate::exec::Processes;
use crate::hub::Hub;
use crate::plan::{Plan, Server};

/// Serves connections until a signal, a limit or `--once` ends it.
pub(crate) fn run(plan: &Plan, server: &Server, end: Deadline) -> Result<Status, Stop> {
    if server.exec.is_none() {
        // A process per connection would inherit it, and may count on the usual limit.
        raise_open_files();
    }
    let door = Door::open(plan, server)?;
    let mut hub = Hub::new(plan, Some(door))?;
    if server.exec.is_some() {
        Processes::watch()?;
    }
    let outcome = serve(&mut hub, server, end);
    // Also what came before an error or a signal is written.
    let finished = hub.finish();
    outcome?;
    finished
}

fn serve(hub: &mut Hub<'_>, server: &Server, end: Deadline) -> Result<(), Stop> {
    while !hub.is_done() && end.is_none_or(|end| end > Instant::now()) {
        while let Some((socket, facts)) = hub.accept()? {
            // A connection that cannot be served is closed; the others are not to suffer.
            let served = match &server.exec {
                None => hub.connect(socket, facts.clone()).map(drop),
                Some(command) => hub.processes.start(command, socket, &facts).at(&facts),
            };
            if let Err(Stop::Error { text, .. }) = served {
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
