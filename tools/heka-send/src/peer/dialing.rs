// SPDX-License-Identifier: MIT OR Apache-2.0
//! Connects without blocking: a thread tries the addresses in turn, while the source is read and
//! other destinations are served.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use heka_core::net::{Addr, DialError, Dialer, Fault};
use heka_core::report::{Explain as _, Stop};

use crate::peer::link::Link;
use crate::plan::Delivery;

/// Interval of checks for signals while a thread of this process waits for one too.
const SIGNAL_PERIOD: Duration = Duration::from_millis(100);

/// The addresses of one target.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    all: Arc<[Addr]>,
    /// Index of the address with which the next attempt begins.
    first: usize,
}

impl Addresses {
    pub(crate) fn new(all: Vec<Addr>) -> Self {
        Self { all: all.into(), first: 0 }
    }

    pub(crate) fn all(&self) -> &[Addr] {
        &self.all
    }

    /// Returns all addresses, for people.
    pub(crate) fn name(&self) -> String {
        let names: Vec<_> = self.all.iter().map(ToString::to_string).collect();
        names.join(", ")
    }

    /// Lets the next attempt begin after the address of that name, or with the first one.
    pub(crate) fn begin_behind(&mut self, name: Option<&str>) {
        let index = self.all.iter().position(|addr| Some(addr.to_string().as_str()) == name);
        self.first = index.map_or(0, |index| index + 1);
    }

    fn in_turn(&self) -> impl Iterator<Item = &Addr> {
        let (last, first) = self.all.split_at_checked(self.first).unwrap_or_default();
        first.iter().chain(last)
    }
}

/// A failed attempt to connect to an address.
#[derive(Debug)]
pub(crate) struct Failure {
    /// `ADDRESS: CAUSE`.
    pub(crate) text: String,
    pub(crate) hint: Option<String>,
}

/// The result of an attempt.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The connection, if one could be made.
    pub(crate) link: Result<Option<Box<Link>>, Stop>,
    /// The addresses that failed before.
    pub(crate) failures: Vec<Failure>,
}

/// An attempt in progress.
#[derive(Debug)]
pub(crate) struct Dialing {
    outcome: mpsc::Receiver<Outcome>,
    done: UnixStream,
}

impl Dialing {
    pub(crate) fn start(
        dialer: Arc<Dialer>,
        addrs: Addresses,
        delivery: Delivery,
    ) -> Result<Self, Stop> {
        let (done, guard) = UnixStream::pair().at("socketpair")?;
        let (sender, outcome) = mpsc::channel();
        std::thread::spawn(move || {
            // Nobody receives this at the end of the process.
            let _ = sender.send(try_all(&dialer, &addrs, &delivery));
            drop(guard);
        });
        Ok(Self { outcome, done })
    }

    /// Returns when to check again even without events: a signal may wake the connecting thread
    /// instead of this one.
    pub(crate) fn look_again() -> Instant {
        Instant::now() + SIGNAL_PERIOD
    }

    /// Returns the result, once it is known.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.outcome.try_recv().ok()
    }
}

impl AsFd for Dialing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.done.as_fd()
    }
}

fn try_all(dialer: &Dialer, addrs: &Addresses, delivery: &Delivery) -> Outcome {
    let mut failures = Vec::new();
    for addr in addrs.in_turn() {
        match Link::connect(dialer, addr, delivery) {
            Ok(link) => return Outcome { link: Ok(Some(Box::new(link))), failures },
            Err(DialError::Stopped(stop)) => return Outcome { link: Err(stop), failures },
            Err(DialError::Failed(Fault { kind, cause, hint })) => {
                kind.count();
                failures.push(Failure { text: format!("{addr}: {cause}"), hint });
            }
        }
    }
    Outcome { link: Ok(None), failures }
}
