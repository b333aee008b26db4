// SPDX-License-Identifier: MIT OR Apache-2.0
//! One event loop between standard input, standard output and any number of peers.
//!
//! Nothing in it waits for a single peer: data that a peer does not accept waits in its queue, data
//! that standard output does not accept makes the peers wait. The kernel reports only changes
//! (edge-triggered epoll), so each peer remembers what it may still do.

use std::os::fd::AsFd as _;
use std::time::Instant;

use heka_core::net::Poller;
use heka_core::os::{Backlog, Deadline, Wanted, wait};
use heka_core::report::{Explain as _, Status, Stop};
use nix::poll::PollFlags;
use socket2::Socket;

use crate::cli::QueueFull;
use crate::datagrams::Datagrams;
use crate::door::Door;
use crate::exec::Processes;
use crate::facts::Facts;
use crate::inbound::{Receiving, scratch_len};
use crate::link::Link;
use crate::packets::Packet;
use crate::peer::{Peer, Sending};
use crate::peers::Peers;
use crate::plan::Plan;
use crate::sink::Sink;
use crate::source::Source;

/// The token of the listening socket; peers have their numbers.
const DOOR: u64 = u64::MAX - 1;
/// Number of busy turns after which other events are checked.
const BUSY_TURNS: u8 = 8;
/// The state of the event loop.
pub(crate) struct Hub<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) sink: Sink<'a>,
    pub(crate) source: Option<Source>,
    pub(crate) peers: Peers<'a>,
    /// Ended connections for the caller to examine.
    pub(crate) ended: Vec<Peer>,
    /// Processes that serve connections instead of the loop.
    pub(crate) processes: Processes,
    door: Option<Door>,
    datagrams: Option<Datagrams>,
    poller: Poller,
    /// Whether connections are closed after pending records have been sent.
    closing: bool,
    scratch: Vec<u8>,
    /// Turns since the last wait.
    busy_turns: u8,
}

impl<'a> Hub<'a> {
    /// Creates the loop without connections.
    pub(crate) fn new(plan: &'a Plan, door: Option<Door>) -> Result<Self, Stop> {
        let sink = Sink::open(plan)?;
        let source = if plan.reads_stdin { Some(Source::open(&sink)?) } else { None };
        let poller = Poller::new()?;
        let mut datagrams = None;
        if let Some(door) = &door {
            poller.add_edges(door, DOOR).at("epoll")?;
            if plan.has_datagrams() {
                let socket = door.socket().try_clone();
                datagrams = Some(socket.and_then(Datagrams::new).at(&door.path)?);
            }
        }
        Ok(Self {
            plan,
            sink,
            source,
            peers: Peers::new(plan),
            ended: Vec::new(),
            processes: Processes::default(),
            door,
            datagrams,
            poller,
            closing: false,
            scratch: vec![0; scratch_len(plan)],
            busy_turns: 0,
        })
    }

    /// Adds a connection.
    pub(crate) fn connect(&mut self, socket: Socket, facts: Facts) -> Result<&mut Peer, Stop> {
        let link = Link::connected(socket, facts);
        link.socket().set_nonblocking(true).at(&link.facts)?;
        self.poller.add_edges(&link, link.facts.number).at(&link.facts)?;
        Ok(self.add(link))
    }

    fn add(&mut self, link: Link) -> &mut Peer {
        let mut peer = Peer::new(link, self.plan);
        let has_ended = self.source.as_ref().is_some_and(|source| source.has_ended);
        if has_ended && self.plan.server().is_none() {
            peer.sending = Sending::Ending;
        }
        self.peers.add(peer)
    }

    /// Does everything that is possible now, then waits for an event.
    pub(crate) fn turn(&mut self, deadline: Deadline) -> Result<(), Stop> {
        self.receive()?;
        self.feed()?;
        self.serve()?;
        if let (true, Some(out)) = (self.sink.turn.is_output_due(), &mut self.sink.out) {
            // A peer that continues to send does not keep the others from the reader.
            self.sink.turn.wrote();
            out.try_flush()?;
        }
        self.expire()?;
        if !self.ended.is_empty() || self.is_done() {
            return Ok(());
        }
        self.wait(deadline)
    }

    /// Whether nothing more can happen.
    pub(crate) fn is_done(&self) -> bool {
        self.sink.has_enough() || (self.door.is_none() && self.connections() == 0)
    }

    fn connections(&self) -> usize {
        self.peers.count() + self.processes.count()
    }

    /// Whether standard input may still yield records.
    fn can_answer(&self) -> bool {
        self.source.as_ref().is_some_and(|source| !source.has_ended)
    }

    /// Accepts a connection, if one is waiting and there is room.
    pub(crate) fn accept(&mut self) -> Result<Option<(Socket, Facts)>, Stop> {
        let connections = self.connections();
        let (Some(door), Some(server), None) =
            (&mut self.door, self.plan.server(), &self.datagrams)
        else {
            return Ok(None);
        };
        if connections >= server.max_conns {
            door.keep_shut(server.max_conns)?;
            return Ok(None);
        }
        let accepted = door.accept(server);
        if accepted.is_some() && server.once {
            self.door = None;
        }
        Ok(accepted)
    }

    /// Whether the listening socket may have something.
    fn can_take_in(&self) -> bool {
        let Some(door) = self.door.as_ref().filter(|door| door.is_ready()) else { return false };
        match (&self.datagrams, self.plan.server()) {
            (Some(_), _) => self.can_receive(),
            (None, Some(server)) if door.deadline().is_none() => {
                self.connections() < server.max_conns
            }
            _ => false,
        }
    }

    /// Whether there is room for datagrams.
    fn can_receive(&self) -> bool {
        let echo_waits = self.plan.echo && self.plan.queue_full == QueueFull::Block;
        let echo_fits = !echo_waits || !self.peers.audience().has_full();
        echo_fits && !self.sink.is_full() && !self.sink.has_enough()
    }

    /// Receives the available datagrams.
    fn receive(&mut self) -> Result<(), Stop> {
        if self.datagrams.is_some() && !self.can_receive() {
            self.door.iter_mut().for_each(Door::hold_up);
        }
        let (true, Some(datagrams)) = (self.can_take_in(), &mut self.datagrams) else {
            return Ok(());
        };
        let (size, mut scratch) = (self.plan.read_size, std::mem::take(&mut self.scratch));
        let most = self.sink.left().saturating_mul(size).min(scratch.len());
        let path = self.door.as_ref().map_or("", |door| &door.path);
        match datagrams.receive(scratch.get_mut(..most).unwrap_or_default(), size).at(path)? {
            Some(packets) => {
                let now = Instant::now();
                for (packet, slot) in packets.into_iter().zip(scratch.chunks(size)) {
                    self.take_datagram(packet, now, slot)?;
                }
            }
            None => self.door.iter_mut().for_each(Door::settle),
        }
        self.scratch = scratch;
        Ok(())
    }

    fn take_datagram(&mut self, packet: Packet, now: Instant, slot: &[u8]) -> Result<(), Stop> {
        let (Some(datagrams), Some(door), Some(server)) =
            (&mut self.datagrams, &mut self.door, self.plan.server())
        else {
            return Ok(());
        };
        let peer = packet.credentials.map(|peer| (peer.uid(), peer.gid()));
        if !door.admits(peer, server) {
            return Ok(());
        }
        let number = match datagrams.sender(&packet) {
            Some(number) => number,
            None => {
                let link = datagrams.add(&packet, door.introduce(packet.credentials));
                if self.peers.count() >= server.max_conns
                    && let Some(oldest) = datagrams.oldest(&self.peers)
                {
                    self.remove(oldest)?;
                }
                self.add(link).number()
            }
        };
        if let Some(peer) = self.peers.get_mut(number) {
            self.sink.turn.begin();
            peer.take_packet(packet, now, slot, &mut self.sink)?;
            if self.plan.echo {
                self.peers.wake(number);
                self.peers.note(number);
            }
        }
        Ok(())
    }

    /// Reads from and writes to the peers that may have something to do.
    fn serve(&mut self) -> Result<(), Stop> {
        let due = self.datagrams.as_mut().map(Datagrams::take_due);
        self.peers.let_write(due.unwrap_or_default());
        let can_answer = self.can_answer();
        for number in self.peers.take_awake() {
            if !self.sink.is_full() && !self.sink.has_enough() {
                self.peers.read(number, &mut self.sink, &mut self.scratch)?;
            }
            let Some(peer) = self.peers.get_mut(number) else { continue };
            if let Receiving::Unfinished(_) = peer.inbound.receiving {
                // That took long enough to check other events.
                self.busy_turns = BUSY_TURNS;
            }
            if peer.has_ended() && !can_answer && peer.sending == Sending::Open {
                peer.sending = Sending::Ending;
            }
            let before = peer.link.cost();
            peer.write(&mut self.sink);
            let is_drained = peer.link.is_drained();
            if let Some(datagrams) = &mut self.datagrams {
                datagrams.note(number, peer.link.cost() < before, is_drained);
            }
            let done = self.closing && is_drained;
            let cut = self.plan.exit_on_eof && peer.has_ended() && is_drained;
            if peer.is_over() || done || cut {
                self.remove(number)?;
                continue;
            }
            self.peers.note(number);
        }
        Ok(())
    }

    /// Ends a connection. The received part of a record is forwarded even if this side ends it.
    fn remove(&mut self, number: u64) -> Result<(), Stop> {
        let Some(mut peer) = self.peers.remove(number) else { return Ok(()) };
        self.datagrams.iter_mut().for_each(|datagrams| datagrams.forget(number));
        peer.end(&mut self.sink)?;
        self.door.iter_mut().for_each(Door::make_room);
        self.ended.push(peer);
        Ok(())
    }

    /// Whether datagrams had to wait for standard output; their senders are not known.
    fn is_held_up(&self) -> bool {
        self.door.as_ref().is_some_and(Door::is_held_up)
    }

    /// Ends connections that exceed a time limit.
    fn expire(&mut self) -> Result<(), Stop> {
        let expired = if self.is_held_up() { Vec::new() } else { self.peers.take_expired()? };
        expired.into_iter().try_for_each(|number| self.remove(number))
    }

    /// Whether to read standard input.
    fn wants_input(&self) -> bool {
        self.source.as_ref().is_some_and(|source| self.peers.want_input(source))
    }

    /// Passes records from standard input to their peers.
    fn feed(&mut self) -> Result<(), Stop> {
        let wants_input = self.wants_input();
        let source = self.source.as_mut().filter(|source| wants_input && source.is_ready);
        let Some(source) = source else { return Ok(()) };
        self.peers.feed(source, &mut self.sink)?;
        if source.has_ended {
            let has_given = source.has_given;
            self.end_input(has_given);
        }
        Ok(())
    }

    /// Ends writing to each peer with standard input, unless that never had anything (/dev/null).
    fn end_input(&mut self, has_given: bool) {
        if self.datagrams.is_none() {
            self.peers.end_input(has_given || self.plan.server().is_none());
        }
        if self.plan.exit_on_eof {
            self.door = None;
            self.closing = true;
            self.peers.wake_all();
        }
    }

    /// Waits for an event, for room on standard output, or for `deadline`.
    fn wait(&mut self, deadline: Deadline) -> Result<(), Stop> {
        let is_busy = self.is_busy();
        // Without standard input nothing is delayed by this, and a system call is saved.
        if is_busy && !self.wants_input() && self.busy_turns < BUSY_TURNS {
            self.busy_turns += 1;
            return Ok(());
        }
        self.busy_turns = 0;
        let pending = self.sink.out.as_ref().map_or(0, Backlog::pending);
        let may_settle = self.source.as_ref().is_some_and(Source::may_settle);
        // If nothing arrives at once, pending output is written.
        let has_more = !is_busy && (pending > 0 || may_settle);
        if has_more && (self.poll(Some(Instant::now()))? || self.flush()?) {
            return Ok(());
        }
        // Standard output may have room again, which no event reports.
        let now = self.is_busy().then(Instant::now);
        let door = self.door.as_ref().and_then(Door::deadline);
        let limit = self.peers.deadline().filter(|_| !self.is_held_up());
        let again = self.datagrams.as_ref().and_then(Datagrams::deadline);
        self.poll([now, deadline, door, limit, again].into_iter().flatten().min()).map(drop)
    }

    /// Whether anything can be done without an event.
    fn is_busy(&self) -> bool {
        let can_read = !self.sink.is_full() && !self.sink.has_enough();
        self.can_take_in() || (can_read && self.peers.want_reading())
    }

    /// Releases records that wait for more input; returns whether that makes work for peers.
    fn flush(&mut self) -> Result<bool, Stop> {
        if let Some(out) = &mut self.sink.out {
            out.try_flush()?;
        }
        let wants_input = self.wants_input();
        match self.source.as_mut().filter(|source| wants_input && source.may_settle()) {
            Some(source) => self.peers.settle(source, &mut self.sink),
            None => Ok(false),
        }
    }

    /// Waits until `deadline` and notes events; returns whether there were any.
    fn poll(&mut self, deadline: Deadline) -> Result<bool, Stop> {
        let source = self.source.as_ref().filter(|_| self.wants_input());
        let input = source.map(|source| (source.input.fd(), PollFlags::POLLIN));
        let out = self.sink.out.as_ref().and_then(Backlog::wanted);
        let entries = [Some((self.poller.as_fd(), PollFlags::POLLIN)), input, out];
        let wanted: Vec<Wanted<'_>> = entries.iter().copied().flatten().collect();
        let mut ready = wait(&wanted, deadline)?.into_iter();
        let [events, input, out] =
            entries.map(|entry| entry.and_then(|_| ready.next()).filter(|ready| !ready.is_empty()));
        if let (Some(_), Some(source)) = (input, &mut self.source) {
            source.is_ready = true;
        }
        if let (Some(ready), Some(out)) = (out, &mut self.sink.out) {
            if ready.contains(PollFlags::POLLERR) {
                return Err(Stop::BrokenPipe);
            }
            out.try_flush()?;
        }
        let events = match events {
            Some(_) => self.poller.wait(Some(Instant::now()))?,
            None => Vec::new(),
        };
        let has_come = !events.is_empty() || input.is_some();
        for event in events {
            if event.token == DOOR {
                self.door.iter_mut().for_each(Door::wake);
            } else if let Some(peer) = self.peers.get_mut(event.token) {
                peer.note_event(event);
                self.peers.wake(event.token);
            }
        }
        Ok(has_come)
    }

    /// Ends: sends complete records, as far as possible without waiting for peers.
    pub(crate) fn finish(&mut self) -> Result<Status, Stop> {
        for peer in self.peers.iter_mut() {
            peer.write(&mut self.sink);
            let records = peer.link.abandon();
            self.sink.give_up(&peer.link.facts, records);
        }
        self.sink.finish()
    }
}
