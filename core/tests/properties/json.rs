// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages survive conversion to JSON and back, whatever their contents.

use crate::messages::message;
use heka_core::codec::json;
use heka_core::wire::{Deframer, Field, Message, MessageView, More, Step, ValueType, put_message};
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::select;

/// Must not appear: every message here has its own values.
const IDENTITY: json::Identity = json::Identity { uuid: [0xee; 16], timestamp: 77 };

fn encoded(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_message(&mut bytes, message);
    bytes
}

/// Returns the bytes of a message after conversion to JSON and back.
fn through_json(bytes: &[u8]) -> Vec<u8> {
    let mut line = Vec::new();
    json::put(&mut line, &MessageView::parse(bytes).unwrap());
    let line = line.strip_suffix(b"\n").unwrap();
    assert!(!line.contains(&b'\n'));
    let bytes = encoded(&json::parse(line, IDENTITY).unwrap().message.unwrap());
    assert_same_verbatim(line, &bytes);
    bytes
}

/// Checks that the fast path for JSON yields the same bytes for a line, if it accepts it.
#[cfg(feature = "decode")]
fn assert_same_verbatim(line: &[u8], bytes: &[u8]) {
    let (none, mut made) = (MessageView::default(), Vec::new());
    let mut reader = json::Verbatim::default();
    if reader.read(line) {
        reader.draft().finish(&mut made, &none, &none);
        assert_eq!(made, bytes, "{}", String::from_utf8_lossy(line));
    }
}

#[cfg(not(feature = "decode"))]
fn assert_same_verbatim(_line: &[u8], _bytes: &[u8]) {}

/// Generates fields as programs create them: one type, UTF-8, names from a small set.
fn plain_field() -> impl Strategy<Value = Field> {
    let name = prop_oneof!["a", "b", "c", "d"];
    let special = select(vec![f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0]);
    // Signalling NaNs and others with unusual bits.
    let other_nan = any::<u64>().prop_map(|bits| f64::from_bits(bits | 0x7ff0_0000_0000_0001));
    let double = prop_oneof![any::<f64>(), special, other_nan];
    (name, 0..5i32, "[a-z]{0,2}", proptest::collection::vec((any::<i64>(), double, ".{0,5}"), 0..3))
        .prop_map(|(name, value_type, representation, values)| {
            let value_type = ValueType::try_from(value_type).unwrap();
            let mut field = Field::empty(name, value_type);
            field.representation = Some(representation.into());
            for (integer, double, text) in values {
                match value_type {
                    ValueType::String => field.value_string.push(text.into()),
                    ValueType::Bytes => field.value_bytes.push(text.into()),
                    ValueType::Integer => field.value_integer.push(integer),
                    ValueType::Double => field.value_double.push(double),
                    ValueType::Bool => field.value_bool.push(integer > 0),
                }
            }
            field
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_was_written_before_changes_nothing(
        messages in proptest::collection::vec((message(), proptest::collection::vec(plain_field(), 0..4)), 1..8),
        order in proptest::collection::vec(any::<proptest::sample::Index>(), 1..30),
    ) {
        let messages: Vec<_> = messages
            .into_iter()
            .map(|(message, fields)| encoded(&Message { fields, ..message }))
            .collect();
        let mut writer = json::Writer::default();
        for index in order {
            let bytes: &Vec<u8> = index.get(&messages);
            let view = MessageView::parse(bytes).unwrap();
            let (mut alone, mut among) = (Vec::new(), Vec::new());
            json::put(&mut alone, &view);
            writer.put(&mut among, &view, None);
            prop_assert_eq!(among, alone);
        }
    }

    #[test]
    fn any_message_comes_back(message in message()) {
        let bytes = encoded(&message);
        prop_assert_eq!(through_json(&bytes), bytes);
    }

    #[test]
    fn ordinary_fields_come_back(fields in proptest::collection::vec(plain_field(), 0..5)) {
        let uuid = Some(vec![7; 16].into());
        let timestamp = Some(1_408_834_440_000_000_007);
        let bytes = encoded(&Message { uuid, timestamp, fields, ..Message::default() });
        prop_assert_eq!(through_json(&bytes), bytes);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in proptest::collection::vec(any::<u8>(), 0..100)) {
        drop(json::parse(&text, IDENTITY));
    }
}

#[test]
fn every_recorded_message_comes_back() {
    let stream = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/small.heka"));
    let stream = stream.unwrap();
    let mut deframer = Deframer::new(1 << 20);
    let (mut at, mut changed) = (0, 0);
    while let Step::Frame(done, frame) = deframer.next(&stream[at..], More::Ended) {
        at += done;
        // Members that the schema does not know are lost.
        changed += usize::from(through_json(frame.message) != frame.message);
    }
    assert_eq!((at, changed), (stream.len(), 40));
}

#[test]
fn heka_cat_s_json_is_read() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/");
    let stream = std::fs::read(format!("{path}small.heka")).unwrap();
    let lines = std::fs::read_to_string(format!("{path}small.json")).unwrap();
    let mut deframer = Deframer::new(1 << 20);
    let (mut at, mut same) = (0, 0);
    for line in lines.lines() {
        let Step::Frame(done, frame) = deframer.next(&stream[at..], More::Ended) else { break };
        at += done;
        if !line.is_empty() {
            same += usize::from(
                encoded(&json::parse(line.as_bytes(), IDENTITY).unwrap().message.unwrap())
                    == frame.message,
            );
        }
    }
    // Values without a JSON form (NaN), or with loss (invalid UTF-8, unknown members).
    assert_eq!(same, 865);
}
