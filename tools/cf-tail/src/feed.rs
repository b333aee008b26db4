// SPDX-License-Identifier: MIT OR Apache-2.0
//! A stream of envelopes over a WebSocket: that of the legacy server and of the traffic controller.

use std::time::{Duration, Instant};

use bytes::Bytes;
use heka_core::net::ws::{
    self, Endpoint, Kind, Message, Options, Received, Refusal, Request, Socket,
};
use heka_core::net::{Fault, FaultKind, Stream};
use heka_core::os::signal;
use heka_core::report::{self, Stop};
use url::Url;
use zeroize::Zeroizing;

use crate::endpoint;
use crate::envelope::{Envelope, Unreadable};
use crate::failure::{Failure, shown};
use crate::http::{ROUTER_ERROR, trace_headers};
use crate::intake::Intake;
use crate::log_cache::Cache;
use crate::numbers;
use crate::parts::Recent;
use crate::session::Session;
use crate::token::Token;

/// Keeps the connection to a legacy server alive.
const KEEP_ALIVE: &[u8] = b"I'm alive!";
/// Interval of pings, and the timeout for anything to arrive.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(60);

/// A stream to open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Feed<'a> {
    /// Its URL.
    pub(crate) url: &'a Url,
    /// The Origin header.
    pub(crate) origin: &'a str,
    /// Decodes a message.
    pub(crate) decode: fn(Bytes) -> Result<Envelope, Unreadable>,
    /// Interval of keepalive frames.
    pub(crate) keepalive: Option<Duration>,
    /// Whether the server ends it normally only when its work is done.
    pub(crate) has_end: bool,
    /// The cache for missed envelopes.
    pub(crate) past: Option<&'a Cache>,
}

/// An open stream.
type Open = Socket<Stream>;

impl Feed<'_> {
    /// Connects.
    ///
    /// # Errors
    /// If the server does not open the stream.
    pub(crate) fn open(&self, session: &Session) -> Result<Open, Failure> {
        session.authorized(|token| self.shake(session, token))
    }

    fn shake(&self, session: &Session, token: Option<&Token>) -> Result<Open, Failure> {
        let endpoint = Endpoint::parse(self.url.as_str()).map_err(Failure::BadResponse)?;
        let stream = session.dialers.dial(&endpoint.addr)?;
        let mut request = Request::new(&endpoint);
        let mut header = |name: &str, value: &str| {
            request.headers.push((name.to_owned(), Zeroizing::new(value.to_owned())));
        };
        header("User-Agent", concat!("cf-tail/", env!("CARGO_PKG_VERSION")));
        header("Origin", self.origin);
        if let Some(token) = token {
            header("Authorization", token.header.reveal());
        }
        if session.trace {
            trace(self.url, &request);
        }
        let deadline = session.limits.connect.and_then(|limit| Instant::now().checked_add(limit));
        let options = Options {
            max_message: session.limits.max_message,
            ping_interval: Some(PING_INTERVAL),
            ping_timeout: Some(PING_TIMEOUT),
            idle_timeout: session.limits.idle,
            // The sink drops what the reader does not accept, so that pings are always noticed.
            max_backlog: usize::MAX,
            // Servers of these formats have sent protobuf in text frames.
            text_as_binary: true,
            compression: false,
        };
        let shaken = ws::shake(stream, &request, options, deadline);
        if let (Ok(socket), true) = (&shaken, session.trace) {
            report::plain("WEBSOCKET RESPONSE: 101");
            trace_headers(socket.headers().iter().map(as_header));
        }
        shaken.map_err(|failure| match failure {
            ws::Failure::Stopped(stop) => Failure::Stopped(stop),
            ws::Failure::Failed(fault) => Failure::Broken(fault),
            ws::Failure::Refused(refusal) => refused(&refusal, session.trace),
        })
    }

    /// Processes envelopes until the stream ends.
    ///
    /// # Errors
    /// Always: how it ended.
    pub(crate) fn run(&self, session: &Session, mut socket: Open, intake: &mut Intake) -> Failure {
        let mut alive_at = self.keepalive.map(|_| Instant::now());
        let _connected = numbers::Connected::new();
        intake.is_readable = true;
        loop {
            if let (Some(at), Some(period)) = (alive_at, self.keepalive)
                && Instant::now() >= at
            {
                socket.send(&Message { kind: Kind::Text, data: Bytes::from_static(KEEP_ALIVE) });
                alive_at = Instant::now().checked_add(period);
            }
            let wake_at = alive_at.into_iter().chain(intake.looks_again_at()).min();
            let received = socket.receive(session.sink.lock().backlog(), None, wake_at);
            let outcome = match received {
                Ok(Received::Message(_)) => self.take(session, socket.take_data(), intake),
                Ok(Received::Closed(closed)) => return self.ended(&closed),
                Ok(Received::Input | Received::Sent | Received::Deadline) => Ok(()),
                Err(stop) => Err(stop),
            };
            let looked = self.past.map_or(Ok(()), |past| past.fill_again(session, intake));
            if let Err(stop) = outcome.and(looked) {
                return self.leave(session, socket, stop, intake);
            }
        }
    }

    /// Collects envelopes until the stream ends.
    ///
    /// # Errors
    /// Always: how it ended.
    pub(crate) fn gather(&self, session: &Session, mut socket: Open, to: &mut Recent) -> Failure {
        loop {
            let received = socket.receive(session.sink.lock().backlog(), None, None);
            match received {
                Ok(Received::Message(_)) => {
                    let data = socket.take_data();
                    let len = data.len();
                    match (self.decode)(data).map(|envelope| to.push(envelope, len)) {
                        Ok(Ok(())) => {}
                        Ok(Err(full)) => return Failure::broken(FaultKind::Other, full),
                        Err(unreadable) => self.skip(session, &unreadable),
                    }
                }
                Ok(Received::Closed(closed)) => return self.ended(&closed),
                Ok(Received::Input | Received::Sent | Received::Deadline) => {}
                Err(stop) => return Failure::Stopped(stop),
            }
        }
    }

    /// Interprets the end of the stream.
    fn ended(&self, closed: &ws::Closed) -> Failure {
        let in_order = matches!(closed.code, 1000 | 1005);
        let again = matches!(closed.code, 1001 | 1006 | 1011 | 1012 | 1013 | 1014);
        Failure::Ended {
            how: shown(closed.to_string().as_bytes()),
            in_order,
            again: again || (in_order && !self.has_end),
        }
    }

    fn skip(&self, session: &Session, unreadable: &Unreadable) {
        session.sink.lock().skip(format_args!("{}: {unreadable}", endpoint::shown(self.url)));
    }

    fn take(&self, session: &Session, data: Bytes, intake: &mut Intake) -> Result<(), Stop> {
        match (self.decode)(data) {
            Ok(envelope) => intake.push(&session.sink, envelope),
            Err(unreadable) => {
                self.skip(session, &unreadable);
                Ok(())
            }
        }
    }

    /// Closes the connection, and processes what the server sends before its own close.
    fn leave(
        &self,
        session: &Session,
        mut socket: Open,
        stop: Stop,
        intake: &mut Intake,
    ) -> Failure {
        let is_signal = matches!(stop, Stop::Signal(_));
        socket.close(1000, "");
        let closed = loop {
            let received = socket.receive(session.sink.lock().backlog(), None, None);
            match received {
                Ok(Received::Closed(closed)) => break closed,
                Ok(Received::Message(_)) if is_signal => {
                    // The end is near anyway; the flush reports what could not be written.
                    let _ = self.take(session, socket.take_data(), intake);
                }
                Ok(_) => {}
                Err(stop) => return Failure::Stopped(stop),
            }
        };
        report::debug(format_args!("{}: {closed}", endpoint::shown(self.url)));
        Failure::Stopped(signal::pending().map_or(stop, Stop::Signal))
    }
}

/// Interprets an answer that opens no stream.
fn refused(refusal: &Refusal, trace: bool) -> Failure {
    if trace {
        report::plain(format_args!("WEBSOCKET RESPONSE: {} {}", refusal.status, refusal.reason));
        trace_headers(refusal.headers.iter().map(as_header));
    }
    let body = refusal.body.as_bytes();
    let header = refusal.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(ROUTER_ERROR));
    if let (404, Some((_, error))) = (refusal.status, header) {
        return Failure::of_answer(404, Some(error), body, None);
    }
    match refusal.status {
        401 => Failure::of_status(401, body, None),
        400 | 403 | 404 => Failure::of_status(refusal.status, refusal.to_string().as_bytes(), None),
        429 | 500.. => Failure::of_status(
            refusal.status,
            refusal.to_string().as_bytes(),
            refusal.retry_after(),
        ),
        _ => {
            let words = shown(refusal.to_string().as_bytes());
            let fault = Fault::new(FaultKind::Handshake, format_args!("bad handshake: {words}"));
            Failure::Broken(fault.hint(
                "a load balancer may have taken off the Upgrade header, or this is not a log server",
            ))
        }
    }
}

fn trace(url: &Url, request: &Request) {
    report::plain(format_args!("WEBSOCKET REQUEST: GET {url}"));
    let headers = request.headers.iter();
    trace_headers(headers.map(|(name, value)| (name.as_str(), value.as_bytes())));
}

fn as_header((name, value): &(String, String)) -> (&str, &[u8]) {
    (name, value.as_bytes())
}
