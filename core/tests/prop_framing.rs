// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames are found whatever stands between them and in whatever pieces they arrive.

#![expect(clippy::unwrap_used, reason = "a panic is the verdict of a test")]

mod common;

use common::message;
use heka_core::wire::{Behind, Deframer, Header, Message, Step, put_frame, put_message};
use proptest::collection::vec;
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, proptest,
};
use proptest::prop_oneof;

/// What a stream gave: the frames, and offset and length of each damage.
type Found = (Vec<Vec<u8>>, Vec<(u64, u64)>);

/// Deframes `pieces` as they arrive; with `idle`, the input rests after each of them.
fn deframe<'a>(pieces: impl Iterator<Item = &'a [u8]>, idle: bool) -> Found {
    let mut deframer = Deframer::new(1 << 20);
    let mut found = Found::default();
    let mut buffer = Vec::new();
    let mut need = 0;
    for piece in pieces {
        buffer.extend_from_slice(piece);
        // As a reader does: no look before what was asked for is there.
        if buffer.len() >= need {
            need = drain(&mut deframer, &mut buffer, Behind::More, &mut found);
        }
        if idle {
            need = drain(&mut deframer, &mut buffer, Behind::Idle, &mut found);
        }
    }
    drain(&mut deframer, &mut buffer, Behind::End, &mut found);
    found
}

fn drain(
    deframer: &mut Deframer,
    buffer: &mut Vec<u8>,
    behind: Behind,
    found: &mut Found,
) -> usize {
    loop {
        let (done, need) = match deframer.next(buffer, behind) {
            Step::Frame(done, frame) => {
                found.0.push(frame.bytes.to_vec());
                (done, None)
            }
            Step::Damage(done, damage) => {
                found.1.push((damage.offset, damage.len));
                (done, None)
            }
            Step::Need(done, need) => (done, Some(need)),
        };
        buffer.drain(..done);
        if let Some(need) = need {
            return need;
        }
    }
}

fn frame(message: &Message) -> Vec<u8> {
    let (mut bytes, mut out) = (Vec::new(), Vec::new());
    put_message(&mut bytes, message);
    put_frame(&mut out, Header::default(), &bytes).unwrap();
    out
}

/// Bytes that start no frame: no 0x1e.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>().prop_filter("no frame starts here", |&byte| byte != 0x1e), 0..30)
}

/// Messages without a 0x1e in them: beside garbage, one that has may be read either way.
fn plain() -> impl Strategy<Value = Message> {
    (garbage(), garbage(), any::<i64>())
        .prop_map(|(payload, logger, timestamp)| Message {
            payload: Some(payload.into()),
            logger: Some(logger.into()),
            timestamp: Some(timestamp),
            ..Message::default()
        })
        .prop_filter("a 0x1e", |message| !frame(message)[1..].contains(&0x1e))
}

/// Anything, the framing's own bytes above all, whole headers included.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        vec(any::<u8>(), 0..20),
        Just(vec![0x1e, 2, 8, 5, 0x1f]),
        Just(vec![0x1e, 3, 8, 200, 1, 0x1f]),
        Just(vec![0x1e]),
        message().prop_map(|message| frame(&message)),
        message().prop_map(|message| {
            let mut all = frame(&message);
            all.truncate(all.len() / 2);
            all
        }),
    ];
    vec(part, 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn frames_come_out_in_any_chunks(messages in vec(message(), 1..6), size in 1usize..50) {
        let frames: Vec<_> = messages.iter().map(frame).collect();
        let stream = frames.concat();
        let whole = deframe(std::iter::once(stream.as_slice()), false);
        prop_assert_eq!(&whole, &(frames, vec![]));
        prop_assert_eq!(&deframe(stream.chunks(size), false), &whole);
        prop_assert_eq!(&deframe(stream.chunks(1), false), &whole);
    }

    #[test]
    fn damage_is_the_same_in_any_chunks(stream in noise(), size in 1usize..50) {
        let whole = deframe(std::iter::once(stream.as_slice()), false);
        prop_assert_eq!(&deframe(stream.chunks(size), false), &whole);
    }

    #[test]
    fn every_byte_is_a_frame_s_or_damage(stream in noise()) {
        let (frames, damages) = deframe(std::iter::once(stream.as_slice()), false);
        let frames: usize = frames.iter().map(Vec::len).sum();
        let damages: u64 = damages.iter().map(|&(_, len)| len).sum();
        prop_assert_eq!(frames as u64 + damages, stream.len() as u64);
    }

    #[test]
    fn garbage_between_frames_is_skipped_and_told(parts in vec((garbage(), plain()), 1..6), tail in garbage()) {
        let mut stream = Vec::new();
        let mut expected = Found::default();
        let told = |stream: &Vec<u8>, garbage: &[u8], expected: &mut Found| {
            if !garbage.is_empty() {
                expected.1.push((stream.len() as u64, garbage.len() as u64));
            }
        };
        for (garbage, message) in &parts {
            told(&stream, garbage, &mut expected);
            stream.extend_from_slice(garbage);
            expected.0.push(frame(message));
            stream.extend(frame(message));
        }
        told(&stream, &tail, &mut expected);
        stream.extend_from_slice(&tail);
        let found = deframe(std::iter::once(stream.as_slice()), false);
        prop_assert_eq!(&found, &expected);
    }

    #[test]
    fn an_idle_input_holds_nothing_back(messages in vec(message(), 1..4)) {
        let frames: Vec<_> = messages.iter().map(frame).collect();
        let (found, damages) = deframe(frames.iter().map(Vec::as_slice), true);
        prop_assert_eq!(found, frames);
        prop_assert!(damages.is_empty());
    }
}
