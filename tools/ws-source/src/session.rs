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

/// How long a server that sends on after our close frame is waited for.
const FLOOD_WAIT: Duration = Duration::from_millis(300);

/// What lasts from one connection to the next.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) out: Backlog,
    pub(crate) recorder: Recorder,
    /// Standard input, as long as it has something to send.
    pub(crate) outbound: Option<Outbound>,
    /// Records of standard input were lost.
    pub(crate) input_lost: bool,
    /// When the input ended, if it was read, or the last of it was sent.
    pub(crate) input_ended: Option<Instant>,
    /// Records of standard input went to this connection.
    pub(crate) has_forwarded: bool,
}

impl Session {
    /// Says hello, then writes every message. Comes back with how the connection ended, or breaks
    /// off when everything asked is done.
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
                    // Nobody waits for the answer: nobody reads what comes before it either.
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

    /// When no answer is waited for any longer: only what is on its way can be answered.
    fn deadline(&self, plan: &Plan, socket: &Socket<Stream>) -> Deadline {
        let ended = self.input_ended.filter(|_| !socket.owes_messages());
        ended.zip(plan.linger).and_then(|(ended, linger)| ended.checked_add(linger))
    }

    /// Writes a message, and sends it back if that is asked for.
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

    /// One block of standard input.
    fn forward(&mut self, socket: &mut Socket<Stream>) -> Result<(), Stop> {
        let Some(outbound) = &mut self.outbound else {
            return Ok(());
        };
        let has_forwarded = &mut self.has_forwarded;
        let more = outbound.read(|message| {
            // Text was checked where it was read.
            *has_forwarded |= socket.send(&message);
        })?;
        self.input_lost |= outbound.lost;
        if !more {
            self.outbound = None;
            self.input_ended = Some(Instant::now());
        }
        Ok(())
    }

    /// Closes because a signal asked for it. What the server still sends before its answer is
    /// written too.
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

    /// Closes because everything asked is done. Nothing more is written, so a server that sends on
    /// is not waited for as long as one that is silent.
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

    /// At the very end: part of a record that was read is not sent any longer either.
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
