// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any format and any text for a time, separated by the first NUL. A written time is read as the
//! same time.

use heka_core::codec::time::{Strftime, Zone, parse, put_rfc3339};
use heka_core::decode::time::Times;
use jiff::tz::TimeZone;

const NOW: i64 = 1_700_000_000_000_000_000;

/// See the module.
pub fn run(input: &[u8]) {
    let end = input.iter().position(|&byte| byte == 0).unwrap_or(input.len());
    let (format, text) = (&input[..end], input.get(end + 1..).unwrap_or_default());
    let Ok(format) = std::str::from_utf8(format) else { return };
    let times = Times::default();
    for text in [text, format.as_bytes()] {
        if let Some(time) = times.read(text, NOW) {
            let mut written = Vec::new();
            put_rfc3339(&mut written, time);
            assert_eq!(times.read(&written, NOW), Some(time), "{}", written.escape_ascii());
        }
        if let Some((_, rest)) = times.read_front(text, NOW) {
            assert!(text.ends_with(rest), "the rest is what is behind");
        }
        let _ = std::str::from_utf8(text).map(|text| parse(text, NOW, &Zone::utc()));
    }
    if let Ok(asked) = Times::new([format], TimeZone::UTC, None) {
        let _ = asked.read(text, NOW);
    }
    if let Ok(strftime) = Strftime::new(format) {
        strftime.put(&mut Vec::new(), NOW, &Zone::utc());
    }
}
