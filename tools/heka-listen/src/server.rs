// SPDX-License-Identifier: MIT OR Apache-2.0
//! The event loop: many senders, one output.

use std::time::{Duration, Instant};

use heka_core::diag::{self, Limiter};
use heka_core::exit::{Cause as _, Explain as _, Stop};
use heka_core::io::Deadline;
use heka_core::net::{Accepted, Interest, Listener, Poller, Ready, Stream, tls};
use heka_core::stats;

use crate::cli::{InputForm, Plan};
use crate::connection::{Connection, Next};
use crate::datagram;
use crate::intake::Intake;

/// Bytes read from one sender before others get their turn.
const READ_SIZE: usize = 256 * 1024;
/// Connections taken before those that are open get their turn.
const TURN: usize = 64;
/// What came is confirmed after so many turns of all senders, or when none has more.
const CONFIRMED_TURNS: u32 = 4;
/// How long no connection is taken after one could not be.
const REST: Duration = Duration::from_millis(200);
/// How long senders are still listened to when a signal has asked for the end, and how much of
/// each is taken: more than the system holds.
const GRACE: Duration = Duration::from_secs(1);
const LAST_SIZE: u64 = 16 * 1024 * 1024;
/// Token of the output, to hear that its reader is gone.
const OUTPUT: u64 = u64::MAX - 1;

/// A listener, and the TLS that is spoken behind it.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) listener: Listener,
    pub(crate) tls: Option<tls::Server>,
}

/// All senders.
#[derive(Debug)]
pub(crate) struct Server {
    poller: Poller,
    doors: Vec<Door>,
    is_open: bool,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    count: usize,
    pub(crate) intake: Intake,
    form: InputForm,
    once: bool,
    max_conns: usize,
    idle_timeout: Option<Duration>,
    /// Connections whose records wait to be confirmed.
    to_confirm: Vec<usize>,
    /// Turns since the last confirmation.
    turns: u32,
    buffer: Vec<u8>,
    /// Not before this are connections taken again.
    resume: Option<Instant>,
    swept: Instant,
    full: Limiter,
    refused: Limiter,
    broken: Limiter,
    idle: Limiter,
}

impl Server {
    pub(crate) fn new(plan: &Plan, doors: Vec<Door>, intake: Intake) -> Result<Self, Stop> {
        let poller = Poller::new()?;
        for (token, door) in doors.iter().enumerate() {
            poller.add(&door.listener, token as u64, Interest::READ).at(&door.listener.addr)?;
        }
        if let Some((fd, _)) = intake.out.reader_watch() {
            // Where it cannot be watched, the next write tells.
            let _watched = poller.add(fd, OUTPUT, Interest::NONE);
        }
        Ok(Self {
            poller,
            doors,
            is_open: true,
            connections: Vec::new(),
            free: Vec::new(),
            count: 0,
            intake,
            form: plan.input,
            once: plan.once,
            max_conns: if plan.once { 1 } else { plan.max_conns },
            idle_timeout: plan.idle_timeout,
            to_confirm: Vec::new(),
            turns: 0,
            buffer: vec![0; READ_SIZE],
            resume: None,
            swept: Instant::now(),
            full: Limiter::default(),
            refused: Limiter::default(),
            broken: Limiter::default(),
            idle: Limiter::default(),
        })
    }

    /// Receives until a signal comes, or what was asked for has been received.
    pub(crate) fn serve(&mut self) -> Result<(), Stop> {
        while !self.is_done() {
            let mut ready = self.poller.wait(Some(Instant::now()))?;
            if ready.is_empty() {
                self.settle()?;
                ready = self.poller.wait(self.deadline())?;
                // HUP may have asked for another file.
                self.intake.out.flush()?;
            }
            for event in ready {
                self.handle(event)?;
                if self.is_done() {
                    break;
                }
            }
            if self.intake.confirms() {
                self.turns += 1;
                if self.turns >= CONFIRMED_TURNS {
                    self.settle()?;
                }
            }
            self.sweep()?;
        }
        Ok(())
    }

    /// Takes what has arrived, for the system has told senders that it has; writes what is buffered
    /// and tells the senders about that.
    pub(crate) fn finish(&mut self) -> Result<(), Stop> {
        let deadline = Instant::now() + GRACE;
        for index in 0..self.connections.len() {
            self.drain(index, deadline)?;
        }
        self.settle()
    }

    /// Reads what the system holds of a connection, but not for ever from one that goes on sending.
    fn drain(&mut self, index: usize, deadline: Instant) -> Result<(), Stop> {
        let Some(Some(connection)) = self.connections.get_mut(index) else { return Ok(()) };
        let start = stats::BYTES_IN.value();
        let mut before = None;
        while before != Some(stats::BYTES_IN.value())
            && stats::BYTES_IN.value() - start < LAST_SIZE
            && Instant::now() < deadline
            && !self.intake.is_full()
        {
            before = Some(stats::BYTES_IN.value());
            match connection.read(&mut self.buffer, &mut self.intake)? {
                Next::Continue => {}
                Next::End | Next::Broken(_) => break,
            }
        }
        if self.intake.confirms() {
            self.to_confirm.push(index);
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.intake.is_full() || (self.once && !self.is_open && self.count == 0)
    }

    fn handle(&mut self, event: Ready) -> Result<(), Stop> {
        if event.token == OUTPUT {
            return if event.broken { Err(Stop::BrokenPipe) } else { Ok(()) };
        }
        let Ok(token) = usize::try_from(event.token) else { return Ok(()) };
        match self.doors.get(token) {
            Some(door) if door.listener.addr.is_datagram() => {
                let intake = &mut self.intake;
                datagram::receive(&door.listener, self.form, &mut self.buffer, intake)
            }
            Some(_) => self.accept(token),
            None => self.converse(token - self.doors.len(), event),
        }
    }

    fn accept(&mut self, token: usize) -> Result<(), Stop> {
        for _ in 0..TURN {
            if self.count >= self.max_conns {
                return self.close_doors();
            }
            let Some(door) = self.doors.get(token) else { break };
            match door.listener.accept() {
                Ok(Some(accepted)) => self.welcome(token, accepted)?,
                Ok(None) => break,
                Err(error) => {
                    self.refused.warning(format_args!(
                        "{}: cannot take a connection: {}",
                        door.listener.addr,
                        error.cause()
                    ));
                    self.resume = Some(Instant::now() + REST);
                    return self.watch_doors(false);
                }
            }
        }
        Ok(())
    }

    fn welcome(&mut self, token: usize, accepted: Accepted) -> Result<(), Stop> {
        let Some(door) = self.doors.get(token) else { return Ok(()) };
        let Accepted { socket, peer } = accepted;
        let stream = match &door.tls {
            None => Stream::plain(socket),
            Some(tls) => match tls.accept(socket) {
                Ok(stream) => stream,
                Err(error) => {
                    self.broken.warning(format_args!("{peer}: {error}"));
                    return Ok(());
                }
            },
        };
        diag::note(format_args!("{peer}: connected"));
        let connection = Connection::new(stream, peer, self.form, &self.intake);
        let index = self.free.pop().unwrap_or(self.connections.len());
        let token = (self.doors.len() + index) as u64;
        self.poller.add(&connection.stream, token, Interest::READ).at("epoll")?;
        if index == self.connections.len() {
            self.connections.push(None);
        }
        if let Some(slot) = self.connections.get_mut(index) {
            *slot = Some(connection);
        }
        self.count += 1;
        stats::counter("connections").add(1);
        Ok(())
    }

    /// As many are connected as may be.
    fn close_doors(&mut self) -> Result<(), Stop> {
        if !self.once {
            let most = self.max_conns;
            self.full.warning(format_args!("{most} connections: further ones wait (--max-conns)"));
        }
        self.watch_doors(false)
    }

    fn watch_doors(&mut self, open: bool) -> Result<(), Stop> {
        if self.is_open == open {
            return Ok(());
        }
        self.is_open = open;
        for (token, door) in self.doors.iter().enumerate() {
            if !door.listener.addr.is_datagram() {
                let interest = if open { Interest::READ } else { Interest::NONE };
                self.poller.modify(&door.listener, token as u64, interest).at("epoll")?;
            }
        }
        Ok(())
    }

    fn converse(&mut self, index: usize, event: Ready) -> Result<(), Stop> {
        let Some(Some(connection)) = self.connections.get_mut(index) else {
            return Ok(());
        };
        if event.write {
            if let Err(error) = connection.send() {
                self.part(index, Some(&error));
                return Ok(());
            }
            if self.intake.confirms() {
                // What came while the sender took nothing was not confirmed yet.
                self.to_confirm.push(index);
            }
        }
        if event.read {
            match connection.read(&mut self.buffer, &mut self.intake)? {
                Next::Continue if self.intake.confirms() => self.to_confirm.push(index),
                Next::Continue => {}
                Next::End => {
                    if self.intake.confirms() {
                        self.intake.out.flush()?;
                        // A sender that does not read any more needs no confirmation.
                        let _gone = connection.confirm();
                    }
                    self.part(index, None);
                    return Ok(());
                }
                Next::Broken(error) => {
                    self.part(index, Some(&error));
                    return Ok(());
                }
            }
        }
        self.watch(index)
    }

    /// Waits for what a connection wants now.
    fn watch(&mut self, index: usize) -> Result<(), Stop> {
        if let Some(Some(connection)) = self.connections.get_mut(index) {
            let wanted = connection.wanted();
            if wanted != connection.interest {
                let token = (self.doors.len() + index) as u64;
                self.poller.modify(&connection.stream, token, wanted).at("epoll")?;
                connection.interest = wanted;
            }
        }
        Ok(())
    }

    /// A connection is over.
    fn part(&mut self, index: usize, error: Option<&std::io::Error>) {
        let Some(connection) = self.connections.get_mut(index).and_then(Option::take) else {
            return;
        };
        self.free.push(index);
        self.count -= 1;
        match error {
            None if connection.confirmed > 0 => diag::note(format_args!(
                "{}: closed, {} messages confirmed",
                connection.peer, connection.confirmed
            )),
            None => diag::note(format_args!("{}: closed", connection.peer)),
            Some(error) => {
                let (cause, hint) = tls::explain_io(error);
                let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
                self.broken.warning(format_args!("{}: {cause}{hint}", connection.peer));
            }
        }
    }

    /// Writes what is buffered; then what came is safe and can be confirmed.
    fn settle(&mut self) -> Result<(), Stop> {
        self.turns = 0;
        self.intake.out.flush()?;
        for index in std::mem::take(&mut self.to_confirm) {
            if let Some(Some(connection)) = self.connections.get_mut(index)
                && let Err(error) = connection.confirm()
            {
                self.part(index, Some(&error));
                continue;
            }
            self.watch(index)?;
        }
        Ok(())
    }

    fn deadline(&self) -> Deadline {
        let sweep = self.sweep_period().filter(|_| self.count > 0);
        sweep.map(|period| self.swept + period).into_iter().chain(self.resume).min()
    }

    fn sweep_period(&self) -> Option<Duration> {
        let limit = self.idle_timeout?;
        Some((limit / 4).clamp(Duration::from_millis(10), Duration::from_secs(10)))
    }

    /// Opens the doors again if there is room, and ends connections that idle too long.
    fn sweep(&mut self) -> Result<(), Stop> {
        let now = Instant::now();
        if !self.is_open && !self.once {
            let rested = self.resume.is_none_or(|resume| resume <= now);
            if rested && self.count < self.max_conns {
                self.resume = None;
                self.watch_doors(true)?;
            }
        }
        let (Some(limit), Some(period)) = (self.idle_timeout, self.sweep_period()) else {
            return Ok(());
        };
        if now - self.swept < period {
            return Ok(());
        }
        self.swept = now;
        // Who is closed is told first what came.
        self.settle()?;
        for index in 0..self.connections.len() {
            let idles = |connection: &Connection| now - connection.active >= limit;
            if let Some(Some(connection)) = self.connections.get(index)
                && idles(connection)
            {
                self.idle.warning(format_args!("{}: idle too long, closed", connection.peer));
                self.part(index, None);
            }
        }
        Ok(())
    }
}
