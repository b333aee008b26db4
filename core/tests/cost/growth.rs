// SPDX-License-Identifier: MIT OR Apache-2.0
//! Growth of the cost: messages with many fields take time proportional to their number.

use std::time::Duration;

use heka_core::codec::json::{FieldsAs, Verbatim, Writer};
use heka_core::decode::{Decoder, Map, Readers, Way};
use heka_core::wire::{Field, Message, MessageView, put_message};
use nix::time::{ClockId, clock_gettime};

/// Total number of fields in all messages.
const FIELDS: usize = 4096;
/// Number of fields per message.
const COUNTS: [usize; 3] = [16, 256, 4096];

/// Creates a record with this number of fields.
type Text<'a> = &'a dyn Fn(usize) -> String;

/// Returns the processor time of this thread during `work`.
fn time_of(mut work: impl FnMut()) -> Duration {
    let now = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap());
    let start = now();
    work();
    now().saturating_sub(start)
}

/// Runs `work` on records with few and with many fields, and the same total number of fields.
fn in_proportion(what: &str, record: impl Fn(usize) -> Vec<u8>, mut work: impl FnMut(&[u8])) {
    let mut times = COUNTS.map(|_| Duration::MAX);
    // A disturbance of one round does not affect all.
    for _ in 0..5 {
        for (time, count) in times.iter_mut().zip(COUNTS) {
            let record = record(count);
            let taken = time_of(|| (0..FIELDS / count).for_each(|_| work(&record)));
            *time = taken.min(*time);
        }
    }
    let [few, .., many] = times;
    assert!(many < few * 5, "{what}: {times:?} for {COUNTS:?}");
}

fn message(count: usize, is_same: bool) -> Vec<u8> {
    let name = |n| if is_same { "name".to_owned() } else { format!("name{n}") };
    let fields = (0..count).map(|n| Field::string(name(n), "some text")).collect();
    let mut bytes = Vec::new();
    put_message(&mut bytes, &Message { fields, ..Message::default() });
    bytes
}

#[test]
fn json_of_many_fields() {
    for fields_as in [FieldsAs::Auto, FieldsAs::Object, FieldsAs::Array] {
        for is_same in [false, true] {
            let (mut writer, mut reader) = (Writer::new(fields_as), Verbatim::default());
            let mut line = Vec::new();
            let what = format!("{fields_as:?}, same name: {is_same}");
            in_proportion(
                &what,
                |count| message(count, is_same),
                |message| {
                    line.clear();
                    writer.put(&mut line, &MessageView::parse(message).unwrap(), None);
                    reader.read(&line);
                },
            );
        }
    }
}

#[test]
fn text_of_many_fields() {
    let map = || Map::new("Payload=msg,Severity=level").unwrap();
    let joined = |count, separator: &str, field: &dyn Fn(usize) -> String| {
        (0..count).map(field).collect::<Vec<_>>().join(separator)
    };
    let flat: Text<'_> =
        &|count| format!("{{{}}}", joined(count, ",", &|n| format!("\"name{n}\":\"some text\"")));
    let list: Text<'_> = &|count| format!("{{\"a\":[{}]}}", joined(count, ",", &|n| n.to_string()));
    let mixed: Text<'_> =
        &|count| format!("{{\"a\":[{}]}}", joined(count, ",", &|n| format!("{n},\"x\"")));
    let pairs: Text<'_> = &|count| joined(count, " ", &|n| format!("name{n}=\"some text\""));
    for (what, way, text) in [
        ("members", Way::Json(map()), flat),
        ("elements", Way::Json(map()), list),
        ("elements of two types", Way::Json(map()), mixed),
        ("pairs", Way::Logfmt(map()), pairs),
    ] {
        let mut decoder = Decoder::new(vec![way], Readers::default(), 1 << 20);
        in_proportion(
            what,
            |count| text(count).into_bytes(),
            |record| assert!(decoder.read(record, 0, b"").is_ok(), "{what}"),
        );
    }
}
