// SPDX-License-Identifier: MIT OR Apache-2.0
//! The common parts of broker addresses.

use std::path::PathBuf;

use super::Form;
use crate::net::HostPort;

/// The position at which reading begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// Where the previous reader stopped.
    Stored,
    /// The first available message.
    Begin,
    /// The end: only new messages.
    End,
    /// The message with this number.
    Number(u64),
    /// This many messages before the end.
    Last(u64),
    /// A time in RFC 3339 format.
    Time(String),
}

/// The form of a broker's addresses.
#[derive(Clone, Copy, Debug)]
pub struct Scheme {
    /// The scheme, e.g. `nats`, which becomes `natss` with TLS.
    pub name: &'static str,
    /// The default port.
    pub port: u16,
    /// The kind of name that follows the hosts: a topic, a subject.
    pub place: &'static str,
    /// The flags to use instead of a password in an address.
    pub login: &'static str,
}

/// The parts of `SCHEME://HOST[:PORT][,…]/PLACE[?OPTION=VALUE&…]`.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    /// Whether the connection uses TLS.
    pub is_tls: bool,
    /// The servers.
    pub hosts: Vec<HostPort>,
    /// The topic or subject.
    pub place: &'a str,
    /// The options, URL-encoded.
    pub query: &'a str,
}

impl Scheme {
    /// Splits an address.
    ///
    /// # Errors
    /// A description of what is wrong.
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

    /// Parses the options of an address and returns the common ones. The others are passed to `own`,
    /// which returns `false` if there is no such option.
    ///
    /// # Errors
    /// A description of what is wrong.
    pub fn options(
        &self,
        query: &str,
        mut own: impl FnMut(&str, &str) -> Result<bool, String>,
    ) -> Result<Options, String> {
        let mut options = Options::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let is_known = match options.set(&name, &value) {
                Ok(false) => own(&name, &value),
                common => common,
            };
            match is_known {
                Ok(true) => {}
                Ok(false) => {
                    return Err(format!("{name}={value}: no such option of {}://", self.name));
                }
                Err(words) => return Err(format!("{name}={value}: {words}")),
            }
        }
        Ok(options)
    }
}

/// The options common to all brokers.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The form of a broker's message.
    pub form: Option<Form>,
    /// The position at which reading begins.
    pub from: Option<From>,
    /// Whether messages include their origin.
    pub origin: bool,
    /// The user name.
    pub user: Option<String>,
    /// The file with the password.
    pub password_file: Option<PathBuf>,
    /// The file with certificates to trust.
    pub ca_file: Option<PathBuf>,
    /// The file with the client certificate.
    pub cert: Option<PathBuf>,
}

impl Options {
    /// Sets an option; `false` if it is not a common one.
    fn set(&mut self, name: &str, value: &str) -> Result<bool, String> {
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

    /// Whether reading begins at a stored position.
    pub fn begins_where_stored(&self) -> bool {
        matches!(self.from, None | Some(From::Stored))
    }

    /// Rejects options without effect, and reading without a start. `writing` are this broker's
    /// options for writing, with whether they were given; `reader` is the one with the reader's name,
    /// under which the broker stores what the last part says.
    ///
    /// # Errors
    /// A description of what is wrong.
    pub fn check(
        &self,
        reads: bool,
        writing: &[(&str, bool)],
        reader: (&str, bool, &str),
    ) -> Result<(), String> {
        let (name, has_name, stored) = reader;
        let common_writing = [("form", self.form.is_some())];
        let reading = [("from", self.from.is_some()), ("origin", self.origin), (name, has_name)];
        let (common, own, other) = match reads {
            true => (&common_writing[..], writing, "writing"),
            false => (&reading[..], &[][..], "reading"),
        };
        if let Some((name, _)) = common.iter().chain(own).find(|(_, is_given)| *is_given) {
            return Err(format!("{name}= in an address is for {other}"));
        }
        if reads && !has_name && self.begins_where_stored() {
            let need = format!("reading needs {name}=NAME, which remembers the {stored}");
            return Err(format!("{need}, or from=begin"));
        }
        Ok(())
    }
}

/// Parses a value that may be any text except the empty one.
///
/// # Errors
/// If the value is empty.
pub fn parse_text(value: &str) -> Result<String, String> {
    if value.is_empty() { Err("expected a value".to_owned()) } else { Ok(value.to_owned()) }
}

/// Parses a file name.
///
/// # Errors
/// If the value is empty.
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

/// Parses the value of a boolean option; without a value it is on.
fn parse_switch(value: &str) -> Result<bool, String> {
    match value {
        "" | "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("expected on or off".to_owned()),
    }
}

/// Parses the value of `from`.
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
