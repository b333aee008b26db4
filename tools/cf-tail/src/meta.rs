// SPDX-License-Identifier: MIT OR Apache-2.0
//! log-cache's information about its sources, as a table.

use std::collections::HashMap;

use heka_core::codec::time::put_rfc3339;
use heka_core::report::{Status, Stop};
use serde_json::Value as Json;

use crate::session::Session;

/// The information about a source.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) source: String,
    pub(crate) count: i64,
    pub(crate) expired: i64,
    /// Nanoseconds since 1970.
    pub(crate) oldest: i64,
    pub(crate) newest: i64,
}

impl Meta {
    /// Parses the information, with either spelling of names; zero values may be absent.
    pub(crate) fn new(source: &str, json: &Json) -> Self {
        let number = |snake: &str, camel: &str| match json.get(snake).or_else(|| json.get(camel)) {
            Some(Json::String(digits)) => digits.parse().unwrap_or_default(),
            Some(number) => number.as_i64().unwrap_or_default(),
            None => 0,
        };
        Self {
            source: source.to_owned(),
            count: number("count", "count"),
            expired: number("expired", "expired"),
            oldest: number("oldest_timestamp", "oldestTimestamp"),
            newest: number("newest_timestamp", "newestTimestamp"),
        }
    }

    /// Returns the number of envelopes per second, over the time that is kept.
    #[expect(clippy::cast_precision_loss, reason = "a rate is told with one decimal")]
    fn rate(&self) -> f64 {
        let seconds = self.newest.saturating_sub(self.oldest) as f64 / 1e9;
        let count = self.count.saturating_sub(1) as f64;
        if seconds > 0.0 { count / seconds } else { 0.0 }
    }
}

/// Writes the table: source, count, expired, oldest and newest time, envelopes per second and name,
/// separated by tabs. `names` are GUIDs and names.
///
/// # Errors
/// As the output's.
pub(crate) fn put(
    session: &Session,
    all: &[Meta],
    names: &HashMap<String, String>,
) -> Result<Status, Stop> {
    let mut sink = session.sink.lock();
    for meta in all {
        let out = sink.backlog().buffer();
        out.extend_from_slice(
            format!("{}\t{}\t{}\t", meta.source, meta.count, meta.expired).as_bytes(),
        );
        put_rfc3339(out, meta.oldest);
        out.push(b'\t');
        put_rfc3339(out, meta.newest);
        let name = names.get(&meta.source).map_or("", String::as_str);
        out.extend_from_slice(format!("\t{:.1}\t{name}\n", meta.rate()).as_bytes());
        sink.backlog().end_record()?;
    }
    Ok(Status::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_told_in_either_case() {
        let json = serde_json::json!({"count": "7", "oldestTimestamp": "5", "newest_timestamp": 9});
        let meta = Meta::new("s", &json);
        assert_eq!((meta.count, meta.expired, meta.oldest, meta.newest), (7, 0, 5, 9));
        let meta = Meta { oldest: 1_000_000_000, newest: 4_000_000_000, ..meta };
        assert_eq!(format!("{:.1}", meta.rate()), "2.0");
    }
}
