// SPDX-License-Identifier: MIT OR Apache-2.0
//! The current time and the identity of the host, which go into every message.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::codec::time::Zone;

/// Returns nanoseconds since 1970-01-01 UTC, as in a message's timestamp.
#[expect(clippy::disallowed_methods, reason = "this is the one clock")]
pub fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Returns the time zone of the system, or of `TZ`.
pub fn zone() -> Zone {
    Zone::new(jiff::tz::TimeZone::system())
}

/// Returns the host name; empty if there is none.
pub fn hostname() -> String {
    nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default()
}

/// Parses a UUID: 32 hexadecimal digits, with or without dashes.
pub fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    uuid::Uuid::try_parse(text).ok().map(uuid::Uuid::into_bytes)
}

/// Creates a random UUID (RFC 9562, version 4).
#[inline]
pub fn random_uuid() -> [u8; 16] {
    uuid::Uuid::new_v4().into_bytes()
}

/// Looks up a time zone by its name in the time zone database; `local` is the system's.
///
/// # Errors
/// A description of what is wrong.
pub fn time_zone(name: &str) -> Result<jiff::tz::TimeZone, String> {
    match name {
        "local" => Ok(jiff::tz::TimeZone::system()),
        "UTC" => Ok(jiff::tz::TimeZone::UTC),
        _ => jiff::tz::TimeZone::get(name).map_err(|_| format!("unknown time zone {name}")),
    }
}
