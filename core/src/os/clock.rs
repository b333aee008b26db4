// SPDX-License-Identifier: MIT OR Apache-2.0
//! What time it is, and which machine: the facts that go into every message.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::codec::time::Zone;

/// Nanoseconds since 1970-01-01 UTC, as in a message's timestamp.
#[expect(clippy::disallowed_methods, reason = "this is the one clock")]
pub fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// This machine's time zone, or what `TZ` says.
pub fn zone() -> Zone {
    Zone::new(jiff::tz::TimeZone::system())
}

/// This machine's name; empty if it has none.
pub fn hostname() -> String {
    nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default()
}

/// A Uuid from text: 32 hexadecimal digits, with or without dashes.
pub fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    uuid::Uuid::try_parse(text).ok().map(uuid::Uuid::into_bytes)
}

/// A random Uuid (RFC 9562, version 4).
#[inline]
pub fn random_uuid() -> [u8; 16] {
    uuid::Uuid::new_v4().into_bytes()
}

/// A time zone by its name in the time zone database; `local` is this machine's.
///
/// # Errors
/// Words on what is wrong.
pub fn time_zone(name: &str) -> Result<jiff::tz::TimeZone, String> {
    match name {
        "local" => Ok(jiff::tz::TimeZone::system()),
        "UTC" => Ok(jiff::tz::TimeZone::UTC),
        _ => jiff::tz::TimeZone::get(name).map_err(|_| format!("unknown time zone {name}")),
    }
}
