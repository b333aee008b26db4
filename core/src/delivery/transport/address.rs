// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the addresses of all brokers have in common.

use crate::net::HostPort;

/// What a message of the broker holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One message, bare, as Heka's outputs wrote them.
    Protobuf,
    /// Whole frames, one or more.
    Framed,
    /// The payload of one message.
    Payload,
}

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

/// Reads `HOST[:PORT][,…]`.
///
/// # Errors
/// Words on what is wrong.
pub fn parse_hosts(text: &str, port: u16) -> Result<Vec<HostPort>, String> {
    text.split(',').map(|host| parse_host(host, port)).collect()
}

fn parse_host(text: &str, port: u16) -> Result<HostPort, String> {
    if text.is_empty() {
        return Err("expected HOST or HOST:PORT".to_owned());
    }
    let has_port = text.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    if has_port { HostPort::parse(text) } else { HostPort::parse(&format!("{text}:{port}")) }
}

/// Reads the value of `form`.
///
/// # Errors
/// Words on what is wrong.
pub fn parse_form(value: &str) -> Result<Form, String> {
    match value {
        "protobuf" => Ok(Form::Protobuf),
        "framed" => Ok(Form::Framed),
        "payload" => Ok(Form::Payload),
        _ => Err("expected protobuf, framed or payload".to_owned()),
    }
}

/// Reads the value of an option that is on or off; without a value it is on.
///
/// # Errors
/// Words on what is wrong.
pub fn parse_switch(value: &str) -> Result<bool, String> {
    match value {
        "" | "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("expected on or off".to_owned()),
    }
}

/// Reads the value of `from`.
///
/// # Errors
/// Words on what is wrong.
pub fn parse_from(value: &str) -> Result<From, String> {
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
