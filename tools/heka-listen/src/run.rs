// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the command line to a running server, and its end.

use heka_core::codec::{Form, Payload, Settings};
use heka_core::delivery::FileCommit;
use heka_core::net::{Addr, Listener, inherited, tls};
use heka_core::os::{Ending, clock, frames_ending, pulse, raise_open_files};
use heka_core::report::{self, Status, Stop};

use crate::cli::Plan;
use crate::doors::Door;
use crate::intake::Intake;
use crate::relay::Relay;
use crate::server::Server;

/// Number of descriptors for other purposes than connections: standard ones, listeners, the output.
const OTHER_FILES: u64 = 64;

/// Receives until the end is requested.
pub(crate) fn run(plan: &Plan) -> Result<Status, Stop> {
    let doors = open_doors(plan)?;
    if plan.commit.is_some() && !doors.iter().any(Door::is_local) {
        return Err(Stop::usage("--commit needs a UNIX socket: positions are of this machine"));
    }
    let intake = open_intake(plan)?;
    let open_files = raise_open_files();
    if open_files < plan.limits.conns as u64 + OTHER_FILES {
        report::warning(format_args!(
            "the limit of {open_files} open files does not allow {} connections (ulimit -n)",
            plan.limits.conns
        ));
    }
    if let Some(fd) = plan.ready_fd {
        fd.announce(doors.iter().map(Door::reached_at))?;
    }
    for door in &doors {
        report::note(format_args!("{}: listening", door.listener.addr));
    }
    let mut server = Server::new(plan, doors, intake)?;
    pulse::ready();
    let outcome = server.serve();
    if matches!(outcome, Ok(()) | Err(Stop::Signal(_))) {
        // Data received before a signal is written too.
        server.finish()?;
        server.intake().finish()?;
    }
    outcome?;
    let failed = Status::failed_if(server.intake().failed);
    let failed = failed.and(server.status());
    Ok(failed.and(plan.writing.status(server.intake().taken())))
}

fn open_doors(plan: &Plan) -> Result<Vec<Door>, Stop> {
    let inherited = inherited(plan.listen.keepalive)?;
    let mut all = inherited.iter().map(|listener| &listener.addr).chain(&plan.addresses);
    if plan.once && all.any(Addr::is_datagram) {
        return Err(Stop::usage("--once needs connections: datagrams have none"));
    }
    let tls = plan.tls.as_ref().map(tls::Server::new).transpose()?;
    let mut doors = Vec::new();
    for listener in inherited {
        let is_tls = plan.all_tls && matches!(listener.addr, Addr::Tcp(_));
        doors.push(Door::new(listener, tls.clone().filter(|_| is_tls), plan)?);
    }
    for addr in &plan.addresses {
        let listener = Listener::bind(addr, &plan.listen)?;
        let is_tls = matches!(addr, Addr::Tls(_));
        doors.push(Door::new(listener, tls.clone().filter(|_| is_tls), plan)?);
    }
    if doors.is_empty() && plan.programs.is_empty() && !plan.stdio {
        return Err(Stop::usage("no ADDRESS given"));
    }
    let needs_datagrams = plan.receive_buffer.is_some() || !plan.framing;
    if needs_datagrams && !doors.iter().any(Door::has_datagrams) {
        return Err(Stop::usage("--receive-buffer and --no-framing are for datagrams"));
    }
    Ok(doors)
}

fn open_intake(plan: &Plan) -> Result<Intake, Stop> {
    let out = plan.write.open(plan.fsync)?.unbuffered(plan.writing.unbuffered);
    let payload = Payload { null: plan.null, ..Payload::default() };
    let settings = Settings { zone: clock::zone(), payload, ..Settings::default() };
    let showing = &plan.showing;
    let (encoder, out) = showing.open_as(showing.form()?, Form::Heka, plan.color, settings, out)?;
    let out = match encoder.form() {
        Form::Raw => out,
        Form::Heka => out.ending_with(frames_ending(plan.max_record))?,
        Form::Payload if plan.null => out.ending_with(Ending::Byte(0))?,
        _ => out.ending_with(Ending::Byte(b'\n'))?,
    };
    if plan.resume.is_some() && !encoder.has_positions() {
        return Err(Stop::usage("--ack=commit needs an output with positions: -o heka or -o json"));
    }
    let commit = plan.commit.as_deref().map(FileCommit::open).transpose()?;
    let relay = plan.resume.as_deref().map(Relay::open).transpose()?;
    Ok(Intake::new(plan, out, encoder, commit, relay))
}
