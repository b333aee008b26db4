// SPDX-License-Identifier: MIT OR Apache-2.0
//! One event loop between standard input, standard output and any number of connections.
//!
//! Nothing in it waits for one peer. Sockets and standard output are non-blocking; what a peer does
//! not take waits in its queue, what standard output does not take makes the peers wait. The kernel
//! tells changes only (edge-triggered epoll), so each [`Peer`] remembers what it may still do.

mod route;
mod wait;

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::Shutdown;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use heka_core::os::{Deadline, wait as poll};
use heka_core::report::words::Count;
use heka_core::report::{self, Cause as _, Explain as _, Status, Stop};
use nix::poll::PollFlags;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use socket2::Socket;

use crate::audience::Audience;
use crate::cli::Kind;
use crate::door::Door;
use crate::exec::Processes;
use crate::facts::Facts;
use crate::link::Flushed;
use crate::peer::{Peer, Sending, scratch_len};
use crate::plan::Plan;
use crate::sink::{Sink, UNSENT};
use crate::source::Source;

/// The door's name among the events; peers have their numbers.
const DOOR: u64 = u64::MAX;
/// While peers keep us busy, so many turns may pass before the others are asked.
const BUSY_TURNS: u8 = 8;
/// When to look again after the system had no descriptor for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Everything that is served.
pub(crate) struct Hub<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) sink: Sink<'a>,
    pub(crate) source: Option<Source>,
    pub(crate) door: Option<Door>,
    pub(crate) peers: BTreeMap<u64, Peer>,
    /// Connections whose end the caller wants to look at.
    pub(crate) ended: Vec<Peer>,
    /// Processes that serve connections in our place.
    pub(crate) processes: Processes,
    epoll: Epoll,
    /// Peers that may have something to do.
    awake: BTreeSet<u64>,
    /// Peers that records can go to.
    audience: Audience,
    /// The peer that connected last.
    last: Option<u64>,
    has_had_peers: bool,
    /// Records go out, then the connections are closed.
    closing: bool,
    scratch: Vec<u8>,
    /// Turns since anything has been waited for.
    busy_turns: u8,
    /// No limit of time ends before this.
    next_limit: Deadline,
    accept_again: Deadline,
}

impl<'a> Hub<'a> {
    /// Starts with nobody connected.
    pub(crate) fn new(plan: &'a Plan, door: Option<Door>) -> Result<Self, Stop> {
        let sink = Sink::open(plan)?;
        let source = if plan.reads_stdin { Some(Source::open(&sink)?) } else { None };
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).at("epoll")?;
        if let Some(door) = &door {
            let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
            epoll.add(door, EpollEvent::new(flags, DOOR)).at("epoll")?;
        }
        Ok(Self {
            plan,
            sink,
            source,
            door,
            peers: BTreeMap::new(),
            ended: Vec::new(),
            processes: Processes::default(),
            epoll,
            awake: BTreeSet::new(),
            audience: Audience::default(),
            last: None,
            has_had_peers: false,
            closing: false,
            scratch: vec![0; scratch_len(plan)],
            busy_turns: 0,
            next_limit: None,
            accept_again: None,
        })
    }

    /// Takes over a connection.
    pub(crate) fn add(&mut self, socket: Socket, facts: Facts) -> Result<&mut Peer, Stop> {
        let number = facts.number;
        socket.set_nonblocking(true).at(&facts)?;
        let flags = EpollFlags::EPOLLIN
            | EpollFlags::EPOLLOUT
            | EpollFlags::EPOLLRDHUP
            | EpollFlags::EPOLLET;
        self.epoll.add(&socket, EpollEvent::new(flags, number)).at(&facts)?;
        report::note(format_args!(
            "{facts}: connected (pid {}, uid {}, gid {})",
            facts.pid.unwrap_or_default(),
            facts.uid.unwrap_or_default(),
            facts.gid.unwrap_or_default()
        ));
        self.last = Some(number);
        self.has_had_peers = true;
        self.awake.insert(number);
        let mut peer = Peer::new(socket, facts, self.plan);
        let has_ended = self.source.as_ref().is_some_and(|source| source.has_ended);
        if has_ended && self.plan.server().is_none() {
            peer.sending = Sending::Ending;
        }
        self.next_limit = Some(Instant::now());
        self.audience.note(number, peer.standing(self.plan));
        Ok(self.peers.entry(number).or_insert(peer))
    }

    /// One turn: everything that can be done now is done, then something is waited for.
    pub(crate) fn turn(&mut self, deadline: Deadline) -> Result<(), Stop> {
        self.feed()?;
        self.serve()?;
        if let (true, Some(out)) = (self.sink.turn.is_output_due(), &mut self.sink.out) {
            // Who goes on sending keeps nothing of the others from the reader.
            self.sink.turn.wrote();
            out.try_flush()?;
        }
        self.expire()?;
        if !self.ended.is_empty() || self.is_done() {
            return Ok(());
        }
        self.wait(deadline)
    }

    /// Whether nothing more can come.
    pub(crate) fn is_done(&self) -> bool {
        self.sink.has_enough() || (self.door.is_none() && self.connections() == 0)
    }

    fn connections(&self) -> usize {
        self.peers.len() + self.processes.count()
    }

    /// Whether standard input may still bring records.
    pub(crate) fn can_answer(&self) -> bool {
        self.source.as_ref().is_some_and(|source| !source.has_ended)
    }

    /// Takes no more connections, and ends those that are there once they have what is theirs.
    pub(crate) fn close(&mut self) {
        self.door = None;
        self.closing = true;
        self.awake.extend(self.peers.keys());
    }

    /// Takes a connection, if one waits and there is room.
    pub(crate) fn accept(&mut self) -> Result<Option<(Socket, Facts)>, Stop> {
        let connections = self.connections();
        let (Some(door), Some(server)) = (&mut self.door, self.plan.server()) else {
            return Ok(None);
        };
        if !door.is_ready {
            return Ok(None);
        }
        if connections >= server.max_conns {
            door.keep_shut(server.max_conns)?;
            return Ok(None);
        }
        match door.accept(server) {
            Ok(accepted) => {
                if accepted.is_some() && server.once {
                    self.door = None;
                }
                Ok(accepted)
            }
            // Out of descriptors or memory: later, or when a connection has ended.
            Err(error) => {
                door.warn_full(&error.cause());
                self.accept_again = Some(Instant::now() + ACCEPT_PAUSE);
                Ok(None)
            }
        }
    }

    /// Reads from and writes to the peers that may have something to do.
    fn serve(&mut self) -> Result<(), Stop> {
        let can_answer = self.can_answer();
        for number in std::mem::take(&mut self.awake) {
            let Some(peer) = self.peers.get_mut(&number) else { continue };
            if can_read(peer, &self.sink) {
                peer.read(&mut self.sink, &mut self.scratch)?;
            }
            if peer.is_unfinished() {
                // That took long enough to ask the others.
                self.busy_turns = BUSY_TURNS;
            }
            if !peer.receiving && !can_answer && peer.sending == Sending::Open {
                peer.sending = Sending::Ending;
            }
            write(peer, &mut self.sink);
            if peer.readable && peer.receiving {
                self.awake.insert(number);
            }
            if self.plan.linger.is_some() && peer.half_closed.is_some() {
                self.next_limit = Some(Instant::now());
            }
            let done = self.closing && peer.link.is_drained();
            let cut = self.plan.exit_on_eof && !peer.receiving && peer.link.is_drained();
            if peer.is_over() || done || cut {
                self.remove(number)?;
            } else {
                self.note(number);
            }
        }
        Ok(())
    }

    /// Ends a connection. What has arrived of a record is handed over also if the end is ours.
    fn remove(&mut self, number: u64) -> Result<(), Stop> {
        let Some(mut peer) = self.peers.remove(&number) else { return Ok(()) };
        self.note(number);
        peer.end_now(&mut self.sink)?;
        write(&mut peer, &mut self.sink);
        report::note(format_args!("{}: closed", peer.facts));
        self.accept_again = None;
        self.ended.push(peer);
        Ok(())
    }

    /// Ends connections whose time is up.
    fn expire(&mut self) -> Result<(), Stop> {
        let (idle, linger) = (self.plan.idle_timeout, self.plan.linger);
        let now = Instant::now();
        if self.next_limit.is_none_or(|limit| limit > now) {
            return Ok(());
        }
        self.next_limit = None;
        if idle.is_none() && linger.is_none() {
            return Ok(());
        }
        let mut over = Vec::new();
        for (number, peer) in &mut self.peers {
            if is_held_up(peer, self.plan)? {
                // The time that it waits for us is not its own.
                peer.moved = now;
                peer.half_closed = peer.half_closed.map(|_| now);
            }
            let idle_end = idle.map(|idle| (peer.moved + idle, true));
            let linger_end = linger
                .zip(peer.half_closed.filter(|_| peer.link.is_drained()))
                .map(|(linger, since)| (since + linger, false));
            for (end, is_idle) in idle_end.into_iter().chain(linger_end) {
                if end <= now {
                    over.push((*number, is_idle));
                } else {
                    self.next_limit = Some(self.next_limit.map_or(end, |limit| limit.min(end)));
                }
            }
        }
        for (number, is_idle) in over {
            if let Some(peer) = self.peers.get_mut(&number)
                && is_idle
            {
                report::note(format_args!("{}: nothing moved, connection ended", peer.facts));
                peer.is_idle = true;
            }
            self.remove(number)?;
        }
        Ok(())
    }

    /// Ends: what is complete goes out, as far as that can be without waiting for peers.
    pub(crate) fn finish(&mut self) -> Result<Status, Stop> {
        for peer in self.peers.values_mut() {
            write(peer, &mut self.sink);
            self.sink.give_up(&peer.facts, peer.link.abandon());
        }
        self.sink.finish()
    }
}

fn can_read(peer: &Peer, sink: &Sink<'_>) -> bool {
    wants_reading(peer, sink.plan) && !sink.is_full() && !sink.has_enough()
}

/// Whether there may be something to read from a peer, for which there is room but for others.
fn wants_reading(peer: &Peer, plan: &Plan) -> bool {
    let echo_fits = !plan.echo || peer.link.cost() < plan.queue_size;
    peer.readable && peer.receiving && echo_fits
}

/// Whether a peer has sent something that nobody has read though it had its turn: standard output
/// takes nothing.
fn is_held_up(peer: &Peer, plan: &Plan) -> Result<bool, Stop> {
    if !wants_reading(peer, plan) {
        return Ok(false);
    }
    let unread = poll(&[(peer.link.as_fd(), PollFlags::POLLIN)], Some(Instant::now()))?;
    Ok(unread.iter().any(|ready| ready.contains(PollFlags::POLLIN)))
}

/// Writes what the peer takes, then tells it the end if that is due.
fn write(peer: &mut Peer, sink: &mut Sink<'_>) {
    while peer.writable && !peer.link.is_drained() {
        let before = peer.link.cost();
        match peer.link.flush() {
            Ok(Flushed::All) => {}
            Ok(Flushed::Blocked) => peer.writable = false,
            Ok(Flushed::TooLong(len)) => {
                sink.lose(&peer.facts, format_args!("{len} bytes are too long for a packet"));
            }
            Err(error) => {
                fail(peer, sink, &error);
                return;
            }
        }
        if peer.link.cost() < before {
            peer.moved = Instant::now();
        }
    }
    if peer.sending == Sending::Ending && peer.link.is_drained() {
        peer.sending = Sending::Ended;
        peer.half_closed = Some(Instant::now());
        // A peer that is gone already needs no word of it.
        let _ = peer.link.socket().shutdown(Shutdown::Write);
    }
}

/// Nothing more can be written to a peer. It may have sent something before it went.
fn fail(peer: &mut Peer, sink: &mut Sink<'_>, error: &std::io::Error) {
    peer.hung_up = true;
    peer.readable = true;
    peer.was_reset |= error.kind() == ErrorKind::ConnectionReset;
    if sink.plan.kind == Kind::Dgram {
        // There is no connection whose end could be read.
        report::note(format_args!("{}: {}", peer.facts, error.cause()));
        peer.receiving = false;
    }
    if sink.plan.server().is_some() {
        peer.sending = Sending::Ended;
        let records = peer.link.abandon();
        let (cause, lost) = (error.cause(), Count(records, "record"));
        let cause = format_args!("{cause}, {lost} not sent");
        sink.lose_unsent(UNSENT, records, &peer.facts, cause);
    } else {
        peer.writable = false;
    }
}
