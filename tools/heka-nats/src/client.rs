// SPDX-License-Identifier: MIT OR Apache-2.0
//! A connection to a server, which blocks only for connecting and for requests.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use heka_core::cli::SecretJson;
use heka_core::net::{DialError, Dialer, Fault, FaultKind, HostPort, Stream};
use heka_core::os::{Deadline, Wanted, wait_for};
use heka_core::report;
use heka_core::report::words::{CLOSED, NO_ANSWER};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::{Map, Value, json};
use zeroize::Zeroize as _;

use crate::address::Address;
use crate::auth::Credentials;
use crate::protocol::{Finder, Incoming, Said, put_message};

/// Time limit for an answer of the server.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Size of a read.
const READ_SIZE: usize = 64 * 1024;
/// Maximum number of bytes read before they are processed.
const READ_MOST: usize = 16 * READ_SIZE;
/// What helps with a server that does not speak TLS.
const PLAIN: &str = "for a plain connection, use nats:// instead of natss://";

/// A connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: Stream,
    /// Prefix of the subjects for answers, which are distinguished by the part after the last dot.
    inbox: String,
    asked: u64,
    input: Vec<u8>,
    /// Number of bytes consumed.
    start: usize,
    finder: Finder,
    output: Vec<u8>,
    /// Maximum length of a message that the server accepts.
    pub(crate) max_payload: usize,
    /// Time of the last data from the server.
    pub(crate) heard: Instant,
}

impl Client {
    /// Connects to the first server that answers, beginning with number `first`.
    ///
    /// # Errors
    /// The last failure; the others are reported.
    pub(crate) fn connect(
        dialer: &Dialer,
        address: &Address,
        credentials: &Credentials,
        first: usize,
    ) -> Result<Self, DialError> {
        let hosts = &address.hosts;
        let mut outcome = Err(DialError::failed("no host"));
        for index in 0..hosts.len() {
            let Some(host) = hosts.get((first + index) % hosts.len()) else { break };
            outcome = Self::open(dialer, address, host, credentials).map_err(|error| match error {
                _ if hosts.len() > 1 => error.at(host),
                error => error,
            });
            match &outcome {
                Ok(_) => report::note(format_args!("{host}: connected")),
                Err(DialError::Failed(Fault { cause, .. })) => report::debug(cause),
                Err(DialError::Stopped(_)) => {}
            }
            if matches!(outcome, Ok(_) | Err(DialError::Stopped(_))) {
                break;
            }
        }
        outcome
    }

    fn open(
        dialer: &Dialer,
        address: &Address,
        host: &HostPort,
        credentials: &Credentials,
    ) -> Result<Self, DialError> {
        let deadline = dialer.settings.connect_timeout.map(|limit| Instant::now() + limit);
        let socket = dialer.dial_tcp(host)?;
        let mut stream = Stream::plain(socket);
        stream.set_nonblocking(true)?;
        let mut input = Vec::new();
        let info = read_info(&mut stream, &mut input, deadline)?;
        let is_set = |name: &str| info.get(name).and_then(Value::as_bool).unwrap_or(false);
        if is_set("tls_required") || address.is_tls {
            if !is_set("tls_required") && !is_set("tls_available") {
                return Err(DialError::of(FaultKind::NotTls, "the server does not speak TLS"));
            }
            refuse_clear_text(&input)?;
            let socket = stream.socket().try_clone()?;
            let shaken = dialer.tls.handshake(socket, &host.host, deadline);
            stream = shaken.map_err(|error| error.with_hint(FaultKind::NotTls, PLAIN))?;
            stream.set_nonblocking(true)?;
        }
        let max_payload = info.get("max_payload").and_then(Value::as_u64).unwrap_or(1 << 20);
        let mut client = Self {
            stream,
            inbox: address.inbox.clone(),
            asked: 0,
            input,
            start: 0,
            finder: Finder::default(),
            output: Vec::new(),
            max_payload: usize::try_from(max_payload).unwrap_or(usize::MAX),
            heard: Instant::now(),
        };
        client.introduce(&info, credentials);
        let outcome = client.await_pong(deadline);
        client.output.zeroize();
        outcome.map(|()| client)
    }

    fn introduce(&mut self, info: &Value, credentials: &Credentials) {
        let mut connect = Map::new();
        for (name, value) in [
            ("verbose", json!(false)),
            ("pedantic", json!(false)),
            ("headers", json!(true)),
            ("no_responders", json!(true)),
            ("protocol", json!(1)),
            ("lang", json!("rust")),
            ("version", json!(env!("CARGO_PKG_VERSION"))),
            ("name", json!("heka-nats")),
            ("tls_required", json!(self.stream.is_tls())),
        ] {
            connect.insert(name.to_owned(), value);
        }
        credentials.put(&mut connect, info.get("nonce").and_then(Value::as_str).unwrap_or(""));
        let connect = SecretJson::from(Value::Object(connect)).to_line().unwrap_or_default();
        let rest = format!("\r\nSUB {}.* 1\r\nPING\r\n", self.inbox);
        // Allocated at once, so that no copy of a secret is left behind.
        self.output = [&b"CONNECT "[..], connect.as_slice(), rest.as_bytes()].concat();
    }

    /// Waits until the server has processed everything sent before.
    ///
    /// # Errors
    /// If it breaks the connection, or takes too long.
    pub(crate) fn await_pong(&mut self, deadline: Deadline) -> Result<(), DialError> {
        loop {
            self.flush()?;
            let mut is_there = false;
            self.each_said(|said, _| is_there |= matches!(said, Said::Pong))?;
            if is_there {
                return Ok(());
            }
            self.await_more(deadline)?;
        }
    }

    /// Like [`Client::await_pong`], after a signal.
    pub(crate) fn await_pong_quietly(&mut self, until: Instant) -> Result<(), DialError> {
        let mut is_there = false;
        while !is_there && Instant::now() < until {
            self.flush()?;
            self.each_said(|said, _| is_there |= matches!(said, Said::Pong))?;
            if !is_there {
                let flags = self.wanted().1;
                let mut fds = [PollFd::new(self.stream.as_fd(), flags)];
                let _ready = poll(&mut fds, PollTimeout::from(20_u8));
                self.fill()?;
            }
        }
        Ok(())
    }

    fn await_more(&mut self, deadline: Deadline) -> Result<(), DialError> {
        let mut wanted = PollFlags::POLLIN;
        wanted.set(PollFlags::POLLOUT, self.has_output());
        if !wait_for(self.stream.as_fd(), wanted, deadline)? {
            return Err(DialError::of(FaultKind::Timeout, NO_ANSWER));
        }
        self.fill()
    }

    /// Sends a request to the server, and waits for the answer.
    ///
    /// # Errors
    /// If there is none, or the connection breaks.
    pub(crate) fn ask(&mut self, subject: &str, question: &Value) -> Result<Value, DialError> {
        self.asked += 1;
        let reply = self.reply_to(&format!("q{}", self.asked));
        let question = question.to_string();
        put_message(&mut self.output, subject.as_bytes(), &reply, "", question.as_bytes());
        let deadline = Some(Instant::now() + ANSWER_LIMIT);
        loop {
            self.flush()?;
            let mut answer = None;
            self.each(|message, _| {
                if message.subject == reply {
                    let is_nobody = message.status().is_some();
                    answer = Some(if is_nobody { Vec::new() } else { message.payload.to_vec() });
                }
            })?;
            match answer {
                Some(bytes) if bytes.is_empty() => {
                    return Err(DialError::failed("the server has no JetStream"));
                }
                Some(bytes) => {
                    return serde_json::from_slice(&bytes)
                        .map_err(|_| DialError::failed("the server's answer is not JSON"));
                }
                None => self.await_more(deadline)?,
            }
        }
    }

    /// Returns the subject for answers with this name.
    pub(crate) fn reply_to(&self, name: &str) -> String {
        format!("{}.{name}", self.inbox)
    }

    /// Returns the output buffer.
    pub(crate) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    pub(crate) fn has_output(&self) -> bool {
        !self.output.is_empty() || self.stream.wants_write()
    }

    /// Returns the descriptor to wait for.
    pub(crate) fn wanted(&self) -> Wanted<'_> {
        let mut flags = PollFlags::POLLIN;
        flags.set(PollFlags::POLLOUT, self.has_output());
        (self.stream.as_fd(), flags)
    }

    /// Writes as much as the server accepts now.
    ///
    /// # Errors
    /// If the connection is broken.
    pub(crate) fn flush(&mut self) -> Result<(), DialError> {
        let mut done = 0;
        let outcome = loop {
            let rest = self.output.get(done..).unwrap_or_default();
            if rest.is_empty() {
                break self.stream.flush();
            }
            match self.stream.write(rest) {
                Ok(len) => done += len,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.output.drain(..done);
        match outcome {
            Err(error) if error.kind() != ErrorKind::WouldBlock => {
                // The server may have sent the cause before.
                self.fill()?;
                self.each(|_, _| {})?;
                Err(error.into())
            }
            _ => Ok(()),
        }
    }

    /// Reads available data.
    ///
    /// # Errors
    /// If the connection is broken, or has ended. Data received before is kept.
    pub(crate) fn fill(&mut self) -> Result<(), DialError> {
        if self.start == self.input.len() {
            self.input.clear();
            self.start = 0;
        } else if self.start >= READ_MOST {
            self.input.drain(..self.start);
            self.start = 0;
        }
        let limit = self.input.len() + READ_MOST;
        while self.input.len() < limit {
            let len = self.input.len();
            self.input.resize(len + READ_SIZE, 0);
            let read = self.stream.read(self.input.get_mut(len..).unwrap_or_default());
            self.input.truncate(len + read.as_ref().map_or(0, |read| *read));
            match read {
                Ok(0) => {
                    // The cause may precede the end.
                    self.each(|_, _| {})?;
                    return Err(DialError::of(FaultKind::Closed, CLOSED));
                }
                Ok(_) => self.heard = Instant::now(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Passes the received messages to `receive`, with the output buffer for answers.
    ///
    /// # Errors
    /// An error that the server reports.
    pub(crate) fn each(
        &mut self,
        mut receive: impl FnMut(&Incoming<'_>, &mut Vec<u8>),
    ) -> Result<(), DialError> {
        self.each_said(|said, output| {
            if let Said::Message(message) = said {
                receive(message, output);
            }
        })
    }

    fn each_said(
        &mut self,
        mut receive: impl FnMut(&Said<'_>, &mut Vec<u8>),
    ) -> Result<(), DialError> {
        loop {
            let data = self.input.get(self.start..).unwrap_or_default();
            let parsed = self
                .finder
                .next(data, self.max_payload)
                .map_err(|cause| DialError::of(FaultKind::Protocol, cause))?;
            let Some((said, len)) = parsed else { return Ok(()) };
            match said {
                Said::Ping => self.output.extend_from_slice(b"PONG\r\n"),
                Said::Error(words) => {
                    let refused = refused(words);
                    self.start += len;
                    return Err(refused);
                }
                said => receive(&said, &mut self.output),
            }
            self.start += len;
        }
    }
}

/// Creates the failure for a permission error of the server.
fn refused(words: &str) -> DialError {
    let is_login = words.to_ascii_lowercase().starts_with("authorization");
    let fault = Fault::new(FaultKind::Authentication, words);
    DialError::Failed(match is_login {
        true => fault.hint("--user with --password-file, --creds or --nkey"),
        false => fault,
    })
}

/// Refuses what arrived between INFO and TLS, such as an error of the server: anyone on the way may have
/// added it, and it would count as received over TLS.
fn refuse_clear_text(rest: &[u8]) -> Result<(), DialError> {
    if rest.is_empty() {
        return Ok(());
    }
    let start = rest.get(..rest.len().min(80)).unwrap_or_default().trim_ascii();
    let text = String::from_utf8_lossy(start);
    Err(DialError::of(FaultKind::Protocol, format_args!("clear text where TLS begins: {text:?}")))
}

/// Reads the server's INFO, without waiting for more than that.
fn read_info(
    stream: &mut Stream,
    input: &mut Vec<u8>,
    deadline: Deadline,
) -> Result<Value, DialError> {
    let mut finder = Finder::default();
    loop {
        if let Some((said, len)) =
            finder.next(input, 0).map_err(|cause| DialError::of(FaultKind::Protocol, cause))?
        {
            let Said::Info(info) = said else {
                return Err(DialError::of(FaultKind::Protocol, "not a NATS server"));
            };
            let info = serde_json::from_slice(info);
            input.drain(..len);
            return info.map_err(|_| DialError::of(FaultKind::Protocol, "not a NATS server"));
        }
        if !wait_for(stream.as_fd(), PollFlags::POLLIN, deadline)? {
            return Err(DialError::of(FaultKind::Timeout, NO_ANSWER));
        }
        let mut block = [0; 4096];
        match stream.read(&mut block) {
            Ok(0) => {
                return Err(DialError::of(FaultKind::Closed, CLOSED));
            }
            Ok(len) => input.extend_from_slice(block.get(..len).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
}
