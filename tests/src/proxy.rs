// SPDX-License-Identifier: MIT OR Apache-2.0
//! A TCP proxy that injects faults: it stalls, delays, cuts records in two, resets, closes, leaves
//! a connection half open, or drops everything silently.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::socket::{setsockopt, sockopt::Linger, sockopt::RcvBuf, sockopt::SndBuf};

use crate::frames::FrameCounter;
use crate::wait::pause;

/// Socket buffer size of each side; small, so that a side that does not read is noticed soon.
const BUFFER: usize = 64 * 1024;
/// Bytes forwarded at a time while data is delayed, and the delay for each.
const DELAYED: (usize, Duration) = (2048, Duration::from_millis(8));

/// A fault of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Closes all connections normally.
    Close,
    /// Resets all connections; data in transit is lost.
    Reset,
    /// Resets each connection after this many more bytes, most likely in the middle of a record.
    CutAfter(u64),
    /// Forwards nothing for this time.
    Stall(Duration),
    /// Delays and slows down everything for this time.
    Delay(Duration),
    /// Closes the receiver's side; the sender's side stays open and receives nothing until it
    /// sends.
    HalfOpen,
    /// Leaves both sides open but forwards nothing, as if the network had failed. Only a later
    /// close or reset ends the connections.
    Vanish,
}

/// A proxy in front of a listener, in threads of the test.
#[derive(Debug)]
pub struct Proxy {
    /// Address.
    pub addr: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: Mutex<String>,
    connections: Mutex<Vec<Arc<Pair>>>,
    /// Bytes forwarded before each connection is reset.
    budget: AtomicU64,
    stalled: AtomicBool,
    delayed: AtomicBool,
    accepted: AtomicUsize,
    /// Messages forwarded completely.
    passed: AtomicU64,
    closed: AtomicBool,
}

/// Both sides of a connection, closed when the last thread drops them.
#[derive(Debug)]
struct Pair {
    sender: TcpStream,
    receiver: TcpStream,
    is_over: AtomicBool,
    has_vanished: AtomicBool,
}

impl Pair {
    /// Ends both sides; with `abruptly`, data in transit is lost and both sides see a reset.
    fn end(&self, abruptly: bool) {
        self.is_over.store(true, Ordering::SeqCst);
        for stream in [&self.sender, &self.receiver] {
            if abruptly {
                let linger = libc::linger { l_onoff: 1, l_linger: 0 };
                let _ = setsockopt(stream, Linger, &linger);
                // Wakes the reading thread; when the last thread closes the socket, a reset is
                // sent.
                drop(stream.shutdown(Shutdown::Read));
            } else {
                drop(stream.shutdown(Shutdown::Both));
            }
        }
    }
}

impl Proxy {
    /// Listens on a free port and forwards everything to `upstream`.
    ///
    /// # Panics
    /// If the system has no free port.
    pub fn new(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("no port left");
        setsockopt(&listener, RcvBuf, &BUFFER).expect("a small buffer");
        let addr = listener.local_addr().expect("an address").to_string();
        let shared = Arc::new(Shared {
            upstream: Mutex::new(upstream.to_owned()),
            connections: Mutex::default(),
            budget: AtomicU64::new(u64::MAX),
            stalled: AtomicBool::new(false),
            delayed: AtomicBool::new(false),
            accepted: AtomicUsize::new(0),
            passed: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        });
        let inner = Arc::clone(&shared);
        std::thread::spawn(move || serve(&listener, &inner));
        Self { addr, shared }
    }

    /// Forwards new connections to another listener.
    pub fn redirect(&self, upstream: &str) {
        upstream.clone_into(&mut *lock(&self.shared.upstream));
    }

    /// Returns the number of connections so far.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Returns the number of messages given to the receivers' kernels, repeated ones included. Only
    /// frames are counted.
    pub fn passed(&self) -> u64 {
        self.shared.passed.load(Ordering::SeqCst)
    }

    /// Injects a fault.
    pub fn inject(&self, fault: Fault) {
        match fault {
            Fault::CutAfter(bytes) => self.shared.budget.store(bytes, Ordering::SeqCst),
            Fault::Stall(time) => self.set_for(time, |shared| &shared.stalled),
            Fault::Delay(time) => self.set_for(time, |shared| &shared.delayed),
            Fault::Vanish => {
                for pair in lock(&self.shared.connections).iter() {
                    pair.has_vanished.store(true, Ordering::SeqCst);
                }
            }
            Fault::Close | Fault::Reset | Fault::HalfOpen => {
                for pair in lock(&self.shared.connections).drain(..) {
                    match fault {
                        Fault::HalfOpen => {
                            pair.is_over.store(true, Ordering::SeqCst);
                            drop(pair.receiver.shutdown(Shutdown::Both));
                        }
                        _ => pair.end(fault == Fault::Reset),
                    }
                }
            }
        }
    }

    /// Sets a flag for this time.
    fn set_for(&self, time: Duration, flag: fn(&Shared) -> &AtomicBool) {
        flag(&self.shared).store(true, Ordering::SeqCst);
        let shared = Arc::clone(&self.shared);
        std::thread::spawn(move || {
            rest(time);
            flag(&shared).store(false, Ordering::SeqCst);
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.inject(Fault::Close);
        // Wakes the accepting thread.
        drop(TcpStream::connect(&self.addr));
    }
}

fn serve(listener: &TcpListener, shared: &Arc<Shared>) {
    for sender in listener.incoming().flatten() {
        if shared.closed.load(Ordering::SeqCst) {
            return;
        }
        let upstream = lock(&shared.upstream).clone();
        // No receiver: the sender's connection is closed at once.
        let Ok(receiver) = TcpStream::connect(upstream) else { continue };
        // A smaller buffer is optional.
        let _set = setsockopt(&receiver, SndBuf, &BUFFER);
        shared.accepted.fetch_add(1, Ordering::SeqCst);
        let (is_over, has_vanished) = (AtomicBool::new(false), AtomicBool::new(false));
        let pair = Arc::new(Pair { sender, receiver, is_over, has_vanished });
        lock(&shared.connections).push(Arc::clone(&pair));
        for is_answer in [true, false] {
            let (pair, shared) = (Arc::clone(&pair), Arc::clone(shared));
            std::thread::spawn(move || {
                if is_answer {
                    copy(&pair, &pair.receiver, &pair.sender, None, &shared);
                } else {
                    copy(&pair, &pair.sender, &pair.receiver, Some(&shared.budget), &shared);
                }
                lock(&shared.connections).retain(|other| !Arc::ptr_eq(other, &pair));
            });
        }
    }
}

fn copy(
    pair: &Pair,
    mut from: &TcpStream,
    mut to: &TcpStream,
    budget: Option<&AtomicU64>,
    shared: &Shared,
) {
    let mut buffer = [0; 16 * 1024];
    let mut frames = FrameCounter::default();
    loop {
        hold(pair, shared);
        let most = if shared.delayed.load(Ordering::SeqCst) { DELAYED.0 } else { buffer.len() };
        let len = match from.read(&mut buffer[..most]) {
            Ok(len) if len > 0 => len,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Ok(_) if !pair.is_over.load(Ordering::SeqCst) => {
                drop(to.shutdown(Shutdown::Write));
                return;
            }
            Ok(_) => return,
            Err(_) => return pair.end(true),
        };
        hold(pair, shared);
        if shared.delayed.load(Ordering::SeqCst) {
            rest(DELAYED.1);
        }
        let pass = budget.map_or(len, |budget| spend(budget, len));
        let is_passed = to.write_all(&buffer[..pass]).is_ok();
        if is_passed && budget.is_some() {
            shared.passed.fetch_add(frames.count(&buffer[..pass]), Ordering::SeqCst);
        }
        if !is_passed || pass < len {
            return pair.end(true);
        }
    }
}

/// Waits while nothing may be forwarded.
fn hold(pair: &Pair, shared: &Shared) {
    let is_set = |flag: &AtomicBool| flag.load(Ordering::SeqCst);
    let has_vanished = || is_set(&pair.has_vanished) && !is_set(&pair.is_over);
    while (is_set(&shared.stalled) || has_vanished()) && !is_set(&shared.closed) {
        pause();
    }
}

/// Returns how many of `len` bytes may be forwarded; once spent, the budget is unlimited again.
fn spend(budget: &AtomicU64, len: usize) -> usize {
    let left = budget.load(Ordering::SeqCst);
    if left == u64::MAX {
        return len;
    }
    let pass = len.min(usize::try_from(left).unwrap_or(len));
    let rest = if pass < len { u64::MAX } else { left - pass as u64 };
    budget.store(rest, Ordering::SeqCst);
    pass
}

fn rest(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        pause();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
