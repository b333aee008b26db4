// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waiting for a socket, for standard input and for room on standard output at once.

use heka_core::os::{Backlog, Deadline, Wanted, wait};
use heka_core::report::Stop;
use nix::poll::PollFlags;

use crate::sink::Sink;
use crate::source::{Delivery, Source};

/// What has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Came {
    /// Something on the socket.
    pub(crate) socket: bool,
    /// Something on standard input, which takes note of it.
    pub(crate) input: bool,
}

/// Waits until `deadline` for `socket`, for `source` if standard input is wanted, and for room on
/// standard output, which gets what it takes then.
pub(crate) fn wait_for(
    socket: Option<Wanted<'_>>,
    source: Option<&mut Source>,
    sink: &mut Sink<'_>,
    deadline: Deadline,
) -> Result<Came, Stop> {
    let input = source.as_ref().map(|source| (source.input.fd(), PollFlags::POLLIN));
    let out = sink.out.as_ref().and_then(Backlog::wanted);
    let entries = [socket, input, out];
    let wanted: Vec<Wanted<'_>> = entries.iter().copied().flatten().collect();
    let mut ready = wait(&wanted, deadline)?.into_iter();
    let [socket, input, out] =
        entries.map(|entry| entry.and_then(|_| ready.next()).filter(|ready| !ready.is_empty()));
    if let (true, Some(source)) = (input.is_some(), source) {
        source.is_ready = true;
    }
    if let (Some(ready), Some(out)) = (out, &mut sink.out) {
        if ready.contains(PollFlags::POLLERR) {
            return Err(Stop::BrokenPipe);
        }
        out.try_flush()?;
    }
    Ok(Came { socket: socket.is_some(), input: input.is_some() })
}

/// Nothing comes right now: standard output gets what it takes, and what has been read of `source`,
/// if standard input is wanted, is returned as far as it needs no more behind it.
pub(crate) fn let_out(
    source: Option<&mut Source>,
    sink: &mut Sink<'_>,
) -> Result<Vec<Delivery>, Stop> {
    if let Some(out) = &mut sink.out {
        out.try_flush()?;
    }
    match source.filter(|source| source.may_settle()) {
        Some(source) => source.settle(sink),
        None => Ok(Vec::new()),
    }
}
