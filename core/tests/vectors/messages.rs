// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages written by Go Heka are read, and written again byte for byte (tests/vectors/ORIGIN.md).

use std::path::Path;

use heka_core::wire::{
    Deframer, Field, Frame, HmacHash, Keys, Message, MessageView, More, Signer, Step, Value,
    Verdict, put_message,
};
use prost::Message as _;

const KEY: &[u8] = b"correct horse battery staple 4865";

fn each_frame(name: &str, mut look: impl FnMut(&Frame<'_>)) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors").join(name);
    let stream = std::fs::read(&path).unwrap();
    let mut deframer = Deframer::new(1 << 20);
    let (mut at, mut count) = (0, 0);
    loop {
        match deframer.next(&stream[at..], More::Ended) {
            Step::Frame(done, frame) => {
                look(&frame);
                at += done;
                count += 1;
            }
            Step::Damage(_, damage) => panic!("{name}: {damage}"),
            Step::Need(..) => return count,
        }
    }
}

fn index(view: &MessageView<'_>) -> Option<i64> {
    match view.field(b"idx", 0)?.values().next()? {
        Value::Integer(index) => Some(index),
        _ => None,
    }
}

#[test]
fn a_thousand_messages_of_go_heka() {
    let mut expected = 0;
    let count = each_frame("small.heka", |frame| {
        assert_eq!(index(&frame.view), Some(expected));
        let owned = Message::decode(frame.message).unwrap();
        assert_eq!(owned.payload.as_deref(), frame.view.payload, "{expected}");
        assert_eq!(owned.severity, frame.view.severity, "{expected}");
        assert_eq!(owned.fields.len(), frame.view.fields().count(), "{expected}");
        expected += 1;
    });
    assert_eq!(count, 1000);
}

#[test]
fn written_again_they_are_the_same_bytes() {
    each_frame("small.heka", |frame| {
        let number = index(&frame.view).unwrap();
        // These have members outside of the schema, which frames preserve but values do not.
        if number % 25 == 23 {
            return;
        }
        let mut written = Vec::new();
        put_message(&mut written, &Message::decode(frame.message).unwrap());
        assert_eq!(written, frame.message, "message {number}");
    });
}

#[test]
fn fields_are_found_by_name_and_place() {
    each_frame("small.heka", |frame| {
        if index(&frame.view) == Some(19) {
            assert_eq!(frame.view.fields().count(), 41);
            assert!(frame.view.field(b"no such name", 0).is_none());
            assert!(frame.view.field(b"idx", 1).is_none());
        }
    });
    assert_eq!(Field::string("a", "b").value_string, ["b"]);
}

#[test]
fn signatures_of_go_heka_are_right_and_ours_are_the_same() {
    for (name, hash) in [("signed-md5.heka", HmacHash::Md5), ("signed-sha1.heka", HmacHash::Sha1)] {
        let mut keys = Keys::default();
        keys.add(b"ops_1", KEY);
        let signer = Signer::new(b"ops", 1, hash, KEY);
        let count = each_frame(name, |frame| {
            assert_eq!(keys.verify(&frame.header, frame.message), Verdict::Signed(b"ops"));
            assert_eq!(Some(signer.sign(frame.message).as_bytes()), frame.header.hmac);
            let mut other = frame.message.to_vec();
            *other.last_mut().unwrap() ^= 1;
            assert_eq!(keys.verify(&frame.header, &other), Verdict::Wrong);
            assert_eq!(Keys::default().verify(&frame.header, &other), Verdict::UnknownKey);
        });
        assert_eq!(count, 500);
    }
}
