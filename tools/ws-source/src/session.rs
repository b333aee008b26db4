// SPDX-License-Identifier: MIT OR Apache-2.0
//! One connection, from its opening to its end.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use heka_core::net::Stream;
use heka_core::net::ws::{Closed, Kind, Message, Received, Socket};
use heka_core::os::{Backlog, Deadline};
use heka_core::report::{self, Stop};

use crate::cli::Plan;
use crate::outbound::Outbound;
use crate::record::Recorder;

/// Time limit for a server that continues to send after our close frame.
const FLOOD_WAIT: Duration = Duration::from_millis(300);

/// The state kept from one connection to the next.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) out: Backlog,
    pub(crate) recorder: Recorder,
    /// Standard input, as long as it has something to send.
    pub(crate) outbound: Option<Outbound>,
    /// Whether records of standard input were lost.
    pub(crate) input_lost: bool,
    /// When the input ended or its last record was sent, whichever is later.
    pub(crate) input_ended: Option<Instant>,
    /// Whether records of standard input were sent on this connection.
    pub(crate) has_forwarded: bool,
}

impl Session {
    /// Sends the initial messages, then writes every message. Returns how the connection ended, or
    /// stops when everything requested is done.
    pub(crate) fn serve(
        &mut self,
        plan: &Plan,
        mut socket: Socket<Stream>,
    ) -> Result<ControlFlow<(), Closed>, Stop> {
        self.has_forwarded = false;
        Self::say_hello(plan, &mut socket);
        loop {
            if self.has_enough(plan) {
                return self.leave(plan, socket);
            }
            let until = self.deadline(plan, &socket);
            let input = self.outbound.as_ref().map(Outbound::fd);
            match socket.receive(&mut self.out, input, until) {
                Ok(Received::Message(kind)) => self.take(plan, kind, &mut socket)?,
                Ok(Received::Closed(closed)) => {
                    self.tell_unsent(&socket);
                    return Ok(ControlFlow::Continue(closed));
                }
                Ok(Received::Input) => self.forward(&mut socket)?,
                Ok(Received::Sent) => {
                    self.input_ended = self.input_ended.map(|_| Instant::now());
                }
                Ok(Received::Deadline) => return self.leave(plan, socket),
                Err(Stop::Signal(signal)) => {
                    self.close(plan, socket)?;
                    return Err(Stop::Signal(signal));
                }
                Err(stop) => {
                    // Nobody waits for the response, so nobody reads what comes before it either.
                    socket.close(plan.close.0, &plan.close.1);
                    return Err(stop);
                }
            }
        }
    }

    fn say_hello(plan: &Plan, socket: &mut Socket<Stream>) {
        for message in &plan.init {
            socket.send(message);
        }
    }

    /// Returns when to stop waiting for responses after the end of the input.
    fn deadline(&self, plan: &Plan, socket: &Socket<Stream>) -> Deadline {
        let ended = self.input_ended.filter(|_| !socket.owes_messages());
        ended.zip(plan.linger).and_then(|(ended, linger)| ended.checked_add(linger))
    }

    /// Writes a message, and echoes it if requested.
    fn take(&mut self, plan: &Plan, kind: Kind, socket: &mut Socket<Stream>) -> Result<(), Stop> {
        self.record(kind, socket.data())?;
        if plan.echo {
            let data = socket.take_data();
            socket.send(&Message { kind, data });
        }
        Ok(())
    }

    fn record(&mut self, kind: Kind, data: &[u8]) -> Result<(), Stop> {
        self.recorder.put(self.out.buffer(), kind, data)?;
        self.out.end_record()
    }

    /// Sends one block of standard input.
    fn forward(&mut self, socket: &mut Socket<Stream>) -> Result<(), Stop> {
        let Some(outbound) = &mut self.outbound else {
            return Ok(());
        };
        let has_forwarded = &mut self.has_forwarded;
        let more = outbound.read(|message| {
            // Text was validated when it was read.
            *has_forwarded |= socket.send(&message);
        })?;
        self.input_lost |= outbound.lost;
        if !more {
            self.outbound = None;
            self.input_ended = Some(Instant::now());
        }
        Ok(())
    }

    /// Closes because of a signal. Messages that the server sends before its response are still
    /// written.
    fn close(&mut self, plan: &Plan, mut socket: Socket<Stream>) -> Result<(), Stop> {
        socket.close(plan.close.0, &plan.close.1);
        loop {
            match socket.receive(&mut self.out, None, None)? {
                Received::Closed(_) => break,
                Received::Message(kind) if !self.has_enough(plan) => {
                    self.record(kind, socket.data())?;
                }
                _ => {}
            }
        }
        self.tell_unsent(&socket);
        Ok(())
    }

    /// Closes because everything requested is done. Nothing more is written, so a server that
    /// continues to send is waited for less than one that is silent.
    fn leave(
        &mut self,
        plan: &Plan,
        mut socket: Socket<Stream>,
    ) -> Result<ControlFlow<(), Closed>, Stop> {
        socket.close(plan.close.0, &plan.close.1);
        let patience = Instant::now() + FLOOD_WAIT;
        loop {
            match socket.receive(&mut self.out, None, None)? {
                Received::Closed(_) => break,
                Received::Message(_) if Instant::now() >= patience => break,
                _ => {}
            }
        }
        self.tell_unsent(&socket);
        Ok(ControlFlow::Break(()))
    }

    fn has_enough(&self, plan: &Plan) -> bool {
        plan.max_count.is_some_and(|most| self.recorder.written >= most)
    }

    fn tell_unsent(&mut self, socket: &Socket<Stream>) {
        if self.has_forwarded && socket.owes_messages() {
            self.lose_input();
        }
    }

    /// Reports, at the very end, an incomplete record that will not be sent.
    pub(crate) fn tell_rest(&mut self) {
        if !self.input_lost && self.outbound.as_ref().is_some_and(Outbound::has_part) {
            self.lose_input();
        }
    }

    fn lose_input(&mut self) {
        self.input_lost = true;
        report::warning("(standard input): the connection ended before all of it was sent");
    }
}
