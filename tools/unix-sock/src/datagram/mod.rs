// SPDX-License-Identifier: MIT OR Apache-2.0
//! A server of datagrams. There are no connections: a peer is a sender, known by the name that its
//! socket is bound to, or, if it has none, by its process; only one with a name can be answered.
//!
//! All of them share one socket. A sender that does not read what is sent back to it is not to keep
//! the others from being heard, so such records are dropped once its queue is full, also if nobody
//! else is known, unless `--queue-full=block` asks to wait for it.

mod sender;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::IoSliceMut;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::{Duration, Instant};

use heka_core::os::{Backlog, Deadline};
use heka_core::report::words::Count;
use heka_core::report::{Explain as _, Status, Stop, stats};
use nix::cmsg_space;
use nix::poll::PollFlags;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixAddr, UnixCredentials, recvmsg};

use crate::audience::{Audience, Standing};
use crate::cli::{QueueFull, To};
use crate::door::{Door, is_allowed};
use crate::facts::Facts;
use crate::plan::{Plan, Server, Target};
use crate::queue::Chunk;
use crate::sink::{SLOW, Sink, UNSENT};
use crate::source::{Delivery, Source};
use crate::wait::{let_out, wait_for};
use sender::{Key, Sender};

/// When to try again to send to a peer that had no room: the system gives no sign of it. Each time
/// in vain it is twice as long,
const RETRY: Duration = Duration::from_millis(1);
/// up to this.
const LONGEST_RETRY: Duration = Duration::from_millis(16);
/// Datagrams taken before anything else gets its turn.
const TURN: usize = 256;

/// Serves datagrams until a signal or a limit ends it.
pub(crate) fn run(plan: &Plan, server: &Server, end: Deadline) -> Result<Status, Stop> {
    let door = Door::open(plan, server)?;
    door.listener.socket().set_passcred(true).at(&door.path)?;
    let sink = Sink::open(plan)?;
    let source = if plan.reads_stdin { Some(Source::open(&sink)?) } else { None };
    let buffer = vec![0; plan.read_size];
    let mut post = Post {
        plan,
        server,
        door,
        sink,
        source,
        buffer,
        senders: BTreeMap::new(),
        audience: Audience::default(),
        busy: BTreeSet::new(),
        retry: RETRY,
        next_limit: None,
        is_held_up: false,
        numbers: HashMap::new(),
        next_number: 0,
        last: None,
        is_ready: true,
    };
    let outcome = post.serve(end);
    // Also what came before an error or a signal is written.
    let finished = post.finish();
    outcome?;
    finished
}

struct Post<'a> {
    plan: &'a Plan,
    server: &'a Server,
    door: Door,
    sink: Sink<'a>,
    source: Option<Source>,
    buffer: Vec<u8>,
    senders: BTreeMap<u64, Sender>,
    /// Senders that can be answered.
    audience: Audience,
    /// Senders for which something is queued.
    busy: BTreeSet<u64>,
    retry: Duration,
    /// No sender is idle for too long before this.
    next_limit: Deadline,
    /// Datagrams had to wait for standard output; nobody knows whose.
    is_held_up: bool,
    numbers: HashMap<Key, u64>,
    next_number: u64,
    last: Option<u64>,
    /// A datagram may be there.
    is_ready: bool,
}

impl Post<'_> {
    fn serve(&mut self, end: Deadline) -> Result<(), Stop> {
        while !self.is_done() && end.is_none_or(|end| end > Instant::now()) {
            for _ in 0..TURN {
                if !self.is_ready || !self.can_receive() {
                    break;
                }
                self.receive()?;
            }
            self.feed()?;
            self.send();
            self.forget_idle();
            if !self.is_done() {
                self.wait(end)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<Status, Stop> {
        self.send();
        for sender in self.senders.values_mut() {
            self.sink.give_up(&sender.facts, sender.queue.abandon());
        }
        self.sink.finish()
    }

    fn is_done(&self) -> bool {
        let is_quiet = self.plan.exit_on_eof && !self.can_answer() && self.busy.is_empty();
        self.sink.has_enough() || is_quiet
    }

    /// Whether there is room for what a datagram brings.
    fn can_receive(&self) -> bool {
        let echo_waits = self.plan.echo && self.plan.queue_full == QueueFull::Block;
        let echo_fits = !echo_waits || !self.audience.has_full();
        echo_fits && !self.sink.is_full() && !self.sink.has_enough()
    }

    fn can_answer(&self) -> bool {
        self.source.as_ref().is_some_and(|source| !source.has_ended)
    }

    /// Takes one datagram.
    fn receive(&mut self) -> Result<(), Stop> {
        let mut control = cmsg_space!(UnixCredentials);
        let mut slices = [IoSliceMut::new(&mut self.buffer)];
        let fd = self.door.listener.socket().as_raw_fd();
        let received =
            recvmsg::<UnixAddr>(fd, &mut slices, Some(&mut control), MsgFlags::MSG_DONTWAIT);
        let datagram = match received {
            Ok(datagram) => datagram,
            Err(nix::Error::EAGAIN) => {
                self.is_ready = false;
                return Ok(());
            }
            Err(nix::Error::EINTR) => return Ok(()),
            Err(error) => return Err(error).at(&self.door.path),
        };
        let credentials = datagram.cmsgs().ok().and_then(|mut messages| {
            messages.find_map(|message| match message {
                ControlMessageOwned::ScmCredentials(credentials) => Some(credentials),
                _ => None,
            })
        });
        let (len, addr) = (datagram.bytes, datagram.address);
        let is_cut = datagram.flags.contains(MsgFlags::MSG_TRUNC);
        stats::BYTES_IN.add(len as u64);
        let Some(number) = self.identify(addr, credentials) else { return Ok(()) };
        let Some(sender) = self.senders.get_mut(&number) else { return Ok(()) };
        if is_cut {
            self.sink.lose(&sender.facts, format_args!("datagram cut to {len} bytes (--buf-size)"));
        }
        let answer = sender.take(self.buffer.get(..len).unwrap_or_default(), &mut self.sink)?;
        for chunk in answer {
            let is_dropped =
                self.audience.is_full(number) && self.plan.queue_full != QueueFull::Block;
            self.push(number, chunk, is_dropped);
        }
        Ok(())
    }

    /// The number of a sender; none if it is not served.
    fn identify(
        &mut self,
        addr: Option<UnixAddr>,
        credentials: Option<UnixCredentials>,
    ) -> Option<u64> {
        let facts = Facts {
            number: self.next_number,
            path: self.door.path.clone(),
            is_server: true,
            pid: credentials.map(|credentials| credentials.pid()),
            uid: credentials.map(|credentials| credentials.uid()),
            gid: credentials.map(|credentials| credentials.gid()),
        };
        if !is_allowed(&facts, self.server) {
            self.door.turn_away(&facts);
            return None;
        }
        let key = Key::of(addr, &facts);
        if let Some(number) = self.numbers.get(&key) {
            if let Some(sender) = self.senders.get_mut(number) {
                sender.moved = Instant::now();
            }
            return Some(*number);
        }
        if self.senders.len() >= self.server.max_conns {
            self.forget_oldest();
        }
        let number = self.next_number;
        self.next_number += 1;
        self.last = Some(number);
        let sender = Sender::new(key.clone(), addr, facts, self.plan);
        self.numbers.insert(key, number);
        self.audience.note(number, sender.standing(self.plan));
        self.next_limit.get_or_insert(sender.moved);
        self.senders.insert(number, sender);
        Some(number)
    }

    fn forget(&mut self, number: u64) {
        self.audience.note(number, Standing::Closed);
        self.busy.remove(&number);
        if let Some(mut sender) = self.senders.remove(&number) {
            self.numbers.remove(&sender.key);
            if !sender.queue.is_empty() {
                let records = sender.queue.abandon();
                let cause = format_args!("gone, {} not sent", Count(records, "record"));
                self.sink.lose_unsent(UNSENT, records, &sender.facts, cause);
            }
        }
    }

    fn forget_oldest(&mut self) {
        let oldest = self.senders.iter().min_by_key(|(_, sender)| sender.moved);
        if let Some(number) = oldest.map(|(number, _)| *number) {
            self.forget(number);
        }
    }

    fn forget_idle(&mut self) {
        let Some(idle) = self.plan.idle_timeout else { return };
        if !self.can_receive() {
            (self.is_held_up, self.is_ready) = (true, true);
        }
        self.is_held_up &= self.is_ready;
        let now = Instant::now();
        if self.is_held_up || self.next_limit.is_none_or(|limit| limit > now) {
            return;
        }
        let over = |sender: &Sender| sender.moved + idle;
        let idlers: Vec<u64> = self
            .senders
            .iter()
            .filter(|(_, sender)| over(sender) <= now)
            .map(|(number, _)| *number)
            .collect();
        for number in idlers {
            self.forget(number);
        }
        self.next_limit = self.senders.values().map(over).min();
    }

    fn wants_input(&self) -> bool {
        if self.audience.is_empty() {
            // Records for all wait for somebody who can be sent to.
            return self.can_answer() && self.next_number > 0 && self.plan.to != To::All;
        }
        let cost = |number| self.senders.get(&number).map_or(0, |sender| sender.queue.cost());
        self.can_answer() && self.audience.has_room(self.plan, cost)
    }

    fn feed(&mut self) -> Result<(), Stop> {
        if !self.wants_input() {
            return Ok(());
        }
        let Some(source) = self.source.as_mut().filter(|source| source.is_ready) else {
            return Ok(());
        };
        source.fill()?;
        let deliveries = source.take(&mut self.sink)?;
        self.deliver(deliveries);
        Ok(())
    }

    fn deliver(&mut self, deliveries: Vec<Delivery>) {
        for Delivery { peer, chunk } in deliveries {
            let numbers = match self.plan.target(peer, self.last, self.sink.origin) {
                Target::Nobody => Vec::new(),
                Target::Peer(number) => vec![number],
                Target::All => self.audience.numbers(),
            };
            for number in numbers {
                let is_dropped = self.audience.leaves_behind(number, self.plan);
                self.push(number, chunk.clone(), is_dropped);
            }
        }
    }

    fn push(&mut self, number: u64, chunk: Chunk, is_dropped: bool) {
        let records = chunk.records;
        let lost = Count(records, "record");
        let Some(sender) = self.senders.get_mut(&number) else {
            let cause = format_args!("not known, {lost} not sent");
            let peer = format_args!("peer {number}");
            return self.sink.lose_unsent(UNSENT, records, peer, cause);
        };
        if sender.standing(self.plan) == Standing::Closed {
            let cause = format_args!("has no name, {lost} not sent");
            self.sink.lose_unsent(UNSENT, records, &sender.facts, cause);
        } else if is_dropped && self.plan.queue_full == QueueFull::Close {
            let records = sender.queue.abandon() + records;
            let lost = Count(records, "record");
            let cause = format_args!("reads too slowly, forgotten with {lost}");
            self.sink.lose_unsent(SLOW, records, &sender.facts, cause);
            self.forget(number);
        } else if is_dropped {
            let cause = format_args!("reads too slowly, {lost} dropped");
            self.sink.lose_unsent(SLOW, records, &sender.facts, cause);
        } else {
            sender.queue.push(chunk);
            self.audience.note(number, sender.standing(self.plan));
            self.busy.insert(number);
        }
    }

    /// Sends what the peers take.
    fn send(&mut self) {
        let mut has_sent = false;
        for number in self.busy.clone() {
            let Some(sender) = self.senders.get_mut(&number) else { continue };
            let before = sender.queue.cost();
            let is_gone = !sender.send(self.door.listener.socket(), &mut self.sink);
            has_sent |= sender.queue.cost() < before;
            self.audience.note(number, sender.standing(self.plan));
            if sender.queue.is_empty() {
                self.busy.remove(&number);
            }
            if is_gone {
                self.forget(number);
            }
        }
        self.retry = if has_sent || self.busy.is_empty() {
            RETRY
        } else {
            (2 * self.retry).min(LONGEST_RETRY)
        };
    }

    fn wait(&mut self, end: Deadline) -> Result<(), Stop> {
        let is_busy = self.is_ready && self.can_receive();
        let pending = self.sink.out.as_ref().map_or(0, Backlog::pending);
        let may_settle = self.source.as_ref().is_some_and(Source::may_settle);
        let has_more = !is_busy && (pending > 0 || may_settle);
        if has_more && (self.poll(Some(Instant::now()))? || self.flush()?) {
            return Ok(());
        }
        let retry = (!self.busy.is_empty()).then(|| Instant::now() + self.retry);
        // Standard output may have room again by now, which no event tells.
        let now = (self.is_ready && self.can_receive()).then(Instant::now);
        let idle = self.next_limit.filter(|_| self.plan.idle_timeout.is_some() && !self.is_held_up);
        self.poll([now, retry, idle, end].into_iter().flatten().min()).map(drop)
    }

    /// Lets out what waits for more that may not come; tells whether there is something to send.
    fn flush(&mut self) -> Result<bool, Stop> {
        let wants_input = self.wants_input();
        let source = self.source.as_mut().filter(|_| wants_input);
        let deliveries = let_out(source, &mut self.sink)?;
        let has_some = !deliveries.is_empty();
        self.deliver(deliveries);
        Ok(has_some)
    }

    /// Waits until `deadline` and notes what has come; tells whether anything has.
    fn poll(&mut self, deadline: Deadline) -> Result<bool, Stop> {
        let want = if self.can_receive() { PollFlags::POLLIN } else { PollFlags::empty() };
        let wants_input = self.wants_input();
        let source = self.source.as_mut().filter(|_| wants_input);
        let socket = (self.door.listener.socket().as_fd(), want);
        let came = wait_for(Some(socket), source, &mut self.sink, deadline)?;
        self.is_ready |= came.socket;
        Ok(came.socket || came.input)
    }
}
