// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--check`: connects to every address, sends no message, and reports what is there.

use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use heka_core::delivery::claim::random_seed;
use heka_core::net::{Addr, DialError, Fault};
use heka_core::os::{Output, clock, wait};
use heka_core::report::{self, Status, Stop};

use crate::peer::{End, Link, Over};
use crate::place::Identity;
use crate::plan::{Ack, Delivery, Plan};
use crate::window::Window;

/// Time for a peer that need not answer to reject the protocol.
const OBJECTION: Duration = Duration::from_secs(1);

/// Checks every address; status 3 if any of them fails.
pub(crate) fn check(mut plan: Plan) -> Result<Status, Stop> {
    let mut out = Output::stdout()?.text();
    // Even commands are not waited for indefinitely here.
    plan.delivery.linger = Some(plan.delivery.linger());
    let mut status = Status::Done;
    for addr in plan.targets.iter().flatten() {
        match look_at(addr, &plan)? {
            Ok(found) => {
                out.put(format!("{addr}: {found}\n").as_bytes());
                out.flush()?;
            }
            Err(Fault { cause, hint, .. }) => {
                report::error(format_args!("{addr}: {cause}"));
                hint.iter().for_each(report::hint);
                status = Status::Unreachable;
            }
        }
    }
    Ok(status)
}

/// Describes what is at an address.
fn look_at(addr: &Addr, plan: &Plan) -> Result<Result<String, Fault>, Stop> {
    let mut link = match Link::connect(&plan.dialer, addr, &plan.delivery) {
        Ok(link) => link,
        Err(DialError::Stopped(stop)) => return Err(stop),
        Err(DialError::Failed(fault)) => return Ok(Err(fault)),
    };
    if addr.is_datagram() {
        return Ok(Ok("accepts no connection: datagrams are not acknowledged".to_owned()));
    }
    let is_program = matches!(addr, Addr::Exec(_));
    let begun = match (is_program, link.tls_version()) {
        (true, _) => "started".to_owned(),
        (false, None) => "connected".to_owned(),
        (false, Some(version)) => format!("connected with TLS {version}"),
    };
    let asks = plan.delivery.ack_of(addr) == Ack::Peer;
    Ok(meet(&mut link, &plan.delivery, asks, is_program)?.map(|more| format!("{begun}{more}")))
}

/// Talks to a peer until its behaviour is known. A peer that is asked for acknowledgements has to
/// answer, unless it is a program, which need not answer before it has a message.
fn meet(
    link: &mut Link,
    delivery: &Delivery,
    asks: bool,
    is_program: bool,
) -> Result<Result<&'static str, Fault>, Stop> {
    let identity = Identity::new(clock::random_uuid(), &random_seed())?;
    let mut window = Window::starting_after(0, delivery.in_flight as u64, 0);
    link.begin(&window, asks.then_some(&identity), 0, 0);
    let limit = if asks || is_program { delivery.linger() } else { OBJECTION };
    let until = Instant::now() + limit.min(delivery.linger());
    loop {
        let mut talk = link.converse(&mut window, delivery, false);
        if link.answers.are_heard() {
            return Ok(Ok(", acknowledges messages"));
        }
        if talk.is_ok() && (!asks || is_program) {
            talk = link.close();
        }
        match talk {
            Ok(()) if Instant::now() < until => {
                let deadline = link.deadline(&window, delivery, true);
                let deadline = deadline.map_or(until, |at| at.min(until));
                wait(&[(link.as_fd(), link.wanted(&window))], Some(deadline))?;
            }
            Ok(()) if asks => {
                let over = Over::new(End::Peer, "does not acknowledge").suspecting(true);
                return Ok(Err(over.fault));
            }
            Ok(()) => return Ok(Ok("")),
            Err(over) => return Ok(ended(over, asks, is_program)),
        }
    }
}

/// Interprets the end of a connection to a peer that has acknowledged nothing.
fn ended(over: Over, asks: bool, is_program: bool) -> Result<&'static str, Fault> {
    match over.end {
        End::Ours | End::Peer if is_program => Ok(", exit status 0"),
        End::Ours | End::Peer if !asks => Ok(""),
        End::Peer => Err(over.suspecting(true).fault),
        _ => Err(over.fault),
    }
}
