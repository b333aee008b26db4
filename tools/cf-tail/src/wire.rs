// SPDX-License-Identifier: MIT OR Apache-2.0
//! Connections for HTTP: the tools' connecting and waiting under ureq's protocol.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use heka_core::net::{Addr, DialError, Dialer, FaultKind, HostPort, Stream, tls};
use heka_core::os::Deadline;
use heka_core::report::words::{CLOSED, NO_ANSWER};
use heka_core::report::{Cause as _, Stop};
use nix::poll::PollFlags;
use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::sink::Shared;

/// The shared settings of all connections.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    dialers: Arc<Dialers>,
    sink: Shared,
    /// Maximum silence.
    idle: Option<Duration>,
    trouble: Arc<Mutex<Option<DialError>>>,
}

/// Settings of connections: the proxies for plain and TLS connections differ.
#[derive(Debug, Default)]
pub(crate) struct Dialers {
    /// For `http` and `ws`.
    pub(crate) plain: Dialer,
    /// For `https` and `wss`.
    pub(crate) private: Dialer,
}

impl Dialers {
    /// Connects.
    ///
    /// # Errors
    /// As [`Dialer::dial`].
    pub(crate) fn dial(&self, addr: &Addr) -> Result<Stream, DialError> {
        let dialer = if matches!(addr, Addr::Tls(_)) { &self.private } else { &self.plain };
        dialer.dial(addr)
    }
}

impl Line {
    /// Creates connections by `dialers`, while `sink` continues to write.
    pub(crate) fn new(dialers: Arc<Dialers>, sink: Shared, idle: Option<Duration>) -> Self {
        Self { dialers, sink, idle, trouble: Arc::default() }
    }

    /// Keeps the actual error; ureq only learns that there was one.
    fn fail(&self, error: impl Into<DialError>) -> Error {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.into());
        Error::Io(std::io::Error::other("no connection"))
    }

    /// Takes the actual error behind the one given to ureq.
    pub(crate) fn take_trouble(&self) -> Option<Failure> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take().map(Failure::from)
    }

    /// Returns the cause of an error of ureq.
    pub(crate) fn explain(&self, error: &Error) -> Failure {
        self.take_trouble().unwrap_or_else(|| match error {
            Error::Timeout(_) => Failure::broken(FaultKind::Timeout, NO_ANSWER),
            Error::Io(error) => failure_of(error),
            Error::Protocol(error) => {
                Failure::broken(FaultKind::Protocol, format_args!("not HTTP: {error}"))
            }
            error => Failure::broken(FaultKind::Other, error),
        })
    }

    /// Returns the cause of an error while reading a body.
    pub(crate) fn explain_io(&self, error: &std::io::Error) -> Failure {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(error) => self.explain(error),
            None => self.take_trouble().unwrap_or_else(|| failure_of(error)),
        }
    }
}

/// Returns the failure of reading or writing.
fn failure_of(error: &std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::UnexpectedEof => Failure::broken(FaultKind::Closed, CLOSED),
        _ => Failure::broken(FaultKind::of(error), error.cause()),
    }
}

/// Connects for ureq.
#[derive(Debug)]
pub(crate) struct Wires(pub(crate) Line);

impl Connector for Wires {
    type Out = Wire;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Wire>, Error> {
        let host = details.uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let default_port = if details.needs_tls() { 443 } else { 80 };
        let at = HostPort { host, port: details.uri.port_u16().unwrap_or(default_port) };
        let addr = if details.needs_tls() { Addr::Tls(at) } else { Addr::Tcp(at) };
        let stream = self.0.dialers.dial(&addr).map_err(|error| self.0.fail(error))?;
        stream.set_nonblocking(true).map_err(|error| self.0.fail(error))?;
        let buffers = LazyBuffers::new(
            details.config.input_buffer_size(),
            details.config.output_buffer_size(),
        );
        Ok(Some(Wire { stream, buffers, line: self.0.clone() }))
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: Stream,
    buffers: LazyBuffers,
    line: Line,
}

impl Wire {
    fn wait(&self, flags: PollFlags, deadline: Deadline) -> Result<bool, Stop> {
        self.line.sink.lock().wait_for(Some((self.stream.as_fd(), flags)), deadline)
    }
}

impl Transport for Wire {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let deadline = deadline(&timeout, self.line.idle);
        let left = self.buffers.output().get(..amount).unwrap_or_default().to_vec();
        // It may have a token in it.
        let mut left = Zeroizing::new(left);
        loop {
            let outcome = if left.is_empty() {
                self.stream.flush().map(|()| 0)
            } else {
                self.stream.write(&left)
            };
            match outcome {
                Ok(0) if left.is_empty() => return Ok(()),
                Ok(len) => drop(left.drain(..len)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if !self
                        .wait(PollFlags::POLLOUT, deadline)
                        .map_err(|stop| self.line.fail(stop))?
                    {
                        return Err(Error::Timeout(timeout.reason));
                    }
                }
                Err(error) => return Err(self.line.fail(error)),
            }
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let deadline = deadline(&timeout, self.line.idle);
        loop {
            match self.stream.read(self.buffers.input_append_buf()) {
                Ok(len) => {
                    heka_core::report::stats::BYTES_IN.add(len as u64);
                    self.buffers.input_appended(len);
                    if !self.stream.is_tls() && tls::is_alert(self.buffers.input()) {
                        return Err(self.line.fail(tls::speaks_tls("https://")));
                    }
                    return Ok(len > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if !self
                        .wait(PollFlags::POLLIN, deadline)
                        .map_err(|stop| self.line.fail(stop))?
                    {
                        return Err(Error::Timeout(timeout.reason));
                    }
                }
                Err(error) => return Err(self.line.fail(error)),
            }
        }
    }

    /// Whether the connection can be reused: one with data before the request has been closed, or
    /// is unusable.
    fn is_open(&mut self) -> bool {
        let mut byte = [0];
        matches!(self.stream.read(&mut byte), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    fn is_tls(&self) -> bool {
        self.stream.is_tls()
    }
}

fn deadline(timeout: &NextTimeout, idle: Option<Duration>) -> Deadline {
    let limit = match (timeout.after.is_not_happening(), idle) {
        (true, None) => return None,
        (true, Some(idle)) => idle,
        (false, None) => *timeout.after,
        (false, Some(idle)) => idle.min(*timeout.after),
    };
    Instant::now().checked_add(limit)
}

/// Defers name resolution to connecting, since a proxy may have to do it.
#[derive(Debug)]
pub(crate) struct Anywhere;

impl Resolver for Anywhere {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut addrs = self.empty();
        addrs.push(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        Ok(addrs)
    }
}
