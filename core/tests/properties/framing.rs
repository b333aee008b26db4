// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames are found whatever is between them and however they are split.

use crate::messages::message;
use heka_core::wire::{Deframer, Header, Message, MessageView, More, Step, put_frame, put_message};
use proptest::collection::vec;
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_assume,
    prop_oneof, proptest,
};
use proptest::sample::Index;

/// Maximum length of a message.
const LIMIT: usize = 1 << 20;

/// The contents of a stream: the frames, and offset and length of each damaged stretch.
type Found = (Vec<Vec<u8>>, Vec<(u64, u64)>);

/// Deframes `pieces` as they arrive; with `idle`, the input is idle after each of them.
fn deframe<'a>(pieces: impl Iterator<Item = &'a [u8]>, idle: bool) -> Found {
    let mut deframer = Deframer::new(LIMIT);
    let mut found = Found::default();
    let mut buffer = Vec::new();
    let mut need = 0;
    for piece in pieces {
        buffer.extend_from_slice(piece);
        // As a reader does: no further attempt before the requested bytes are available.
        if buffer.len() >= need {
            need = drain(&mut deframer, &mut buffer, More::Coming, &mut found);
        }
        if idle {
            need = drain(&mut deframer, &mut buffer, More::Idle, &mut found);
        }
    }
    drain(&mut deframer, &mut buffer, More::Ended, &mut found);
    found
}

fn drain(deframer: &mut Deframer, buffer: &mut Vec<u8>, more: More, found: &mut Found) -> usize {
    loop {
        let (done, need) = match deframer.next(buffer, more) {
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

/// Returns the length of the intact frame at the front of `bytes`, and of its message.
fn frame_at(bytes: &[u8]) -> Option<(usize, usize)> {
    let (&[separator, header_len], rest) = bytes.split_first_chunk()?;
    let (header, rest) = rest.split_at_checked(usize::from(header_len))?;
    let (&unit_separator, rest) = rest.split_first()?;
    if (separator, unit_separator) != (0x1e, 0x1f) || header_len < 2 {
        return None;
    }
    let len = usize::try_from(Header::parse(header).ok()?.message_length).unwrap();
    let message = rest.get(..len).filter(|_| len <= LIMIT)?;
    MessageView::parse(message).ok()?;
    Some((bytes.len() - rest.len() + len, len))
}

/// Whether the intact frame at the front of `bytes` counts as one that swallowed the start of
/// another: it is not followed by 0x1e, and its message contains a frame that extends beyond it.
fn is_torn(bytes: &[u8]) -> bool {
    let Some((len, message)) = frame_at(bytes) else { return false };
    let runs_on = |start: usize| {
        frame_at(&bytes[start..]).is_some_and(|(inner, message)| start + inner > len && message > 0)
    };
    bytes.get(len).is_some_and(|&next| next != 0x1e) && (len - message..len).any(runs_on)
}

/// Implements the rules of heka-stream(5) for readers literally.
fn by_the_book(stream: &[u8]) -> Found {
    let mut found = Found::default();
    let (mut at, mut damaged) = (0, 0);
    while at < stream.len() {
        let frame = frame_at(&stream[at..]).filter(|_| !is_torn(&stream[at..]));
        let len = frame.map_or(1, |(len, _)| len);
        damaged += usize::from(frame.is_none());
        at += len;
        if damaged > 0 && (frame.is_some() || at == stream.len()) {
            let end = if frame.is_some() { at - len } else { at };
            found.1.push(((end - damaged) as u64, damaged as u64));
            damaged = 0;
        }
        if frame.is_some() {
            found.0.push(stream[at - len..at].to_vec());
        }
    }
    found
}

/// Generates bytes that do not start a frame: no 0x1e.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>().prop_filter("no frame starts here", |&byte| byte != 0x1e), 0..30)
}

/// Generates a frame that contains the beginning of another one, whose end follows it.
fn torn() -> impl Strategy<Value = Vec<u8>> {
    (message(), any::<Index>()).prop_map(|(message, cut)| {
        let inner = frame(&message);
        let (head, tail) = inner.split_at(cut.index(inner.len()));
        let outer = Message { payload: Some(head.to_vec().into()), ..Message::default() };
        [&frame(&outer), tail].concat()
    })
}

/// Generates any bytes, mostly those of the framing, including whole headers.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        vec(any::<u8>(), 0..20),
        Just(vec![0x1e, 2, 8, 5, 0x1f]),
        Just(vec![0x1e, 3, 8, 200, 1, 0x1f]),
        Just(vec![0x1e]),
        message().prop_map(|message| frame(&message)),
        torn(),
        message().prop_map(|message| {
            let mut all = frame(&message);
            all.truncate(all.len() / 2);
            all
        }),
    ];
    vec(part, 0..8).prop_map(|parts| parts.concat())
}

/// Generates headers in each other's messages, so that they share members: members that contain
/// headers, groups, and ends of either, many of them in a row.
fn nested() -> impl Strategy<Value = Vec<u8>> {
    // Lengths that end among the parts, or beyond all of them.
    let header = prop_oneof![
        (0..100u8).prop_map(|len| vec![0x1e, 2, 8, len, 0x1f]),
        (0..6u8, 0..100u8).prop_map(|(high, low)| vec![0x1e, 3, 8, 0x80 | low, high, 0x1f]),
    ];
    let in_value = header
        .prop_map(|header| [&[0x7a, u8::try_from(header.len()).unwrap()], &header[..]].concat());
    let part = prop_oneof![
        4 => in_value.clone(),
        2 => (in_value, 1..3usize).prop_map(|(mut value, cut)| {
            // The next tag ends the header.
            value.truncate(value.len() - cut);
            value
        }),
        4 => Just(vec![0x10, 1]),
        2 => (0..20u8).prop_map(|len| vec![0x7a, len]),
        1 => prop::sample::select(vec![0x7b, 0x7c, 0x83]).prop_map(|tag| vec![tag]),
        1 => Just(vec![0x1e]),
        1 => Just(vec![0x85, 1, 1, 2, 3, 4]),
    ];
    (vec(part, 0..120), vec(any::<u8>(), 0..2))
        .prop_map(|(parts, end)| [parts.concat(), end].concat())
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
    fn what_the_page_says_of_reading_is_what_happens(stream in noise(), size in 1usize..50) {
        let expected = by_the_book(&stream);
        prop_assert_eq!(&deframe(std::iter::once(stream.as_slice()), false), &expected);
        prop_assert_eq!(&deframe(stream.chunks(size), false), &expected);
    }

    #[test]
    fn headers_in_each_other_s_messages_are_read_as_the_page_says(
        stream in nested(),
        size in 1usize..50,
    ) {
        let expected = by_the_book(&stream);
        prop_assert_eq!(&deframe(std::iter::once(stream.as_slice()), false), &expected);
        prop_assert_eq!(&deframe(stream.chunks(size), false), &expected);
    }

    #[test]
    fn garbage_between_frames_costs_none_of_them(
        parts in vec((garbage(), message()), 1..6),
        tail in garbage(),
    ) {
        let mut stream = Vec::new();
        let (mut expected, mut starts) = (Found::default(), Vec::new());
        let told = |stream: &Vec<u8>, garbage: &[u8], expected: &mut Found| {
            if !garbage.is_empty() {
                expected.1.push((stream.len() as u64, garbage.len() as u64));
            }
        };
        for (garbage, message) in &parts {
            told(&stream, garbage, &mut expected);
            stream.extend_from_slice(garbage);
            starts.push(stream.len());
            expected.0.push(frame(message));
            stream.extend(frame(message));
        }
        told(&stream, &tail, &mut expected);
        stream.extend_from_slice(&tail);
        // The one exception in the page.
        prop_assume!(!starts.iter().any(|&at| is_torn(&stream[at..])));
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

#[test]
fn very_many_headers_in_each_other_s_messages_are_read_as_the_page_says() {
    let mut stream = Vec::new();
    for index in 0..9000_usize {
        // Some end where a member does.
        let len = if index % 97 == 0 { 400 } else { 1001 + index % 13 * 8 };
        let [low, high] = [len & 0x7f | 0x80, len >> 7].map(|half| half.try_into().unwrap());
        stream.extend([0x7a, 6, 0x1e, 3, 8, low, high, 0x1f]);
    }
    let (frames, damages) = by_the_book(&stream);
    assert!(frames.len() > 10 && damages.len() > 10, "{} {}", frames.len(), damages.len());
    for size in [stream.len(), 10_000, 333] {
        assert_eq!(
            deframe(stream.chunks(size), false),
            (frames.clone(), damages.clone()),
            "{size}"
        );
    }
}
