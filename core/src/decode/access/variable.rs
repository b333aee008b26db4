// SPDX-License-Identifier: MIT OR Apache-2.0
//! The elements of an access log line: nginx's variables, Apache's directives.

use super::super::cause::Cause;
use super::super::readers::{Readers, Target, typed};
use super::time::{Assembly, Role, Stamp};
use crate::wire::{Value, ValueType};

/// The target of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    Time(Stamp),
    Host,
    Pid,
    Request,
    Address(Vec<u8>),
    Number(Vec<u8>, ValueType, &'static [u8]),
    Text(Vec<u8>),
}

impl Variable {
    /// Returns the length of the value at the front.
    #[inline]
    pub(super) fn end(&self, rest: &[u8], behind: &[u8]) -> Option<usize> {
        let Some(&first) = behind.first() else { return Some(rest.len()) };
        let mut from = 0;
        if let Self::Time(Stamp { skips, .. }) = self {
            for _ in 0..*skips {
                from += memchr::memchr(first, rest.get(from..)?)? + 1;
                let blanks = rest.get(from..)?.iter().take_while(|next| **next == b' ').count();
                from += if first == b' ' { blanks } else { 0 };
            }
        }
        loop {
            let at = from + memchr::memchr(first, rest.get(from..)?)?;
            let is_escaped = first == b'"' && rest.get(..at).is_some_and(ends_escaped);
            if !is_escaped && rest.get(at..)?.starts_with(behind) {
                return Some(at);
            }
            from = at + 1;
        }
    }

    #[inline]
    pub(super) fn put(
        &self,
        value: &[u8],
        readers: &Readers,
        time: &mut Option<Assembly>,
        target: &mut Target,
    ) -> Result<(), Cause> {
        if value == b"-" {
            return Ok(());
        }
        match self {
            Self::Time(stamp) => match (stamp.role, time) {
                (Role::All, _) => {
                    let header = crate::codec::HeaderName::Timestamp;
                    readers.set(target, header, b"Timestamp", value)?;
                }
                (Role::Part(byte), Some(Assembly { text, .. })) => {
                    if !text.is_empty() {
                        text.push(byte);
                    }
                    text.extend_from_slice(value);
                }
                _ => {}
            },
            Self::Host => target.set_hostname(value)?,
            Self::Pid => target.set_pid(b"pid", value)?,
            Self::Request => put_request(value, target)?,
            Self::Address(name) => {
                let representation = family_of(value);
                target.draft.put_field(name, representation, Value::String(value))?;
            }
            Self::Number(name, value_type, representation) => {
                // Several upstream servers were tried, for example.
                let number = typed(*value_type, value).unwrap_or(Value::String(value));
                target.draft.put_field(name, representation, number)?;
            }
            Self::Text(name) => readers.put(target, name, value)?,
        }
        Ok(())
    }
}

/// Whether `text` ends with an odd number of backslashes.
fn ends_escaped(text: &[u8]) -> bool {
    text.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

/// Splits a request line into three fields.
fn put_request(request: &[u8], target: &mut Target) -> Result<(), Cause> {
    let parts = || {
        let first = memchr::memchr(b' ', request)?;
        let last = memchr::memrchr(b' ', request)?;
        let (method, uri) = (request.get(..first)?, request.get(first + 1..last)?);
        let protocol = request.get(last + 1..)?;
        let is_request =
            method.iter().all(u8::is_ascii_uppercase) && protocol.starts_with(b"HTTP/");
        is_request.then_some((method, uri, protocol))
    };
    match parts() {
        Some((method, uri, protocol)) => {
            target.put(b"request_method", method)?;
            target.put(b"request_uri", uri)?;
            target.put(b"server_protocol", protocol)?;
        }
        None => target.put(b"request", request)?,
    }
    Ok(())
}

/// Returns the representation of an address.
fn family_of(address: &[u8]) -> &'static [u8] {
    if address.contains(&b':') {
        b"ipv6"
    } else if address.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') {
        b"ipv4"
    } else {
        b""
    }
}

/// Returns the target of an nginx variable.
pub(super) fn of_nginx(name: &str) -> Variable {
    let own = name.as_bytes().to_vec();
    match name {
        "time_local" => Variable::Time(Stamp::local()),
        "time_iso8601" => Variable::Time(Stamp::iso8601()),
        "msec" => Variable::Time(Stamp::seconds()),
        "hostname" => Variable::Host,
        "pid" => Variable::Pid,
        "request" => Variable::Request,
        "remote_addr" | "realip_remote_addr" | "server_addr" | "proxy_protocol_addr" => {
            Variable::Address(own)
        }
        "status"
        | "connection"
        | "connection_requests"
        | "remote_port"
        | "server_port"
        | "upstream_status" => Variable::Number(own, ValueType::Integer, b""),
        "body_bytes_sent"
        | "bytes_sent"
        | "bytes_received"
        | "request_length"
        | "content_length"
        | "upstream_response_length" => Variable::Number(own, ValueType::Integer, b"B"),
        "request_time"
        | "upstream_response_time"
        | "upstream_connect_time"
        | "upstream_header_time"
        | "session_time"
        | "connection_time" => Variable::Number(own, ValueType::Double, b"s"),
        "gzip_ratio" => Variable::Number(own, ValueType::Double, b""),
        _ => Variable::Text(own),
    }
}

/// Returns the target of an Apache directive.
pub(super) fn of_apache(directive: char, argument: &str) -> Result<Variable, String> {
    if let Some((name, representation)) = number_of_apache(directive, argument) {
        let name = name.as_bytes().to_vec();
        return Ok(Variable::Number(name, ValueType::Integer, representation));
    }
    let snake = |prefix: &str| {
        let name = argument.to_ascii_lowercase().replace('-', "_");
        Variable::Text(format!("{prefix}{name}").into_bytes())
    };
    let text = |name: &str| Variable::Text(name.as_bytes().to_vec());
    Ok(match directive {
        'h' | 'a' => Variable::Address(b"remote_addr".to_vec()),
        'A' => Variable::Address(b"server_addr".to_vec()),
        'l' => text("remote_logname"),
        'u' => text("remote_user"),
        // A second time: the end of the request.
        't' if argument.starts_with("end:") => text("end_time"),
        't' => Variable::Time(Stamp::of_apache(argument.trim_start_matches("begin:"))),
        'r' => Variable::Request,
        'P' if argument == "tid" || argument == "hextid" => text("tid"),
        'P' => Variable::Pid,
        'v' | 'V' => text("server_name"),
        'm' => text("request_method"),
        'U' => text("uri"),
        'q' => text("args"),
        'H' => text("server_protocol"),
        'f' => text("request_filename"),
        'L' => text("request_id"),
        'R' => text("handler"),
        'X' => text("connection_status"),
        'i' => snake("http_"),
        'o' => snake("sent_http_"),
        'C' => snake("cookie_"),
        'e' | 'n' | 'x' | 'c' => snake(""),
        _ => return Err(format!("unknown directive %{directive}")),
    })
}

/// Returns the name and the representation of a number.
fn number_of_apache(directive: char, argument: &str) -> Option<(&'static str, &'static [u8])> {
    Some(match directive {
        's' => ("status", b""),
        'b' | 'B' => ("body_bytes_sent", b"B"),
        'O' => ("bytes_sent", b"B"),
        'I' => ("request_length", b"B"),
        'S' => ("bytes_total", b"B"),
        'D' => ("request_time", b"us"),
        'T' if argument == "ms" => ("request_time", b"ms"),
        'T' if argument == "us" => ("request_time", b"us"),
        'T' => ("request_time", b"s"),
        'k' => ("connection_requests", b""),
        'p' if argument == "remote" => ("remote_port", b""),
        'p' => ("server_port", b""),
        _ => return None,
    })
}
