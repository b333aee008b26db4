// SPDX-License-Identifier: MIT OR Apache-2.0
//! One connection, from its opening to its end.

use std::ops::ControlFlow;
use std::time::Instant;

use heka_core::exit::Stop;
use heka_core::io::Backlog;
use heka_core::net::Stream;
use heka_core::net::ws::{Closed, Kind, Message, Received, Socket};
use heka_core::stats;

use crate::cli::Plan;
use crate::outbound::Outbound;
use crate::record::Recorder;

/// What lasts from one connection to the next.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) out: Backlog,
    pub(crate) recorder: Recorder,
    /// Standard input, as long as it has something to send.
    pub(crate) outbound: Option<Outbound>,
    /// Records of standard input were lost.
    pub(crate) input_lost: bool,
    /// When the input ended, if it was read.
    pub(crate) input_ended: Option<Instant>,
}

impl Session {
    /// Says hello, then writes every message. Comes back with how the connection ended, or breaks
    /// off when everything asked is done.
    pub(crate) fn serve(
        &mut self,
        plan: &Plan,
        mut socket: Socket<Stream>,
    ) -> Result<ControlFlow<(), Closed>, Stop> {
        for text in &plan.init {
            socket.send(Message { kind: Kind::Text, data: text.clone().into() });
        }
        loop {
            let until = self.input_ended.zip(plan.linger).map(|(ended, linger)| ended + linger);
            let input = self.outbound.as_ref().map(|outbound| outbound.input.fd());
            match socket.receive(&mut self.out, input, until) {
                Ok(Received::Message(message)) => {
                    self.record(&message)?;
                    if plan.max_count.is_some_and(|most| stats::MESSAGES.value() >= most) {
                        return Ok(leave(plan, socket));
                    }
                    if plan.echo {
                        socket.send(message);
                    }
                }
                Ok(Received::Closed(closed)) => return Ok(ControlFlow::Continue(closed)),
                Ok(Received::Input) => self.forward(&mut socket)?,
                Ok(Received::Deadline) => return Ok(leave(plan, socket)),
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

    fn record(&mut self, message: &Message) -> Result<(), Stop> {
        self.recorder.put(self.out.buffer(), message)?;
        self.out.end_record()
    }

    /// One block of standard input.
    fn forward(&mut self, socket: &mut Socket<Stream>) -> Result<(), Stop> {
        let Some(outbound) = &mut self.outbound else {
            return Ok(());
        };
        let more = outbound.read(|message| {
            // Text was checked where it was read.
            socket.send(message);
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
    fn close(&mut self, plan: &Plan, socket: Socket<Stream>) -> Result<(), Stop> {
        let mut outcome = Ok(());
        let (out, recorder) = (&mut self.out, &mut self.recorder);
        socket.finish(plan.close.0, &plan.close.1, |message| {
            if outcome.is_ok() {
                outcome = recorder.put(out.buffer(), &message);
            }
        });
        outcome
    }
}

fn leave(plan: &Plan, socket: Socket<Stream>) -> ControlFlow<(), Closed> {
    socket.finish(plan.close.0, &plan.close.1, drop);
    ControlFlow::Break(())
}
