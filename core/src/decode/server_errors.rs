// SPDX-License-Identifier: MIT OR Apache-2.0
//! Error logs of nginx and Apache.

use super::cause::Cause;
use super::readers::{Readers, Target};
use super::tokens::{bracketed, find, prefixed};
use crate::codec::json::number;
use crate::codec::{HeaderName, severity};

/// The details of the request that nginx appends to its message.
const DETAILS: [&[u8]; 8] =
    [b"client", b"server", b"request", b"subrequest", b"upstream", b"host", b"referrer", b"unix"];

/// Reads `2006/01/02 15:04:05 [error] 123#456: *7 message, client: 192.0.2.7, server: _`.
pub(super) fn read_nginx(
    record: &[u8],
    readers: &Readers,
    target: &mut Target,
) -> Result<(), Cause> {
    let wrong = || Cause::new("not a line of nginx's error log");
    let (time, rest) = record.split_at_checked(19).ok_or_else(wrong)?;
    let rest = rest.strip_prefix(b" ").ok_or_else(wrong)?;
    let (level, rest) = bracketed(rest, b'[', b']').ok_or_else(wrong)?;
    let severity = severity::named(level).ok_or_else(wrong)?;
    let rest = rest.strip_prefix(b" ").ok_or_else(wrong)?;
    let (pid, rest) = prefixed(rest, b"#").ok_or_else(wrong)?;
    let (tid, mut rest) = prefixed(rest, b": ").ok_or_else(wrong)?;
    readers.set(target, HeaderName::Timestamp, b"Timestamp", time)?;
    target.set_severity(severity);
    target.set_pid(b"pid", pid)?;
    put_number(target, b"tid", tid)?;
    if let Some(numbered) = rest.strip_prefix(b"*")
        && let Some((connection, behind)) = prefixed(numbered, b" ")
    {
        put_number(target, b"connection", connection)?;
        rest = behind;
    }
    let message = find(rest, b", client: ").unwrap_or(rest.len());
    let (message, mut details) = rest.split_at(message);
    target.set_payload(message)?;
    while let Some(behind) = details.strip_prefix(b", ") {
        let Some((name, value)) = prefixed(behind, b": ") else {
            // nginx truncates long lines.
            target.put(b"rest", behind)?;
            break;
        };
        let (value, after) = detail(value);
        target.put(name, value)?;
        details = after;
    }
    Ok(())
}

/// Returns a value in quotes, or up to the next detail.
fn detail(text: &[u8]) -> (&[u8], &[u8]) {
    if let Some((value, rest)) = bracketed(text, b'"', b'"')
        && (rest.is_empty() || rest.starts_with(b", "))
    {
        return (value, rest);
    }
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| find(rest, b", ")) {
        let next = text.get(from + at + 2..).unwrap_or_default();
        let is_detail =
            |name: &&[u8]| next.strip_prefix(*name).is_some_and(|behind| behind.starts_with(b": "));
        if DETAILS.iter().any(is_detail) {
            return text.split_at(from + at);
        }
        from += at + 2;
    }
    (text, &[])
}

/// Reads `[Mon Jan 02 15:04:05.000000 2006] [core:error] [pid 1:tid 2] [client 192.0.2.7:80]
/// message`.
pub(super) fn read_apache(
    record: &[u8],
    readers: &Readers,
    target: &mut Target,
) -> Result<(), Cause> {
    let wrong = || Cause::new("not a line of Apache's error log");
    let (time, mut rest) = bracketed(record, b'[', b']').ok_or_else(wrong)?;
    let mut has_level = false;
    while let Some((part, behind)) =
        rest.strip_prefix(b" ").and_then(|rest| bracketed(rest, b'[', b']'))
    {
        if let Some(ids) = part.strip_prefix(b"pid ") {
            put_ids(target, ids)?;
        } else if let Some(client) = part.strip_prefix(b"client ") {
            target.put(b"client", client)?;
        } else if let Some(remote) = part.strip_prefix(b"remote ") {
            target.put(b"remote", remote)?;
        } else if !has_level {
            let (module, level) = prefixed(part, b":").unwrap_or((b"", part));
            let level = if level.starts_with(b"trace") { b"trace" } else { level };
            target.set_severity(severity::named(level).ok_or_else(wrong)?);
            if !module.is_empty() && module != b"-" {
                target.put(b"module", module)?;
            }
            has_level = true;
        } else {
            break;
        }
        rest = behind;
    }
    if !has_level {
        return Err(wrong());
    }
    readers.set(target, HeaderName::Timestamp, b"Timestamp", time)?;
    target.set_payload(rest.strip_prefix(b" ").unwrap_or(rest))?;
    Ok(())
}

/// Stores the process ID, and the thread ID if present.
fn put_ids(target: &mut Target, ids: &[u8]) -> Result<(), Cause> {
    let (pid, tid) = prefixed(ids, b":tid ").unwrap_or((ids, b""));
    target.set_pid(b"pid", pid)?;
    if tid.is_empty() { Ok(()) } else { put_number(target, b"tid", tid) }
}

fn put_number(target: &mut Target, name: &[u8], text: &[u8]) -> Result<(), Cause> {
    match number::integer(text) {
        Some(number) => target.put_integer(name, number)?,
        None => target.put(name, text)?,
    }
    Ok(())
}
