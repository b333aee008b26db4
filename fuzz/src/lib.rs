// SPDX-License-Identifier: MIT OR Apache-2.0
//! Helpers of several targets.

pub mod targets;
pub mod websocket;

use std::path::PathBuf;
use std::sync::Once;

use heka_core::decode::{Decoder, Readers, Way};
use heka_core::record::{Found, More, Progress, Splitter};
use heka_core::report::{self, Format, Level};
use heka_core::wire::MessageView;

/// Returns a path that no other process uses, and suppresses warnings.
pub fn scratch(name: &str) -> PathBuf {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| report::init("fuzz", Level::Error, Format::default()));
    std::env::temp_dir().join(format!("heka-fuzz-{}-{name}", std::process::id()))
}

/// Splits a stream that arrives in pieces of `len` bytes; returns the records and the number of
/// damaged bytes.
pub fn records(splitter: &Splitter, text: &[u8], len: usize) -> (Vec<Vec<u8>>, usize) {
    let mut progress = Progress::default();
    let (mut found, mut damaged) = (Vec::new(), 0);
    let (mut start, mut end) = (0, 0);
    loop {
        end = (end + len).min(text.len());
        let more = if end == text.len() { More::Ended } else { More::Coming };
        let mut records = splitter.records(&text[start..end], &mut progress, more);
        for record in records.by_ref() {
            match record {
                Found::Record(record) => found.push(record.text.to_vec()),
                Found::Frame(frame) => found.push(frame.bytes.to_vec()),
                Found::Damage(_) => damaged += 1,
            }
        }
        start += records.done();
        assert!(start <= end, "used more than came");
        if more == More::Ended {
            return (found, damaged);
        }
    }
}

/// Decodes a record twice: the result is a message within the limit, or nothing, and the same both
/// times.
pub fn decode(ways: Vec<Way>, record: &[u8]) {
    const LIMIT: usize = 4096;
    const NOW: i64 = 1_700_000_000_000_000_000;
    let mut decoder = Decoder::new(ways, Readers::default(), LIMIT);
    let mut read = || {
        let is_read = decoder.read(record, NOW, record).is_ok();
        let mut made = Vec::new();
        decoder.draft().finish(&mut made, &MessageView::default(), &MessageView::default());
        assert!(is_read || made.is_empty());
        made
    };
    let made = read();
    let view = MessageView::parse(&made).expect("a message");
    // An empty JSON array is a field without values.
    view.fields().for_each(|field| field.values().for_each(drop));
    assert!(made.len() - view.payload.map_or(0, <[u8]>::len) <= LIMIT + 64, "over the limit");
    assert_eq!(read(), made, "what was read before matters");
}
