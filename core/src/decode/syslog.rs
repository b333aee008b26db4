// SPDX-License-Identifier: MIT OR Apache-2.0
//! Syslog: RFC 5424 and RFC 3164, and what daemons write to files and to `/dev/log`, with or
//! without priority, host and tag.

use super::cause::Cause;
use super::readers::{Readers, Target};
use super::tokens::{after_blanks, prefixed, word};
use crate::codec::json::number;
use crate::wire::Value;

/// Highest priority: facility 23, severity 7.
const MAX_PRIORITY: i64 = 191;
/// Maximum length of a tag.
const MAX_TAG: usize = 128;
/// Byte order mark, which may precede text in UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Reads a message.
pub(super) fn read(
    record: &[u8],
    readers: &Readers,
    room: &mut Vec<u8>,
    target: &mut Target,
) -> Result<(), Cause> {
    let (priority, rest) = priority(record);
    if let Some(priority) = priority {
        target.set_severity(i32::try_from(priority & 7).unwrap_or_default());
        target.put_integer(b"syslogfacility", priority >> 3)?;
        if let Some(rest) = rest.strip_prefix(b"1 ") {
            return read_new(rest, readers, room, target);
        }
    }
    read_old(rest, priority.is_some(), readers, target)
}

/// Reads a priority such as `<13>` at the front.
fn priority(text: &[u8]) -> (Option<i64>, &[u8]) {
    let found = || {
        let (digits, rest) = prefixed(text.get(..5.min(text.len()))?.strip_prefix(b"<")?, b">")?;
        let value = number::integer(digits).filter(|value| (0..=MAX_PRIORITY).contains(value))?;
        let len = 2 + digits.len();
        let _short = rest;
        Some((value, text.get(len..)?))
    };
    found().map_or((None, text), |(value, rest)| (Some(value), rest))
}

/// Reads an RFC 5424 message after its version: `TIME HOST APP PROCID MSGID [ID NAME="VALUE"…]…
/// MSG`.
fn read_new(
    text: &[u8],
    readers: &Readers,
    room: &mut Vec<u8>,
    target: &mut Target,
) -> Result<(), Cause> {
    let (time, rest) = word(text);
    let (host, rest) = word(rest);
    let (app, rest) = word(rest);
    let (process, rest) = word(rest);
    let (id, rest) = word(rest);
    if id.is_empty() {
        return Err(Cause::new("not a syslog message"));
    }
    if time != b"-" {
        readers.set(target, crate::codec::HeaderName::Timestamp, b"Timestamp", time)?;
    }
    if host != b"-" {
        target.set_hostname(host)?;
    }
    if app != b"-" {
        target.put(b"programname", app)?;
    }
    if process != b"-" {
        target.set_pid(b"procid", process)?;
    }
    if id != b"-" {
        target.put(b"msgid", id)?;
    }
    let message = read_structured(rest, room, target)?;
    let message = message.strip_prefix(b" ").unwrap_or(message);
    target.set_payload(message.strip_prefix(BOM).unwrap_or(message))?;
    Ok(())
}

/// Reads structured data: each parameter becomes a field named `ID.NAME`. Returns the rest.
fn read_structured<'a>(
    text: &'a [u8],
    room: &mut Vec<u8>,
    target: &mut Target,
) -> Result<&'a [u8], Cause> {
    let wrong = || Cause::new("bad structured data");
    if let Some(rest) = text.strip_prefix(b"-") {
        return Ok(rest);
    }
    if text.is_empty() {
        return Ok(text);
    }
    if text.first() != Some(&b'[') {
        return Err(wrong());
    }
    let mut rest = text;
    while let Some(element) = rest.strip_prefix(b"[") {
        let id_end =
            element.iter().position(|byte| matches!(byte, b' ' | b']')).ok_or_else(wrong)?;
        let (id, mut params) = element.split_at(id_end);
        loop {
            params = after_blanks(params);
            if let Some(behind) = params.strip_prefix(b"]") {
                rest = behind;
                break;
            }
            let (name, behind) = prefixed(params, b"=\"").ok_or_else(wrong)?;
            room.clear();
            room.extend_from_slice(id);
            room.push(b'.');
            room.extend_from_slice(name);
            let value_at = room.len();
            params = quoted(behind, room).ok_or_else(wrong)?;
            let (name, value) = room.split_at(value_at);
            target.draft.put_field(name, b"", Value::String(value))?;
        }
    }
    Ok(rest)
}

/// Appends a value up to its closing quote; returns the rest.
fn quoted<'a>(text: &'a [u8], room: &mut Vec<u8>) -> Option<&'a [u8]> {
    let mut rest = text;
    loop {
        let at = memchr::memchr2(b'"', b'\\', rest)?;
        room.extend_from_slice(rest.get(..at)?);
        if rest.get(at) == Some(&b'"') {
            return rest.get(at + 1..);
        }
        match rest.get(at + 1)? {
            byte @ (b'"' | b'\\' | b']') => room.push(*byte),
            other => room.extend_from_slice(&[b'\\', *other]),
        }
        rest = rest.get(at + 2..)?;
    }
}

/// Reads a message of RFC 3164 and its variants: `TIME [HOST] TAG[PID]: MSG`.
fn read_old(
    text: &[u8],
    has_priority: bool,
    readers: &Readers,
    target: &mut Target,
) -> Result<(), Cause> {
    let found = readers.times.read_front(text, target.now);
    let Some((time, rest)) = found else {
        if !has_priority {
            return Err(Cause::new("not a syslog message"));
        }
        let message = put_tag(text, target)?.unwrap_or(text);
        target.set_payload(message)?;
        return Ok(());
    };
    target.set_time(time);
    // Some programs write a colon after the time.
    let rest = after_blanks(rest.strip_prefix(b":").unwrap_or(rest));
    if let Some(message) = put_tag(rest, target)? {
        target.set_payload(message)?;
        return Ok(());
    }
    let (host, rest) = word(rest);
    if !host.is_empty() {
        target.set_hostname(host)?;
    }
    let rest = after_blanks(rest);
    let message = put_tag(rest, target)?.unwrap_or(rest);
    target.set_payload(message)?;
    Ok(())
}

/// Reads `TAG[PID]: `; returns the rest, if there is a tag.
fn put_tag<'a>(text: &'a [u8], target: &mut Target) -> Result<Option<&'a [u8]>, Cause> {
    let is_end = |byte: &u8| matches!(byte, b':' | b'[' | b' ' | b'\n');
    let Some(end) = text.iter().take(MAX_TAG).position(is_end).filter(|end| *end > 0) else {
        return Ok(None);
    };
    let (tag, behind) = text.split_at(end);
    let (pid, behind) = match behind.strip_prefix(b"[") {
        Some(inside) => match prefixed(inside, b"]") {
            Some((pid, behind)) if behind.first() == Some(&b':') || !pid.contains(&b' ') => {
                (Some(pid), behind)
            }
            _ => return Ok(None),
        },
        None => (None, behind),
    };
    let message = match (pid, behind.strip_prefix(b":")) {
        (_, Some(message)) => message,
        (Some(_), None) => behind,
        (None, None) => return Ok(None),
    };
    // An address or a time with colons is not a tag.
    if pid.is_none() && !(message.is_empty() || message.first() == Some(&b' ')) {
        return Ok(None);
    }
    target.put(b"programname", tag)?;
    if let Some(pid) = pid {
        target.set_pid(b"procid", pid)?;
    }
    Ok(Some(message.strip_prefix(b" ").unwrap_or(message)))
}
