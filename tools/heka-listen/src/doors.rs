// SPDX-License-Identifier: MIT OR Apache-2.0
//! The sockets that senders come in by: shut while there is no room or no descriptor left, closed
//! for good once nobody is waited for.

use std::cell::Cell;
use std::time::{Duration, Instant};

use heka_core::net::{
    Accepted, Addr, Interest, Listener, Poller, Stream, dropped_datagrams, set_receive_buffer, tls,
};
use heka_core::os::Deadline;
use heka_core::report::{self, Cause as _, Explain as _, Stop};

use crate::cli::Plan;
use crate::numbers::{self, Arrivals};
use crate::transport::Transport;

/// How long no connection is taken after one could not be.
const REST: Duration = Duration::from_millis(200);

/// A listener, and the TLS that is spoken behind it.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) listener: Listener,
    tls: Option<tls::Server>,
    pub(crate) arrivals: Arrivals,
    /// Datagrams that the system had dropped when that was asked last.
    dropped: Cell<u32>,
}

impl Door {
    /// Makes room for datagrams, as much as the plan says.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn new(
        listener: Listener,
        tls: Option<tls::Server>,
        plan: &Plan,
    ) -> Result<Self, Stop> {
        let (socket, addr) = (listener.socket(), &listener.addr);
        if matches!(addr, Addr::Udp(_)) {
            let room = set_receive_buffer(socket, plan.receive_buffer).at(addr)?;
            if let Some(wanted) = plan.receive_buffer.filter(|wanted| *wanted > room) {
                report::warning(format_args!(
                    "{addr}: receive buffer of {room} bytes, not {wanted} (net.core.rmem_max)"
                ));
            }
        }
        let dropped = Cell::new(dropped_datagrams(socket).unwrap_or(0));
        let arrivals = Arrivals::of(&listener);
        Ok(Self { listener, tls, arrivals, dropped })
    }

    /// How many datagrams more the system has dropped.
    pub(crate) fn newly_dropped(&self) -> u32 {
        let before = self.dropped.get();
        let now = dropped_datagrams(self.listener.socket()).unwrap_or(before);
        self.dropped.replace(now);
        now.wrapping_sub(before)
    }

    /// The address to connect to. An inherited socket does not know that TLS is spoken there.
    pub(crate) fn reached_at(&self) -> String {
        match (&self.listener.addr, &self.tls) {
            (Addr::Tcp(_), Some(_)) => format!("tls://{}", self.listener.bound()),
            _ => self.listener.reached_at(),
        }
    }

    pub(crate) fn has_datagrams(&self) -> bool {
        self.listener.addr.is_datagram()
    }

    /// Whether only processes of this machine come in here.
    pub(crate) fn is_local(&self) -> bool {
        Transport::to(&self.listener.addr).is_local()
    }
}

/// A sender who came in.
#[derive(Debug)]
pub(crate) struct Newcomer {
    pub(crate) stream: Stream,
    pub(crate) peer: String,
    pub(crate) way: Transport,
    pub(crate) arrivals: Arrivals,
    /// Its number, if it is one of [`Programs`](crate::programs::Programs).
    pub(crate) program: Option<usize>,
}

/// All doors. The index of each is its token.
#[derive(Debug)]
pub(crate) struct Doors {
    doors: Vec<Option<Door>>,
    is_open: bool,
    /// Not before this are connections taken again.
    resume: Deadline,
}

impl Doors {
    /// Opens the doors: `poller` reports who comes.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn open(doors: Vec<Door>, poller: &Poller) -> Result<Self, Stop> {
        for (token, door) in doors.iter().enumerate() {
            poller.add(&door.listener, token as u64, Interest::READ).at(&door.listener.addr)?;
        }
        Ok(Self { doors: doors.into_iter().map(Some).collect(), is_open: true, resume: None })
    }

    /// How many tokens are theirs, counted from 0.
    pub(crate) fn len(&self) -> usize {
        self.doors.len()
    }

    pub(crate) fn get(&self, token: usize) -> Option<&Door> {
        self.doors.get(token)?.as_ref()
    }

    /// What must be waited for no longer than to that moment.
    pub(crate) fn resume(&self) -> Deadline {
        self.resume
    }

    /// Takes a connection that waits at a door. If the system refuses it to us, the doors are shut
    /// for a while.
    pub(crate) fn accept(
        &mut self,
        token: usize,
        poller: &Poller,
    ) -> Result<Option<Newcomer>, Stop> {
        let Some(Some(door)) = self.doors.get(token) else { return Ok(None) };
        let way = Transport::to(&door.listener.addr);
        let arrivals = door.arrivals.clone();
        let newcomer = |stream, peer| Newcomer { stream, peer, way, arrivals, program: None };
        let cause = match door.listener.accept() {
            Ok(None) => return Ok(None),
            Ok(Some(Accepted { socket, peer })) => match &door.tls {
                None => return Ok(Some(newcomer(Stream::plain(socket), peer))),
                Some(tls) => match tls.accept(socket) {
                    Ok(stream) => return Ok(Some(newcomer(stream, peer))),
                    Err(error) => error.to_string(),
                },
            },
            Err(error) => error.cause(),
        };
        let addr = &door.listener.addr;
        let text = format_args!("{addr}: cannot accept a connection: {cause}");
        numbers::UNACCEPTED.add(1);
        report::repeated("refused connections", text);
        self.resume = Some(Instant::now() + REST);
        self.shut(poller)?;
        Ok(None)
    }

    /// Nobody is let in for now.
    pub(crate) fn shut(&mut self, poller: &Poller) -> Result<(), Stop> {
        self.watch(poller, false)
    }

    /// Lets senders in again, unless it is too early for that.
    pub(crate) fn reopen(&mut self, poller: &Poller) -> Result<(), Stop> {
        if self.is_open || self.resume.is_some_and(|resume| Instant::now() < resume) {
            return Ok(());
        }
        self.resume = None;
        self.watch(poller, true)
    }

    fn watch(&mut self, poller: &Poller, open: bool) -> Result<(), Stop> {
        if self.is_open == open {
            return Ok(());
        }
        self.is_open = open;
        for (token, door) in self.doors.iter().enumerate() {
            if let Some(door) = door
                && !door.has_datagrams()
            {
                let interest = if open { Interest::READ } else { Interest::NONE };
                poller.modify(&door.listener, token as u64, interest).at("epoll")?;
            }
        }
        Ok(())
    }

    /// Nobody is waited for: who comes later is refused.
    pub(crate) fn close(&mut self, poller: &Poller) {
        for door in &mut self.doors {
            if let Some(door) = door.take() {
                // A socket that another process holds as well would be reported forever.
                let _gone = poller.remove(&door.listener);
            }
        }
    }

    /// Whether senders are let in just now.
    pub(crate) fn are_open(&self) -> bool {
        self.is_open
    }

    /// Whether nobody comes in.
    pub(crate) fn are_closed(&self) -> bool {
        self.doors.iter().all(Option::is_none)
    }
}
