// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the addresses of all brokers have in common.

use std::path::PathBuf;

use super::Form;
use crate::net::HostPort;

/// Where reading begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// Where the reader before us has got to.
    Stored,
    /// At the first message that there is.
    Begin,
    /// Only what comes from now on.
    End,
    /// At the message with that number.
    Number(u64),
    /// This many before the end.
    Last(u64),
    /// RFC 3339.
    Time(String),
}

/// What addresses of a broker look like.
#[derive(Clone, Copy, Debug)]
pub struct Scheme {
    /// `nats`, which is `natss` with TLS.
    pub name: &'static str,
    /// The port by default.
    pub port: u16,
    /// What is behind the hosts: a topic, a subject.
    pub place: &'static str,
    /// The flags that replace a password in an address.
    pub login: &'static str,
}

/// `SCHEME://HOST[:PORT][,…]/PLACE[?OPTION=VALUE&…]` in its parts.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    /// Whether the connection has TLS.
    pub is_tls: bool,
    /// The servers.
    pub hosts: Vec<HostPort>,
    /// Topic or subject.
    pub place: &'a str,
    /// The options, encoded as in any URL.
    pub query: &'a str,
}

impl Scheme {
    /// Takes an address apart.
    ///
    /// # Errors
    /// Words on what is wrong.
    pub fn parse<'a>(&self, text: &'a str) -> Result<Parts<'a>, String> {
        let Self { name, port, place: noun, login } = *self;
        let upper = noun.to_uppercase();
        let (is_tls, rest) = match text.strip_prefix(name) {
            Some(rest) if rest.starts_with("://") => (false, rest.get(3..)),
            Some(rest) => (true, rest.strip_prefix("s://")),
            None => (false, None),
        };
        let rest =
            rest.ok_or_else(|| format!("expected {name}://HOST[:PORT]/{upper} or {name}s://…"))?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, place) = place.split_once('/').unwrap_or((place, ""));
        if hosts.contains('@') {
            return Err(format!("a password in an address is visible to other users: {login}"));
        }
        let hosts =
            hosts.split(',').map(|host| parse_host(host, port)).collect::<Result<_, _>>()?;
        if place.is_empty() || place.contains(char::is_whitespace) {
            return Err(format!("expected a {noun} behind the host: {name}://HOST/{upper}"));
        }
        Ok(Parts { is_tls, hosts, place, query })
    }
}

/// Options that all brokers have.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What a message of the broker holds.
    pub form: Option<Form>,
    /// Where reading begins.
    pub from: Option<From>,
    /// Messages say where they were.
    pub origin: bool,
    /// A user.
    pub user: Option<String>,
    /// The file with their password.
    pub password_file: Option<PathBuf>,
    /// The file of certificates to trust.
    pub ca_file: Option<PathBuf>,
    /// The file of our own certificate.
    pub cert: Option<PathBuf>,
}

impl Options {
    /// Takes an option; `false` if it is none of these.
    ///
    /// # Errors
    /// Words on what is wrong.
    pub fn set(&mut self, name: &str, value: &str) -> Result<bool, String> {
        match name {
            "form" => self.form = Some(Form::parse(value)?),
            "from" => self.from = Some(parse_from(value)?),
            "origin" => self.origin = parse_switch(value)?,
            "user" => self.user = Some(parse_text(value)?),
            "password-file" => self.password_file = Some(parse_path(value)?),
            "ca-file" => self.ca_file = Some(parse_path(value)?),
            "cert" => self.cert = Some(parse_path(value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Whether reading begins where somebody else remembers.
    pub fn begins_where_stored(&self) -> bool {
        matches!(self.from, None | Some(From::Stored))
    }

    /// An option that nothing would come of is a mistake. `writing` and `reading` are those of this
    /// broker, each with whether it was given.
    ///
    /// # Errors
    /// Words on what is wrong.
    pub fn check(
        &self,
        reads: bool,
        writing: &[(&str, bool)],
        reading: &[(&str, bool)],
    ) -> Result<(), String> {
        let common_writing = [("form", self.form.is_some())];
        let common_reading = [("from", self.from.is_some()), ("origin", self.origin)];
        let (common, own, other) = match reads {
            true => (&common_writing[..], writing, "writing"),
            false => (&common_reading[..], reading, "reading"),
        };
        match common.iter().chain(own).find(|(_, is_given)| *is_given) {
            Some((name, _)) => Err(format!("{name}= in an address is for {other}")),
            None => Ok(()),
        }
    }
}

/// Reads a value that is any text but none.
///
/// # Errors
/// There is none.
pub fn parse_text(value: &str) -> Result<String, String> {
    if value.is_empty() { Err("expected a value".to_owned()) } else { Ok(value.to_owned()) }
}

/// Reads the name of a file.
///
/// # Errors
/// There is none.
pub fn parse_path(value: &str) -> Result<PathBuf, String> {
    parse_text(value).map(PathBuf::from)
}

fn parse_host(text: &str, port: u16) -> Result<HostPort, String> {
    if text.is_empty() {
        return Err("expected HOST or HOST:PORT".to_owned());
    }
    let has_port = text.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    if has_port { HostPort::parse(text) } else { HostPort::parse(&format!("{text}:{port}")) }
}

/// Reads the value of an option that is on or off; without a value it is on.
fn parse_switch(value: &str) -> Result<bool, String> {
    match value {
        "" | "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("expected on or off".to_owned()),
    }
}

/// Reads the value of `from`.
fn parse_from(value: &str) -> Result<From, String> {
    let wrong = || "expected stored, begin, end, N, -N or @TIME".to_owned();
    match value {
        "stored" => Ok(From::Stored),
        "begin" => Ok(From::Begin),
        "end" => Ok(From::End),
        _ => match (value.strip_prefix('-'), value.strip_prefix('@')) {
            (Some(last), _) => last.parse().map(From::Last).map_err(|_| wrong()),
            (_, Some(time)) if !time.is_empty() => Ok(From::Time(time.to_owned())),
            _ => value.parse().map(From::Number).map_err(|_| wrong()),
        },
    }
}
