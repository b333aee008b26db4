// SPDX-License-Identifier: MIT OR Apache-2.0
//! When to wait, and what the peers' events mean.

use std::os::fd::AsFd as _;
use std::time::Instant;

use heka_core::os::{Backlog, Deadline};
use heka_core::report::{Explain as _, Stop};
use nix::poll::PollFlags;
use nix::sys::epoll::{EpollEvent, EpollFlags, EpollTimeout};

use super::{BUSY_TURNS, DOOR, Hub, can_read};
use crate::source::Source;
use crate::wait::{let_out, wait_for};

/// Events taken at once.
const MAX_EVENTS: usize = 256;

impl Hub<'_> {
    /// Waits for an event, for room on standard output, or for `deadline`.
    pub(super) fn wait(&mut self, deadline: Deadline) -> Result<(), Stop> {
        let is_busy = self.is_busy();
        // Without standard input nobody loses by it, and a system call less each turn counts.
        if is_busy && !self.wants_input() && self.busy_turns < BUSY_TURNS {
            self.busy_turns += 1;
            return Ok(());
        }
        self.busy_turns = 0;
        let pending = self.sink.out.as_ref().map_or(0, Backlog::pending);
        let may_settle = self.source.as_ref().is_some_and(Source::may_settle);
        if !is_busy && (pending > 0 || may_settle) {
            if self.poll(Some(Instant::now()))? {
                return Ok(());
            }
            // Nothing came in at once: the reader gets what there is.
            if self.flush()? {
                return Ok(());
            }
        }
        // Standard output may have room again by now, which no event tells.
        let mut until = if self.is_busy() { Some(Instant::now()) } else { deadline };
        for limit in [self.next_limit, self.accept_again].into_iter().flatten() {
            until = Some(until.map_or(limit, |until| until.min(limit)));
        }
        self.poll(until)?;
        if self.accept_again.is_some_and(|again| again <= Instant::now()) {
            self.accept_again = None;
        }
        Ok(())
    }

    /// Whether some peer can go on without an event.
    fn is_busy(&self) -> bool {
        let may_accept = self.accept_again.is_none()
            && self.door.as_ref().is_some_and(|door| door.is_ready)
            && self.plan.server().is_some_and(|server| self.connections() < server.max_conns);
        may_accept
            || self
                .awake
                .iter()
                .any(|number| self.peers.get(number).is_some_and(|peer| can_read(peer, &self.sink)))
    }

    /// Lets out what waits for more that may not come; tells whether peers have something to do
    /// by that.
    fn flush(&mut self) -> Result<bool, Stop> {
        let wants_input = self.wants_input();
        let source = self.source.as_mut().filter(|_| wants_input);
        let deliveries = let_out(source, &mut self.sink)?;
        let has_some = !deliveries.is_empty();
        self.deliver(deliveries);
        Ok(has_some)
    }

    /// Waits until `deadline` and notes what has come; tells whether anything has.
    fn poll(&mut self, deadline: Deadline) -> Result<bool, Stop> {
        let wants_input = self.wants_input();
        let source = self.source.as_mut().filter(|_| wants_input);
        let events = (self.epoll.0.as_fd(), PollFlags::POLLIN);
        let came = wait_for(Some(events), source, &mut self.sink, deadline)?;
        if came.socket {
            self.take_events()?;
        }
        Ok(came.socket || came.input)
    }

    fn take_events(&mut self) -> Result<(), Stop> {
        let mut events = [EpollEvent::empty(); MAX_EVENTS];
        let count = match self.epoll.wait(&mut events, EpollTimeout::ZERO) {
            Ok(count) => count,
            Err(nix::Error::EINTR) => 0,
            Err(error) => return Err(error).at("epoll"),
        };
        for event in events.iter().take(count) {
            let number = event.data();
            if let Some(door) = self.door.as_mut().filter(|_| number == DOOR) {
                door.is_ready = true;
                door.has_told = false;
            }
            if let Some(peer) = self.peers.get_mut(&number) {
                let flags = event.events();
                peer.readable |= flags.intersects(
                    EpollFlags::EPOLLIN
                        | EpollFlags::EPOLLRDHUP
                        | EpollFlags::EPOLLHUP
                        | EpollFlags::EPOLLERR,
                );
                peer.writable |= flags.intersects(EpollFlags::EPOLLOUT | EpollFlags::EPOLLERR);
                peer.hung_up |= flags.contains(EpollFlags::EPOLLHUP);
                self.awake.insert(number);
            }
        }
        Ok(())
    }
}
