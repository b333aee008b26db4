// SPDX-License-Identifier: MIT OR Apache-2.0
//! The opening handshake (RFC 6455 §4.1): sends the request, reads and checks the response.

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

/// Maximum size of a response's head, including interim responses.
const MAX_HEAD: usize = 64 * 1024;

/// The reason why there is no WebSocket connection.
#[derive(Debug)]
pub enum Failure {
    /// A signal requested the end.
    Stopped(Stop),
    /// The server responded with a status other than 101.
    Refused(Box<Refusal>),
    /// The connection broke, or the response is not that of a WebSocket server.
    Failed(Fault),
}

impl Failure {
    /// Creates a failure for a response that is not that of a WebSocket server.
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

/// Performs the handshake over a connected stream, which is made nonblocking.
///
/// # Errors
/// [`Failure`], also if there is no response before the deadline.
pub fn shake<S: Read + Write + AsFd>(
    mut stream: S,
    request: &Request,
    options: Options,
    deadline: Deadline,
) -> Result<Socket<S>, Failure> {
    set_nonblocking(&stream)?;
    let key = random_key();
    write_all(&mut stream, request.bytes(&key, options.compression).as_bytes(), deadline)?;
    let (answer, rest) = read_answer(&mut stream, deadline)?;
    if answer.status != 101 {
        let body = read_body(&mut stream, &answer, rest, deadline)?;
        let Answer { status, reason, headers } = answer;
        return Err(Failure::Refused(Box::new(Refusal { status, reason, headers, body })));
    }
    let inflater = answer.check(&key, request, options.compression).map_err(Failure::protocol)?;
    Ok(Socket::new(stream, &rest, answer.headers, options, inflater))
}

/// Reads the final response; also returns the bytes after its head. Interim responses (RFC 9110
/// §15.2) are skipped.
fn read_answer<S: Read + AsFd>(
    stream: &mut S,
    deadline: Deadline,
) -> Result<(Answer, Vec<u8>), Failure> {
    let mut buffer = Vec::new();
    // Number of bytes skipped, and of bytes present at the last attempt to parse the head.
    let (mut skipped, mut looked) = (0, 0);
    loop {
        // Empty lines are not part of a response (RFC 9112 §2.2).
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
            let cause = "closed the connection during the WebSocket handshake";
            return Err(Failure::Failed(Fault::new(FaultKind::Closed, cause)));
        }
    }
}

/// Whether another attempt to parse the head is worthwhile: enough bytes have arrived since the
/// last one, so that the total work stays proportional, or the head is complete.
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
            let cause = "no answer to the WebSocket handshake in time";
            Err(Failure::Failed(Fault::new(FaultKind::Timeout, cause)))
        }
        _ => Err(error.into()),
    }
}
