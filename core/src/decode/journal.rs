// SPDX-License-Identifier: MIT OR Apache-2.0
//! Entries of the journal in its export format: lines `NAME=VALUE`, or `NAME`, the length of the
//! value in eight bytes, and the value.

use super::cause::Cause;
use super::map::Map;
use super::readers::{Readers, Target};
use super::tokens::prefixed;
use crate::codec::HeaderName;

/// The entry fields that become headers, also in JSON.
pub(super) const HEADERS: [(HeaderName, &str); 6] = [
    (HeaderName::Timestamp, "__REALTIME_TIMESTAMP"),
    (HeaderName::Severity, "PRIORITY"),
    (HeaderName::Payload, "MESSAGE"),
    (HeaderName::Hostname, "_HOSTNAME"),
    (HeaderName::Pid, "_PID"),
    (HeaderName::Pid, "SYSLOG_PID"),
];

/// Reads an entry.
pub(super) fn read(
    map: &Map,
    record: &[u8],
    readers: &Readers,
    target: &mut Target,
) -> Result<(), Cause> {
    let wrong = || Cause::new("not an entry of the journal");
    let mut rest = record;
    let mut has_any = false;
    while !rest.is_empty() {
        let (line, behind) = prefixed(rest, b"\n").unwrap_or((rest, &[]));
        rest = behind;
        if line.is_empty() {
            continue;
        }
        let (name, value) = match prefixed(line, b"=") {
            Some((name, value)) if is_name(name) => (name, value),
            _ if is_name(line) => {
                let (len, behind) = rest.split_at_checked(8).ok_or_else(wrong)?;
                let len = u64::from_le_bytes(len.try_into().map_err(|_| wrong())?);
                let len = usize::try_from(len).map_err(|_| wrong())?;
                let (value, behind) = behind.split_at_checked(len).ok_or_else(wrong)?;
                rest = behind.strip_prefix(b"\n").unwrap_or(behind);
                (line, value)
            }
            _ => return Err(wrong()),
        };
        has_any |= name.starts_with(b"_") || name == b"MESSAGE";
        match map.header_of(name, target) {
            Some(header) => readers.set(target, header, name, value)?,
            None => readers.put(target, name, value)?,
        }
    }
    if has_any { Ok(()) } else { Err(wrong()) }
}

fn is_name(name: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    !name.is_empty() && name.iter().all(is_part)
}
