// SPDX-License-Identifier: MIT OR Apache-2.0
//! A sender of datagrams: how it is known, what its datagrams hold, and what is sent back to it.

use std::os::fd::AsRawFd as _;
use std::time::Instant;

use heka_core::report::{Cause as _, Stop, stats};
use nix::sys::socket::{MsgFlags, SockaddrLike as _, UnixAddr, sendto};
use socket2::Socket;

use crate::audience::Standing;
use crate::envelope::Envelope;
use crate::facts::Facts;
use crate::framing::is_empty_record;
use crate::plan::Plan;
use crate::queue::{Chunk, Queue};
use crate::sink::Sink;
use heka_core::record::{Found, More, Progress};

/// Length of the address of a socket without a name: the family alone.
const UNNAMED_LEN: u32 = 2;

/// How a sender is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// By the name of its socket, which is where it can be answered.
    Name(Vec<u8>),
    /// By its number.
    Process(i32),
}

impl Key {
    /// That of who has sent something from `addr`.
    pub(super) fn of(addr: Option<UnixAddr>, facts: &Facts) -> Self {
        // nix panics when it is asked for the name of an address without one.
        let addr = addr.filter(|addr| addr.len() > UNNAMED_LEN);
        let name = addr.and_then(|addr| {
            let path = addr.path().map(|path| path.as_os_str().as_encoded_bytes().to_vec());
            path.or_else(|| addr.as_abstract().map(|name| [b"\0", name].concat()))
        });
        name.map_or(Self::Process(facts.pid.unwrap_or_default()), Self::Name)
    }
}

/// What is known of a sender.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) key: Key,
    addr: Option<UnixAddr>,
    pub(super) facts: Facts,
    envelope: Envelope,
    /// What waits to be sent to it.
    pub(super) queue: Queue,
    /// When something came from it last.
    pub(super) moved: Instant,
}

impl Sender {
    /// With nothing to be sent to it.
    pub(super) fn new(key: Key, addr: Option<UnixAddr>, facts: Facts, plan: &Plan) -> Self {
        Self {
            addr: addr.filter(|_| matches!(key, Key::Name(_))),
            key,
            envelope: Envelope::new(plan.form, &facts),
            facts,
            queue: Queue::default(),
            moved: Instant::now(),
        }
    }

    /// What can be sent to it.
    pub(super) fn standing(&self, plan: &Plan) -> Standing {
        match self.addr {
            Some(_) => Standing::open(self.queue.cost(), plan),
            None => Standing::Closed,
        }
    }

    /// Sends what it takes; tells whether it is still there.
    pub(super) fn send(&mut self, socket: &Socket, sink: &mut Sink<'_>) -> bool {
        let Some(addr) = &self.addr else { return true };
        while let Some(bytes) = self.queue.first() {
            let len = bytes.len();
            match sendto(socket.as_raw_fd(), bytes, addr, MsgFlags::MSG_DONTWAIT) {
                Ok(_) => stats::BYTES_OUT.add(len as u64),
                Err(nix::Error::EINTR) => continue,
                Err(nix::Error::EAGAIN | nix::Error::ENOBUFS) => return true,
                Err(nix::Error::EMSGSIZE) => {
                    sink.lose(&self.facts, format_args!("{len} bytes are too long for a packet"));
                }
                Err(error) => {
                    sink.lose(&self.facts, error.cause());
                    return false;
                }
            }
            self.queue.pop();
        }
        true
    }

    /// Hands over the records of one datagram; the last one needs no delimiter. What is to be sent
    /// back is returned.
    pub(super) fn take(&mut self, data: &[u8], sink: &mut Sink<'_>) -> Result<Vec<Chunk>, Stop> {
        let mut answer = Vec::new();
        if is_empty_record(sink.plan.wire, data) {
            self.take_record(&[], &mut answer, sink)?;
        }
        let (splitter, mut progress) = (&sink.plan.wire_splitter, Progress::default());
        for found in splitter.records(data, &mut progress, More::Ended) {
            match found {
                Found::Record(record) => self.take_record(record.text, &mut answer, sink)?,
                Found::Frame(frame) => self.take_record(frame.bytes, &mut answer, sink)?,
                Found::Damage(damage) => sink.lose(&self.facts, damage),
            }
        }
        Ok(answer)
    }

    fn take_record(
        &mut self,
        record: &[u8],
        answer: &mut Vec<Chunk>,
        sink: &mut Sink<'_>,
    ) -> Result<(), Stop> {
        let record = sink.receive(&self.facts, &mut self.envelope, record)?;
        let mut bytes = Vec::new();
        if let Some(record) = record.filter(|_| sink.plan.echo)
            && sink.encode(&mut bytes, &record)
        {
            answer.push(Chunk { bytes: bytes.into(), records: 1 });
        }
        Ok(())
    }
}
