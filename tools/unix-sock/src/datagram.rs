// SPDX-License-Identifier: MIT OR Apache-2.0
//! A server of datagrams. There are no connections: a peer is a sender, known by the name that its
//! socket is bound to, or, if it has none, by its process; only one with a name can be answered.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::IoSliceMut;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::{Duration, Instant};

use heka_core::exit::{Cause as _, Explain as _, Status, Stop};
use heka_core::io::{Backlog, Deadline, wait};
use heka_core::stats;
use heka_core::wire::Behind;
use nix::cmsg_space;
use nix::poll::PollFlags;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrLike as _, UnixAddr, UnixCredentials, recvmsg, sendto,
};

use crate::cli::{QueueFull, To};
use crate::door::{Door, is_allowed};
use crate::envelope::Envelope;
use crate::framing::{Found, Splitter};
use crate::hub::Records;
use crate::link::Chunk;
use crate::peer::Facts;
use crate::plan::{Plan, Server, Target};
use crate::sink::Sink;
use crate::source::{Delivery, Source};

/// When to try again to send to a peer that had no room: the system gives no sign of it.
const RETRY: Duration = Duration::from_millis(1);
/// Length of the address of a socket without a name: the family alone.
const UNNAMED_LEN: u32 = 2;
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
        numbers: HashMap::new(),
        next_number: 0,
        last: None,
        is_ready: true,
    };
    let outcome = post.serve(end);
    // Also what came before an error or a signal is written.
    let finished = post.sink.finish();
    outcome?;
    finished
}

/// How a sender is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Name(Vec<u8>),
    Process(i32),
}

#[derive(Debug)]
struct Sender {
    key: Key,
    addr: Option<UnixAddr>,
    facts: Facts,
    envelope: Envelope,
    queue: VecDeque<Chunk>,
    queued: usize,
    moved: Instant,
}

struct Post<'a> {
    plan: &'a Plan,
    server: &'a Server,
    door: Door,
    sink: Sink<'a>,
    source: Option<Source>,
    buffer: Vec<u8>,
    senders: BTreeMap<u64, Sender>,
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
                if !self.is_ready || self.sink.is_full() || self.sink.has_enough() {
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

    fn is_done(&self) -> bool {
        let is_idle = self.senders.values().all(|sender| sender.queue.is_empty());
        self.sink.has_enough() || (self.plan.exit_on_eof && !self.can_answer() && is_idle)
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
        let answer = split(self.buffer.get(..len).unwrap_or_default(), sender, &mut self.sink)?;
        for chunk in answer {
            self.push(number, chunk);
        }
        Ok(())
    }

    /// The number of a sender; none if it is not served.
    fn identify(
        &mut self,
        addr: Option<UnixAddr>,
        credentials: Option<UnixCredentials>,
    ) -> Option<u64> {
        // nix panics when it is asked for the name of an address without one.
        let addr = addr.filter(|addr| addr.len() > UNNAMED_LEN);
        let name = addr.and_then(|addr| {
            let path = addr.path().map(|path| path.as_os_str().as_encoded_bytes().to_vec());
            path.or_else(|| addr.as_abstract().map(|name| [b"\0", name].concat()))
        });
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
        let addr = addr.filter(|_| name.is_some());
        let key = name.map_or(Key::Process(facts.pid.unwrap_or_default()), Key::Name);
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
        let envelope = Envelope::new(self.plan.form, &facts);
        let (queue, moved) = (VecDeque::new(), Instant::now());
        self.numbers.insert(key.clone(), number);
        self.senders.insert(number, Sender { key, addr, facts, envelope, queue, queued: 0, moved });
        Some(number)
    }

    fn forget(&mut self, number: u64) {
        if let Some(sender) = self.senders.remove(&number) {
            self.numbers.remove(&sender.key);
            if !sender.queue.is_empty() {
                let lost = Records(sender.queue.iter().map(|chunk| chunk.records).sum());
                self.sink.lose(&sender.facts, format_args!("gone, {lost} not sent"));
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
        let over: Vec<u64> = self
            .senders
            .iter()
            .filter(|(_, sender)| sender.moved.elapsed() >= idle)
            .map(|(number, _)| *number)
            .collect();
        for number in over {
            self.forget(number);
        }
    }

    fn wants_input(&self) -> bool {
        let is_full = |sender: &Sender| sender.queued >= self.plan.queue_size;
        let mut named = self.senders.values().filter(|sender| sender.addr.is_some()).peekable();
        if named.peek().is_none() {
            // Records for all wait for somebody who can be sent to.
            return self.can_answer() && self.next_number > 0 && self.plan.to != To::All;
        }
        self.can_answer()
            && match self.plan.queue_full {
                QueueFull::Block => named.all(|sender| !is_full(sender)),
                QueueFull::Drop | QueueFull::Close => named.any(|sender| !is_full(sender)),
            }
    }

    fn feed(&mut self) -> Result<(), Stop> {
        if !self.wants_input() {
            return Ok(());
        }
        let Some(source) = self.source.as_mut().filter(|source| source.is_ready) else {
            return Ok(());
        };
        source.fill()?;
        for Delivery { peer, chunk } in source.take(&mut self.sink)? {
            match self.plan.target(peer, self.last, self.sink.origin) {
                Target::Nobody => {}
                Target::Peer(number) => self.push(number, chunk),
                Target::All => {
                    let named = self.senders.iter().filter(|(_, sender)| sender.addr.is_some());
                    let numbers: Vec<u64> = named.map(|(number, _)| *number).collect();
                    for number in numbers {
                        self.push(number, chunk.clone());
                    }
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, number: u64, chunk: Chunk) {
        let lost = Records(chunk.records);
        let is_one_of_many = self.plan.queue_full != QueueFull::Block
            && self.senders.values().filter(|sender| sender.addr.is_some()).take(2).count() > 1;
        match self.senders.get_mut(&number) {
            None => self
                .sink
                .lose(format_args!("peer {number}"), format_args!("not known, {lost} not sent")),
            Some(sender) if sender.addr.is_none() => {
                self.sink.lose(&sender.facts, format_args!("has no name, {lost} not sent"));
            }
            Some(sender) if sender.queued >= self.plan.queue_size && is_one_of_many => {
                self.sink.lose(&sender.facts, format_args!("reads too slowly, {lost} dropped"));
            }
            Some(sender) => {
                sender.queued += chunk.bytes.len();
                sender.queue.push_back(chunk);
            }
        }
    }

    /// Sends what the peers take.
    fn send(&mut self) {
        let fd = self.door.listener.socket().as_raw_fd();
        let mut gone = Vec::new();
        for (number, sender) in &mut self.senders {
            let Some(addr) = &sender.addr else { continue };
            while let Some(chunk) = sender.queue.front() {
                match sendto(fd, &chunk.bytes, addr, MsgFlags::MSG_DONTWAIT) {
                    Ok(_) => stats::BYTES_OUT.add(chunk.bytes.len() as u64),
                    Err(nix::Error::EINTR) => continue,
                    Err(nix::Error::EAGAIN | nix::Error::ENOBUFS) => break,
                    Err(nix::Error::EMSGSIZE) => {
                        let len = chunk.bytes.len();
                        self.sink.lose(
                            &sender.facts,
                            format_args!("{len} bytes are too long for a packet"),
                        );
                    }
                    Err(error) => {
                        self.sink.lose(&sender.facts, error.cause());
                        gone.push(*number);
                        break;
                    }
                }
                sender.queued = sender.queued.saturating_sub(chunk.bytes.len());
                sender.queue.pop_front();
            }
        }
        for number in gone {
            self.forget(number);
        }
    }

    fn wait(&mut self, end: Deadline) -> Result<(), Stop> {
        let is_full = self.sink.is_full();
        let is_busy = self.is_ready && !is_full;
        let pending = self.sink.out.as_ref().map_or(0, Backlog::pending);
        if !is_busy && pending > 0 {
            if self.poll(Some(Instant::now()))? {
                return Ok(());
            }
            if let Some(out) = &mut self.sink.out {
                out.try_flush()?;
            }
        }
        let has_queue = self.senders.values().any(|sender| !sender.queue.is_empty());
        let retry = has_queue.then(|| Instant::now() + RETRY);
        let idle = self.plan.idle_timeout.map(|idle| Instant::now() + idle);
        let now = is_busy.then(Instant::now);
        self.poll([now, retry, idle, end].into_iter().flatten().min()).map(drop)
    }

    /// Waits until `deadline` and notes what has come; tells whether anything has.
    fn poll(&mut self, deadline: Deadline) -> Result<bool, Stop> {
        let want = if self.sink.is_full() { PollFlags::empty() } else { PollFlags::POLLIN };
        let mut wanted = vec![(self.door.listener.socket().as_fd(), want)];
        let input = self.source.as_ref().filter(|_| self.wants_input());
        let has_input = input.is_some();
        wanted.extend(input.map(|source| (source.input.fd(), PollFlags::POLLIN)));
        let out = self.sink.out.as_ref().and_then(Backlog::wanted);
        wanted.extend(out);
        let ready = wait(&wanted, deadline)?;
        let is_set = |index: usize| ready.get(index).is_some_and(|ready| !ready.is_empty());
        let (datagram, record) = (is_set(0), has_input && is_set(1));
        let out_ready = out.and(ready.last().copied()).unwrap_or(PollFlags::empty());
        self.is_ready |= datagram;
        if let (true, Some(source)) = (record, &mut self.source) {
            source.is_ready = true;
        }
        if out_ready.contains(PollFlags::POLLERR) {
            return Err(Stop::BrokenPipe);
        }
        if let (false, Some(out)) = (out_ready.is_empty(), &mut self.sink.out) {
            out.try_flush()?;
        }
        Ok(datagram || record)
    }
}

/// Hands over the records of one datagram; the last one needs no delimiter. What is to be sent
/// back is returned.
fn split(data: &[u8], sender: &mut Sender, sink: &mut Sink<'_>) -> Result<Vec<Chunk>, Stop> {
    let mut splitter = Splitter::new(sink.plan.wire, sink.plan.max_record);
    let mut answer = Vec::new();
    let mut at = 0;
    let mut empty = sink.plan.wire.empty_packet(data);
    loop {
        let rest = data.get(at..).unwrap_or_default();
        match empty.take().unwrap_or_else(|| splitter.next(rest, Behind::End)) {
            Found::Record(done, record) => {
                at += done;
                let record = sink.receive(&sender.facts, &mut sender.envelope, record)?;
                let mut bytes = Vec::new();
                if let Some(record) = record.filter(|_| sink.plan.echo)
                    && sink.encode(&mut bytes, &record)
                {
                    answer.push(Chunk { bytes: bytes.into(), records: 1 });
                }
            }
            Found::Lost(done, cause) => {
                at += done;
                sink.lose(&sender.facts, cause);
            }
            Found::Broken(cause) => {
                sink.lose(&sender.facts, cause);
                return Ok(answer);
            }
            Found::Partial(_) => return Ok(answer),
        }
    }
}
