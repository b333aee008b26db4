// SPDX-License-Identifier: MIT OR Apache-2.0
//! Connecting without holding anything up: a thread tries the addresses in turn, while the source
//! is read on and other destinations are served.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use heka_core::net::{Addr, DialError, Dialer, Fault};
use heka_core::report::{Explain as _, Stop};

use crate::peer::link::Link;
use crate::plan::Delivery;

/// How soon a signal is seen while a thread of ours waits for one too.
const SIGNAL_PERIOD: Duration = Duration::from_millis(100);

/// An address that could not be connected to.
#[derive(Debug)]
pub(crate) struct Failure {
    /// `ADDRESS: CAUSE`.
    pub(crate) text: String,
    pub(crate) hint: Option<String>,
}

/// What came of an attempt.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The connection, if one could be made.
    pub(crate) link: Result<Option<Box<Link>>, Stop>,
    /// The addresses that did not answer before.
    pub(crate) failures: Vec<Failure>,
}

/// An attempt that is being made.
#[derive(Debug)]
pub(crate) struct Dialing {
    outcome: mpsc::Receiver<Outcome>,
    done: UnixStream,
}

impl Dialing {
    pub(crate) fn start(
        dialer: Arc<Dialer>,
        addrs: Arc<[Addr]>,
        delivery: Delivery,
    ) -> Result<Self, Stop> {
        let (done, guard) = UnixStream::pair().at("socketpair")?;
        let (sender, outcome) = mpsc::channel();
        std::thread::spawn(move || {
            // Nobody waits at the end of the process.
            let _ = sender.send(try_all(&dialer, &addrs, &delivery));
            drop(guard);
        });
        Ok(Self { outcome, done })
    }

    /// When to look again though nothing happens: the thread that connects may be the one that a
    /// signal wakes.
    pub(crate) fn look_again() -> Instant {
        Instant::now() + SIGNAL_PERIOD
    }

    /// What came of it, once that is known.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.outcome.try_recv().ok()
    }
}

impl AsFd for Dialing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.done.as_fd()
    }
}

fn try_all(dialer: &Dialer, addrs: &[Addr], delivery: &Delivery) -> Outcome {
    let mut failures = Vec::new();
    for addr in addrs {
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
