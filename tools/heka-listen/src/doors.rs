// SPDX-License-Identifier: MIT OR Apache-2.0
//! The listening sockets: paused while there is no room or no free descriptor, closed for good when
//! no more senders are wanted.

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

/// Pause after a connection could not be accepted.
const REST: Duration = Duration::from_millis(200);

/// A listener, and its TLS.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) listener: Listener,
    tls: Option<tls::Server>,
    pub(crate) arrivals: Arrivals,
    /// Last count of datagrams dropped by the system.
    dropped: Cell<u32>,
}

impl Door {
    /// Sets the receive buffer for datagrams.
    ///
    /// # Errors
    /// Any error of setsockopt(2).
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

    /// Returns how many more datagrams the system has dropped.
    pub(crate) fn newly_dropped(&self) -> u32 {
        let before = self.dropped.get();
        let now = dropped_datagrams(self.listener.socket()).unwrap_or(before);
        self.dropped.replace(now);
        now.wrapping_sub(before)
    }

    /// Returns the address to connect to, with the TLS that an inherited socket does not know of.
    pub(crate) fn reached_at(&self) -> String {
        match (&self.listener.addr, &self.tls) {
            (Addr::Tcp(_), Some(_)) => format!("tls://{}", self.listener.bound()),
            _ => self.listener.reached_at(),
        }
    }

    pub(crate) fn has_datagrams(&self) -> bool {
        self.listener.addr.is_datagram()
    }

    /// Whether only processes of this host can connect.
    pub(crate) fn is_local(&self) -> bool {
        Transport::to(&self.listener.addr).is_local()
    }
}

/// A newly connected sender.
#[derive(Debug)]
pub(crate) struct Newcomer {
    pub(crate) stream: Stream,
    pub(crate) peer: String,
    pub(crate) way: Transport,
    pub(crate) arrivals: Arrivals,
    /// Its number, if it is one of [`Programs`](crate::programs::Programs).
    pub(crate) program: Option<usize>,
}

/// All listeners. The index of each is its token.
#[derive(Debug)]
pub(crate) struct Doors {
    doors: Vec<Option<Door>>,
    is_open: bool,
    /// No connections are accepted before this time.
    resume: Deadline,
}

impl Doors {
    /// Registers the listeners with `poller`.
    ///
    /// # Errors
    /// Any error of epoll(7).
    pub(crate) fn open(doors: Vec<Door>, poller: &Poller) -> Result<Self, Stop> {
        for (token, door) in doors.iter().enumerate() {
            poller.add(&door.listener, token as u64, Interest::READ).at(&door.listener.addr)?;
        }
        Ok(Self { doors: doors.into_iter().map(Some).collect(), is_open: true, resume: None })
    }

    /// Returns the number of their tokens, counted from 0.
    pub(crate) fn len(&self) -> usize {
        self.doors.len()
    }

    pub(crate) fn get(&self, token: usize) -> Option<&Door> {
        self.doors.get(token)?.as_ref()
    }

    /// Returns when accepting is resumed.
    pub(crate) fn resume(&self) -> Deadline {
        self.resume
    }

    /// Accepts a connection. If the system fails to, accepting pauses for a while.
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
        report::repeated("connections not accepted", text);
        self.resume = Some(Instant::now() + REST);
        self.shut(poller)?;
        Ok(None)
    }

    /// Pauses accepting.
    pub(crate) fn shut(&mut self, poller: &Poller) -> Result<(), Stop> {
        self.watch(poller, false)
    }

    /// Resumes accepting, unless it is too early.
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

    /// Closes the listeners: later connections are refused.
    pub(crate) fn close(&mut self, poller: &Poller) {
        for door in &mut self.doors {
            if let Some(door) = door.take() {
                // A socket that another process also holds would be reported forever.
                let _gone = poller.remove(&door.listener);
            }
        }
    }

    /// Whether connections are being accepted.
    pub(crate) fn are_open(&self) -> bool {
        self.is_open
    }

    /// Whether the listeners are closed.
    pub(crate) fn are_closed(&self) -> bool {
        self.doors.iter().all(Option::is_none)
    }
}
