// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any text by any preset, the first byte of the input says which: read or not, never a panic, and
//! what is made of it is a message.
#![no_main]

use heka_core::codec::regular;
use heka_core::decode::{Access, Captures, Decoder, Map, PRESETS, Readers, Way};
use heka_core::record::{Found, Limit, More, Oversize, Progress, Splitter};
use heka_core::wire::MessageView;
use libfuzzer_sys::fuzz_target;

fn ways(choice: u8) -> Vec<Way> {
    let choice = usize::from(choice);
    match PRESETS.get(choice) {
        Some((name, _)) => Way::preset(name).expect("it is in the list"),
        None if choice % 4 == 0 => vec![Way::Json(Map::new("Timestamp=t,Payload=a.b,Pid=p").unwrap())],
        None if choice % 4 == 1 => vec![Way::Logfmt(Map::new("Severity=l,Uuid=u").unwrap())],
        None if choice % 4 == 2 => {
            let regex = regular::compile("(?P<Severity>.)(?P<Timestamp>.*)(?P<x>.)").unwrap();
            vec![Way::Captures(Box::new(Captures::new(regex, &[]).unwrap()))]
        }
        None => vec![Way::Access(Box::new(Access::new("%h %t \"%r\" %{X}o|%D").unwrap()))],
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, text)) = input.split_first() else { return };
    let limit = 4096;
    let mut decoder = Decoder::new(ways(*choice), Readers::default(), limit);
    let read = decoder.read(text, 1_700_000_000_000_000_000, text);
    let mut made = Vec::new();
    decoder.draft().finish(&mut made, &MessageView::default(), &MessageView::default());
    let view = MessageView::parse(&made).expect("a message");
    assert!(read.is_ok() || made.is_empty());
    assert!(made.len() - view.payload.map_or(0, <[u8]>::len) <= limit + 64);
    // Any pieces of a stream give the same records.
    let size = Limit { size: 1 << 20, oversize: Oversize::Split };
    for splitter in [Splitter::json(size), Splitter::journal(size)] {
        let whole = records(&splitter, text, text.len().max(1));
        assert_eq!(records(&splitter, text, 3), whole);
    }
});

fn records(splitter: &Splitter, text: &[u8], len: usize) -> Vec<Vec<u8>> {
    let mut progress = Progress::default();
    let (mut found, mut start, mut end) = (Vec::new(), 0, 0);
    while start < text.len() {
        end = (end + len).min(text.len());
        let more = if end == text.len() { More::Ended } else { More::Coming };
        let mut records = splitter.records(&text[start..end], &mut progress, more);
        for record in records.by_ref() {
            if let Found::Record(record) = record {
                // White space between records may go with either.
                found.push(record.text.trim_ascii().to_vec());
            }
        }
        start += records.done();
        if more == More::Ended {
            break;
        }
    }
    found.retain(|record| !record.is_empty());
    found
}
