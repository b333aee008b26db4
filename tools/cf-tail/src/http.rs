// SPDX-License-Identifier: MIT OR Apache-2.0
//! HTTP requests: ureq's protocol over the tools' own connections, so that proxies, TLS, time
//! limits and signals work as everywhere, and output continues while waiting for a server.

use std::cell::Cell;
use std::io::Read;
use std::time::Duration;

use heka_core::net::retry_after;
use heka_core::report::{self, Stop};
use ureq::http::{HeaderMap, Response, header};
use ureq::{Agent, Body, BodyReader};
use url::Url;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::secret::Secret;
use crate::token::Token;
use crate::wire::{Anywhere, Line, Wires};

/// Maximum size of a document in bytes.
const MAX_DOCUMENT: u64 = 64 << 20;
/// Header by which the platform's router says that the response is its own.
pub(crate) const ROUTER_ERROR: &str = "x-cf-routererror";
/// Maximum number of redirects, only within the same server.
const MAX_REDIRECTS: usize = 5;

/// Makes requests.
#[derive(Debug)]
pub(crate) struct Http {
    agent: Agent,
    /// Uses each connection once: a request that must not be repeated cannot be made on a
    /// connection that the server may be closing.
    once: Agent,
    line: Line,
    /// Time limit for a request and its whole response.
    limit: Option<Duration>,
    trace: bool,
    has_answered: Cell<bool>,
    /// Difference between the server's clock and the local one, in nanoseconds.
    ahead: Cell<i64>,
}

/// A response whose body has not been read.
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    headers: HeaderMap,
    body: BodyReader<'static>,
    line: Line,
}

impl Http {
    /// Creates a client over `line`. A response must begin within `patience` and, unless it is a
    /// stream, be complete within `limit`.
    pub(crate) fn new(
        line: Line,
        patience: Option<Duration>,
        limit: Option<Duration>,
        trace: bool,
    ) -> Self {
        let agent = |idle| {
            let config = Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .user_agent(concat!("cf-tail/", env!("CARGO_PKG_VERSION")))
                .accept("*/*")
                .timeout_recv_response(patience)
                .max_idle_connections(idle)
                .max_idle_connections_per_host(1)
                .build();
            Agent::with_parts(config, Wires(line.clone()), Anywhere)
        };
        let (agent, once) = (agent(3), agent(0));
        let (has_answered, ahead) = (Cell::new(false), Cell::new(0));
        Self { agent, once, line, limit, trace, has_answered, ahead }
    }

    /// Requests a document. A redirect is followed only within the server, so that nobody else gets
    /// the token.
    ///
    /// # Errors
    /// If there is no response.
    pub(crate) fn get(
        &self,
        url: &Url,
        token: Option<&Token>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        self.get_within(self.limit, url, token, headers)
    }

    /// Requests a stream in the same way.
    ///
    /// # Errors
    /// If there is no response.
    pub(crate) fn get_stream(
        &self,
        url: &Url,
        token: Option<&Token>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        self.get_within(None, url, token, headers)
    }

    fn get_within(
        &self,
        limit: Option<Duration>,
        url: &Url,
        token: Option<&Token>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        let mut url = url.clone();
        for _ in 0..MAX_REDIRECTS {
            let answer = match self.get_once(limit, &url, token, headers) {
                // A server may close an idle connection just when it is reused.
                Err(Failure::Broken(_)) if self.has_answered.take() => {
                    self.get_once(limit, &url, token, headers)?
                }
                outcome => outcome?,
            };
            let Some(next) = redirect(&url, &answer)? else { return Ok(answer) };
            url = next;
        }
        Err(Failure::BadResponse("too many redirects".to_owned()))
    }

    fn get_once(
        &self,
        limit: Option<Duration>,
        url: &Url,
        token: Option<&Token>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        let mut request = self.agent.get(url.as_str()).config().timeout_global(limit).build();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, token.header.reveal());
        }
        self.trace_request("GET", url, headers, token.is_some());
        self.answer(request.call())
    }

    /// Sends a form. `basic` is a name and a password.
    ///
    /// # Errors
    /// If there is no response.
    pub(crate) fn post_form(
        &self,
        url: &Url,
        basic: Option<(&str, &str)>,
        fields: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        let request = self.once.post(url.as_str()).config().timeout_global(self.limit).build();
        let mut request = request.header(header::ACCEPT, "application/json");
        if let Some((name, password)) = basic {
            let both = Zeroizing::new([name, ":", password].concat());
            let encoded = Zeroizing::new(data_encoding::BASE64.encode(both.as_bytes()));
            let secret = Secret::new(["Basic ", &encoded].concat());
            request = request.header(header::AUTHORIZATION, secret.reveal());
        }
        self.trace_request("POST", url, &[], basic.is_some());
        self.answer(request.send_form(fields.iter().copied()))
    }

    /// Returns the difference between the platform's clock and the local one, in nanoseconds, as
    /// far as its responses show it.
    pub(crate) fn ahead(&self) -> i64 {
        self.ahead.get()
    }

    /// Takes the signal, or the end of the output, that interrupted a read.
    pub(crate) fn take_stop(&self) -> Option<Stop> {
        match self.line.take_trouble() {
            Some(Failure::Stopped(stop)) => Some(stop),
            _ => None,
        }
    }

    /// Returns the cause of an error while reading a body.
    pub(crate) fn explain_io(&self, error: &std::io::Error) -> Failure {
        self.line.explain_io(error)
    }

    fn answer(&self, outcome: Result<Response<Body>, ureq::Error>) -> Result<Answer, Failure> {
        let response = outcome.map_err(|error| self.line.explain(&error))?;
        let status = response.status().as_u16();
        let date = response.headers().get(header::DATE).and_then(|date| date.to_str().ok());
        if let Some(date) = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()) {
            // The time has no fraction: anything within the same second is not in the future.
            let end = date.timestamp().as_nanosecond() + 999_999_999;
            let ahead = end - i128::from(heka_core::os::clock::now_ns());
            self.ahead.set(i64::try_from(ahead).unwrap_or(0));
        }
        self.has_answered.set(true);
        if self.trace {
            report::plain(format_args!("RESPONSE: {}", response.status()));
            let headers = response.headers().iter();
            trace_headers(headers.map(|(name, value)| (name.as_str(), value.as_bytes())));
        }
        let (parts, body) = response.into_parts();
        let body = body.into_with_config().limit(u64::MAX).reader();
        Ok(Answer { status, headers: parts.headers, body, line: self.line.clone() })
    }

    fn trace_request(&self, method: &str, url: &Url, headers: &[(&str, &str)], private: bool) {
        if self.trace {
            report::plain(format_args!("REQUEST: {method} {url}"));
            headers.iter().for_each(|(name, value)| report::plain(format_args!("{name}: {value}")));
            if private {
                report::plain("authorization: [PRIVATE DATA HIDDEN]");
            }
        }
    }
}

/// Shows the headers of a request or response, except the values of those with secrets.
pub(crate) fn trace_headers<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>) {
    const PRIVATE: [&str; 3] = ["authorization", "cookie", "set-cookie"];
    for (name, value) in headers {
        let value = match PRIVATE.iter().any(|private| name.eq_ignore_ascii_case(private)) {
            true => "[PRIVATE DATA HIDDEN]".to_owned(),
            false => crate::failure::shown(value),
        };
        report::plain(format_args!("{name}: {value}"));
    }
}

/// Returns the target of a redirect.
fn redirect(from: &Url, answer: &Answer) -> Result<Option<Url>, Failure> {
    if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = answer.header("location") else { return Ok(None) };
    let to =
        from.join(&location).map_err(|error| Failure::BadResponse(format!("redirect: {error}")))?;
    if to.origin() != from.origin() {
        let host = to.host_str().unwrap_or_default().to_owned();
        return Err(Failure::BadResponse(format!(
            "redirects to another server ({host}), which must not see the token"
        )));
    }
    Ok(Some(to))
}

impl Answer {
    /// Returns a header, if it exists and is text.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    }

    /// Whether the platform's router responded, for lack of a server.
    pub(crate) fn is_of_router(&self) -> bool {
        self.headers.contains_key(ROUTER_ERROR)
    }

    /// Returns the delay that the server asks for.
    fn retry_after(&self) -> Option<Duration> {
        retry_after(&self.header("retry-after")?)
    }

    /// Reads the body.
    ///
    /// # Errors
    /// If it breaks off, or is too large for a document.
    pub(crate) fn read(mut self) -> Result<Vec<u8>, Failure> {
        // A token is within this size: its answer is not copied while it is read.
        let mut bytes = Vec::with_capacity(64 << 10);
        let read = (&mut self.body).take(MAX_DOCUMENT + 1).read_to_end(&mut bytes);
        read.map_err(|error| self.line.explain_io(&error))?;
        if bytes.len() as u64 > MAX_DOCUMENT {
            return Err(Failure::BadResponse("an answer of more than 64 MiB".to_owned()));
        }
        Ok(bytes)
    }

    /// Returns the body, to be read as it arrives.
    pub(crate) fn into_body(self) -> BodyReader<'static> {
        self.body
    }

    /// Returns itself if its status is 200.
    ///
    /// # Errors
    /// The meaning of any other status.
    pub(crate) fn accepted(self) -> Result<Self, Failure> {
        if self.status == 200 {
            return Ok(self);
        }
        let (status, after) = (self.status, self.retry_after());
        let router_error = self.header(ROUTER_ERROR);
        let body = self.read().unwrap_or_default();
        Err(Failure::of_answer(status, router_error.as_deref(), &body, after))
    }
}
