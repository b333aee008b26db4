// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the URL to an open WebSocket: connecting, TLS, the opening request, redirects.

use std::time::{Duration, Instant};

use heka_core::net::tls::Client;
use heka_core::net::ws::{Endpoint, Failure, Refusal, Socket, shake};
use heka_core::net::{Addr, DialError, Dialer, Fault, FaultKind, Stream};
use heka_core::os::Deadline;
use heka_core::report::{self, Stop};

use crate::cli::Plan;

/// Connects to the server with the same settings each time.
#[derive(Debug)]
pub(crate) struct Connector {
    dialer: Dialer,
}

/// The reason for a failed attempt; a retry may succeed.
#[derive(Debug)]
pub(crate) struct Unconnected {
    pub(crate) fault: Fault,
    /// The delay that the server asked for.
    pub(crate) retry_after: Option<Duration>,
}

impl From<Fault> for Unconnected {
    fn from(fault: Fault) -> Self {
        Self { fault, retry_after: None }
    }
}

/// The result of an attempt: the end of the tool, a connection, or a failure.
pub(crate) type Attempt<T> = Result<Result<T, Unconnected>, Stop>;

impl Connector {
    /// Reads the files for TLS, so that an unusable one is reported before anything else.
    pub(crate) fn new(plan: &mut Plan) -> Result<Self, Stop> {
        let tls = Client::new(std::mem::take(&mut plan.tls));
        if matches!(plan.endpoint.addr, Addr::Tls(_)) {
            tls.config()?;
        }
        Ok(Self { dialer: Dialer { settings: plan.settings.clone(), tls } })
    }

    /// Connects, following redirects within the limit.
    pub(crate) fn connect(&self, plan: &Plan) -> Attempt<Socket<Stream>> {
        let mut endpoint = plan.endpoint.clone();
        let mut left = plan.redirects;
        loop {
            let refusal = match self.open(plan, &endpoint)? {
                Ok(socket) => return Ok(Ok(socket)),
                Err(Refused::Not(unconnected)) => return Ok(Err(unconnected)),
                Err(Refused::By(refusal)) => refusal,
            };
            let next = refusal.location().map(|location| plan.follow(&endpoint, location));
            match next {
                Some(Ok(next)) if left > 0 => {
                    left -= 1;
                    report::note(format_args!("{}: redirects to {}", endpoint.shown, next.shown));
                    endpoint = next;
                }
                next => return Ok(Err(refused(plan, &refusal, next))),
            }
        }
    }

    fn open(
        &self,
        plan: &Plan,
        endpoint: &Endpoint,
    ) -> Result<Result<Socket<Stream>, Refused>, Stop> {
        let plain = "for a plain connection, use ws:// instead of wss://";
        let dialed = self.dial(plan, endpoint);
        let stream = match dialed.map_err(|error| error.with_hint(FaultKind::NotTls, plain)) {
            Ok(stream) => stream,
            Err(DialError::Stopped(stop)) => return Err(stop),
            Err(DialError::Failed(fault)) => return Ok(Err(Refused::Not(fault.into()))),
        };
        let stranger = !endpoint.is_same_server(&plan.endpoint);
        let request = plan.headers.request(endpoint, stranger);
        match shake(stream, &request, plan.options, self.deadline()) {
            Ok(socket) => Ok(Ok(socket)),
            Err(Failure::Stopped(stop)) => Err(stop),
            Err(Failure::Refused(refusal)) => Ok(Err(Refused::By(refusal))),
            Err(Failure::Failed(fault)) => Ok(Err(Refused::Not(fault.into()))),
        }
    }

    fn dial(&self, plan: &Plan, endpoint: &Endpoint) -> Result<Stream, DialError> {
        let Some(name) = &plan.unix else {
            return self.dialer.dial(&endpoint.addr);
        };
        let socket = self.dialer.dial_unix(name, socket2::Type::STREAM)?;
        match &endpoint.addr {
            Addr::Tls(at) => self.dialer.tls.handshake(socket, &at.host, self.deadline()),
            _ => Ok(Stream::plain(socket)),
        }
    }

    fn deadline(&self) -> Deadline {
        self.dialer.settings.connect_timeout.map(|limit| Instant::now() + limit)
    }
}

impl Plan {
    /// Returns the target of a redirect, if it may be followed.
    fn follow(&self, from: &Endpoint, location: &str) -> Result<Endpoint, String> {
        let next = from.join(location)?;
        if (self.stdin || !self.init.is_empty()) && !next.is_same_server(&self.endpoint) {
            // They often contain tokens.
            return Err("another server does not get what -p, --init-file and --stdin send; \
                        if it may, name its URL"
                .to_owned());
        }
        Ok(next)
    }
}

enum Refused {
    By(Box<Refusal>),
    Not(Unconnected),
}

fn refused(plan: &Plan, refusal: &Refusal, next: Option<Result<Endpoint, String>>) -> Unconnected {
    let hint = match (next, refusal.status) {
        (Some(Err(words)), _) => Some(format!("the redirect was not followed: {words}")),
        (Some(Ok(_)), _) if plan.redirects == 0 => Some("--location 5 follows it".to_owned()),
        (Some(Ok(_)), _) => Some(format!("more than {} redirects", plan.redirects)),
        (None, 401) => Some("--user and --bearer-file authenticate".to_owned()),
        _ => None,
    };
    let rest = refusal.body.trim_end();
    if !rest.is_empty() {
        report::note(format_args!("{}: the answer's body: {rest}", plan.endpoint.shown));
    }
    let kind = match refusal.status {
        401 | 403 | 407 => FaultKind::Authentication,
        _ => FaultKind::Handshake,
    };
    let fault = Fault { hint, ..Fault::new(kind, refusal) };
    Unconnected { fault, retry_after: refusal.retry_after() }
}
