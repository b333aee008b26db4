// SPDX-License-Identifier: MIT OR Apache-2.0
//! The opening handshake (RFC 6455 §4.1): the request goes out, the answer is read and checked.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;

use nix::poll::PollFlags;

use super::answer::Answer;
use super::body::read_body;
use super::request::random_key;
use super::{Options, Refusal, Request, Socket};
use crate::net::{Fault, FaultKind};
use crate::os::{Deadline, wait_for};
use crate::report::Stop;

/// Longest head of an answer, with those before it that are none yet.
const MAX_HEAD: usize = 64 * 1024;

/// Why there is no WebSocket connection.
#[derive(Debug)]
pub enum Failure {
    /// A signal asked for the end.
    Stopped(Stop),
    /// The server answered with something else than 101.
    Refused(Box<Refusal>),
    /// The connection broke, or the answer is none of a WebSocket server.
    Failed(Fault),
}

impl Failure {
    /// The answer is none of a WebSocket server.
    pub(super) fn protocol(cause: impl std::fmt::Display) -> Self {
        Self::Failed(Fault::new(FaultKind::Protocol, cause))
    }
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        Self::Stopped(stop)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Shakes hands over a connected stream. It is made nonblocking and stays so.
///
/// # Errors
/// [`Failure`]; also when the answer is not there at the deadline.
pub fn shake<S: Read + Write + AsFd>(
    mut stream: S,
    request: &Request,
    options: Options,
    deadline: Deadline,
) -> Result<Socket<S>, Failure> {
    set_nonblocking(&stream)?;
    let key = random_key();
    write_all(&mut stream, &request.bytes(&key, options.compression), deadline)?;
    let (answer, rest) = read_answer(&mut stream, deadline)?;
    if answer.status != 101 {
        let body = read_body(&mut stream, &answer, rest, deadline)?;
        let Answer { status, reason, headers } = answer;
        return Err(Failure::Refused(Box::new(Refusal { status, reason, headers, body })));
    }
    let inflater = answer.check(&key, request, options.compression).map_err(Failure::protocol)?;
    Ok(Socket::new(stream, &rest, answer.headers, options, inflater))
}

/// The final answer, and what came behind its head. Interim answers (RFC 9110 §15.2) are skipped.
fn read_answer<S: Read + AsFd>(
    stream: &mut S,
    deadline: Deadline,
) -> Result<(Answer, Vec<u8>), Failure> {
    let mut buffer = Vec::new();
    // Bytes of what is done with, and of what was there when the head was looked at last.
    let (mut skipped, mut looked) = (0, 0);
    loop {
        // Lines without anything in them are no part of an answer (RFC 9112 §2.2).
        let is_blank = |byte: &&u8| matches!(byte, b'\r' | b'\n');
        skipped += buffer.drain(..buffer.iter().take_while(is_blank).count()).len();
        let answer = if is_worth_a_look(&buffer, looked) { Answer::parse(&buffer)? } else { None };
        if let Some((head_len, answer)) = answer {
            let rest = buffer.split_off(head_len);
            if !matches!(answer.status, 100 | 102..=199) {
                return Ok((answer, rest));
            }
            skipped += head_len;
            (buffer, looked) = (rest, 0);
            continue;
        }
        if skipped + buffer.len() > MAX_HEAD {
            return Err(Failure::protocol("the head of the answer is too long"));
        }
        looked = buffer.len();
        if !read_some(stream, &mut buffer, deadline)? {
            let cause = if buffer.is_empty() {
                "the server closed the connection instead of answering"
            } else {
                "the server closed the connection in its answer"
            };
            return Err(Failure::Failed(Fault::new(FaultKind::Closed, cause)));
        }
    }
}

/// Whether enough has come since a head was last looked at to look at all of it again, which keeps
/// the work in proportion; or the empty line behind it.
fn is_worth_a_look(buffer: &[u8], looked: usize) -> bool {
    let new = buffer.get(looked.saturating_sub(3)..).unwrap_or_default();
    let ends = |end: &[u8]| new.windows(end.len()).any(|window| window == end);
    buffer.len() >= 2 * looked || ends(b"\n\n") || ends(b"\n\r\n")
}

fn set_nonblocking(stream: &impl AsFd) -> std::io::Result<()> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let flags = OFlag::from_bits_retain(fcntl(stream, FcntlArg::F_GETFL)?);
    fcntl(stream, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

fn write_all<S: Write + AsFd>(
    stream: &mut S,
    mut bytes: &[u8],
    deadline: Deadline,
) -> Result<(), Failure> {
    loop {
        let done = if bytes.is_empty() { stream.flush().map(|()| 0) } else { stream.write(bytes) };
        match done {
            Ok(_) if bytes.is_empty() => return Ok(()),
            Ok(len) => bytes = bytes.get(len..).unwrap_or_default(),
            Err(error) => wait_out(stream, error, PollFlags::POLLOUT, deadline)?,
        }
    }
}

/// Reads once; `false` at the end.
pub(super) fn read_some<S: Read + AsFd>(
    stream: &mut S,
    buffer: &mut Vec<u8>,
    deadline: Deadline,
) -> Result<bool, Failure> {
    let mut block = [0; 4096];
    loop {
        match stream.read(&mut block) {
            Ok(len) => {
                buffer.extend_from_slice(block.get(..len).unwrap_or_default());
                return Ok(len > 0);
            }
            Err(error) => wait_out(stream, error, PollFlags::POLLIN, deadline)?,
        }
    }
}

fn wait_out(
    stream: &impl AsFd,
    error: std::io::Error,
    flags: PollFlags,
    deadline: Deadline,
) -> Result<(), Failure> {
    match error.kind() {
        ErrorKind::Interrupted => Ok(()),
        ErrorKind::WouldBlock if wait_for(stream.as_fd(), flags, deadline)? => Ok(()),
        ErrorKind::WouldBlock => {
            let cause = "the server does not answer the WebSocket handshake";
            Err(Failure::Failed(Fault::new(FaultKind::Timeout, cause)))
        }
        _ => Err(error.into()),
    }
}
