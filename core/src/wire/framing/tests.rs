// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames in pieces, damaged frames, and hostile senders.

use super::*;

/// Feeds `stream` in pieces of `len` bytes; returns payloads and damaged bytes.
fn read_in_pieces(stream: &[u8], len: usize) -> (Vec<Vec<u8>>, u64) {
    let mut deframer = Deframer::new(1 << 20);
    let (mut payloads, mut damaged) = (Vec::new(), 0);
    let (mut start, mut end) = (0, 0);
    loop {
        end = (end + len).min(stream.len());
        let more = if end == stream.len() { More::Ended } else { More::Coming };
        loop {
            match deframer.next(&stream[start..end], more) {
                Step::Frame(done, frame) => {
                    payloads.push(frame.view.payload.unwrap_or_default().to_vec());
                    start += done;
                }
                Step::Damage(done, damage) => {
                    damaged += damage.len;
                    start += done;
                }
                Step::Need(done, _) => {
                    start += done;
                    break;
                }
            }
        }
        if more == More::Ended {
            return (payloads, damaged);
        }
    }
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let mut message = vec![0x32, u8::try_from(payload.len()).unwrap()];
    message.extend_from_slice(payload);
    let mut out = Vec::new();
    put_frame(&mut out, Header::default(), &message).unwrap();
    out
}

#[test]
fn any_pieces_give_the_same_frames() {
    let mut stream = b"noise".to_vec();
    for payload in [&b"one"[..], b"", b"\x1e\x02\x08\x1f", b"end\x1e"] {
        stream.extend(frame(payload));
    }
    let whole = read_in_pieces(&stream, stream.len());
    assert_eq!((whole.0.len(), whole.1), (4, 5));
    for len in 1..stream.len() {
        assert_eq!(read_in_pieces(&stream, len), whole, "pieces of {len}");
    }
}

#[test]
fn a_lying_length_costs_no_neighbour() {
    let mut stream = frame(b"liar");
    stream[3] += 40;
    for payload in [b"two", b"six", b"ten"] {
        stream.extend(frame(payload));
    }
    for len in 1..stream.len() {
        assert_eq!(read_in_pieces(&stream, len).0.len(), 3, "pieces of {len}");
    }
}

#[test]
fn a_frame_that_lost_a_byte_does_not_eat_the_next() {
    let mut stream = frame(b"short");
    stream.pop();
    stream.extend(frame(b"next"));
    for len in 1..=stream.len() {
        assert_eq!(read_in_pieces(&stream, len).0, [b"next"], "pieces of {len}");
    }
}

#[test]
fn a_frame_that_may_have_swallowed_another_waits_as_the_page_says() {
    let inner = frame(b"inner");
    let (head, tail) = inner.split_at(7);
    let outer = frame(head);
    let step = |stream: &[u8], more| match Deframer::new(1 << 20).next(stream, more) {
        Step::Frame(done, _) => format!("frame of {done}"),
        Step::Damage(done, damage) => format!("damage of {}, then {done}", damage.len),
        Step::Need(done, need) => format!("{done} done, {need} needed"),
    };
    let len = outer.len();
    // Undecided: one more byte is needed, if there may be one soon.
    assert_eq!(step(&outer, More::Coming), format!("0 done, {} needed", len + 1));
    assert_eq!(step(&outer, More::Idle), format!("frame of {len}"));
    // Not 0x1e: the reader waits for the inner frame.
    let torn = [outer.as_slice(), tail].concat();
    let needed = format!("0 done, {} needed", torn.len());
    for cut in len + 1..torn.len() {
        assert_eq!(step(&torn[..cut], More::Idle), needed);
        assert_eq!(step(&torn[..cut], More::Ended), format!("frame of {len}"));
    }
    let before = torn.len() - inner.len();
    assert_eq!(step(&torn, More::Idle), format!("damage of {before}, then {before}"));
    // An empty message proves nothing.
    let empty = [frame(b"\x1e\x02\x08").as_slice(), b"\x00\x1f"].concat();
    assert_eq!(step(&empty, More::Idle), format!("frame of {}", empty.len() - 2));
}

#[test]
fn a_slow_sender_of_many_small_members_costs_no_time() {
    let message = [0x40, 1].repeat(50_000);
    let mut stream = Vec::new();
    put_frame(&mut stream, Header::default(), &message).unwrap();
    let mut deframer = Deframer::new(1 << 20);
    for len in 1..stream.len() {
        let step = deframer.next(&stream[..len], More::Idle);
        assert!(matches!(step, Step::Need(0, _)), "{len}: {step:?}");
    }
    assert!(matches!(deframer.next(&stream, More::Idle), Step::Frame(..)));
}

#[test]
fn marks_are_no_messages_and_say_where_a_source_stands() {
    for len in [2, 128, 129, 8236] {
        let checkpoint = vec![b'x'; len];
        let mut stream = Vec::new();
        put_mark(&mut stream, &checkpoint);
        put_mark(&mut stream, b"next");
        let mut deframer = Deframer::new(10_000);
        let Step::Frame(done, frame) = deframer.next(&stream, More::Ended) else { panic!() };
        assert!(frame.is_signal());
        assert_eq!(frame.mark(), Some(checkpoint.as_slice()));
        assert_eq!(frame.message.is_empty(), len <= 128);
        let rest = &stream[done..];
        let Step::Frame(done, frame) = deframer.next(rest, More::Ended) else { panic!() };
        assert_eq!((frame.mark(), done), (Some(&b"next"[..]), rest.len()));
    }
}
