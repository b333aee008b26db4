// SPDX-License-Identifier: MIT OR Apache-2.0
//! The cost of searching for frames in adversarial input: the work is proportional to the size,
//! however the input is split, and within the allowance of each turn.

#![expect(clippy::unwrap_used, reason = "a panic is the verdict of a test")]

use heka_core::wire::varint::put_varint;
use heka_core::wire::{Deframer, More, Step};

/// Maximum length of a message: every length in a header here is within it.
const LIMIT: usize = 16 << 20;
/// Maximum number of steps per byte.
const STEPS_PER_BYTE: u64 = 8;

/// Creates a header with a length.
fn header(len: usize) -> Vec<u8> {
    let mut member = vec![8];
    put_varint(&mut member, len as u64);
    [&[0x1e, u8::try_from(member.len()).unwrap()], &member[..], &[0x1f]].concat()
}

/// Creates a header with a length, in a fixed number of bytes.
fn wide_header(len: usize) -> Vec<u8> {
    let low = |shift: u32| u8::try_from(len >> shift & 0x7f).unwrap() | 0x80;
    vec![0x1e, 5, 8, low(0), low(7), low(14), u8::try_from(len >> 21).unwrap(), 0x1f]
}

/// Creates a member with this value.
fn member(value: &[u8]) -> Vec<u8> {
    let mut member = vec![0x7a];
    put_varint(&mut member, value.len() as u64);
    [&member[..], value].concat()
}

fn repeated(part: &[u8], len: usize) -> Vec<u8> {
    part.repeat(len / part.len())
}

/// Creates wide headers in members, each followed by `rest`; `length` returns the length of a
/// message from its start.
fn headers(len: usize, rest: &[u8], length: impl Fn(usize) -> usize) -> Vec<u8> {
    let mut stream = Vec::new();
    while stream.len() + 10 + rest.len() <= len {
        let place = stream.len() + 10;
        stream.extend(member(&wide_header(length(place))));
        stream.extend_from_slice(rest);
    }
    stream
}

type Hostile = (&'static str, fn(usize) -> Vec<u8>);

/// Streams of about `len` bytes.
const HOSTILE: &[Hostile] = &[
    ("headers of a million bytes each", |len| repeated(&member(&header(1_000_000)), len)),
    ("the same, ended by what is no member", |len| {
        [&repeated(&member(&header(1_000_000)), len)[..], &[0]].concat()
    }),
    ("headers that all point into the middle of one member", |len| {
        let stream = headers(len, b"", |place| len - place);
        [&stream[..], &member(&vec![b'x'; len - stream.len() + 100])].concat()
    }),
    ("headers that each point into the middle of another member", |len| {
        headers(len, b"", |place| len / 2 + place % 997)
    }),
    ("frames in each other with one end, and one that runs on beyond it", |len| {
        let end = len / 10 * 10 + 10;
        let stream = headers(len, b"", |place| end - place);
        let last = [member(&wide_header(4)), member(b"yy")].concat();
        [&stream[..], &last[..]].concat()
    }),
    ("frames in each other, each with another one that runs on beyond it", |len| {
        let mut stream = headers(len / 2, b"", |place| len - 20 * place / 10);
        while stream.len() + 13 < len {
            stream.extend(member(&wide_header(20)));
        }
        stream
    }),
    ("frames with a header at their end, in members", |len| {
        let frame = [header(10), member(&wide_header(1_000_000))].concat();
        repeated(&member(&frame), len)
    }),
    ("frames between headers", |len| {
        let frame = [header(4), member(b"xx"), header(1_000_000)].concat();
        repeated(&member(&frame), len)
    }),
    ("groups that stay open", |len| {
        repeated(&member(&[&header(1 << 20)[..], &[0x7b]].concat()), len)
    }),
    ("groups in groups", |len| {
        let opened = [&[0x7b; 50][..], &repeated(&[0x7b, 0x7c], len / 2), &[0x7c; 50]].concat();
        [&repeated(&member(&header(1 << 20)), len / 2)[..], &opened].concat()
    }),
    ("a group around all", |len| {
        [&header(len)[..], &[0x7b], &repeated(&member(&header(1_000_000)), len)].concat()
    }),
    ("walks that do not meet", |len| {
        // Each candidate's first member ends at a different place.
        let mut stream = Vec::new();
        for index in 0..len / 40 {
            let mut skip = vec![0x7a];
            put_varint(&mut skip, (len / 4 + index * 7919 % (len / 4)) as u64);
            stream.extend([wide_header(len / 2 + index), skip].concat());
        }
        stream.resize(len, 0x10);
        stream
    }),
    ("empty frames", |len| repeated(&[header(0), vec![0]].concat(), len)),
    ("starts alone", |len| vec![0x1e; len]),
    ("headers in headers", |len| repeated(&[0x1e, 254, 8, 5, 0x7a, 200], len)),
    ("long headers", |len| {
        let long = [&[0x1e, 250, 8, 1][..], &[0x58, 0x1e].repeat(123), &[0x1f]].concat();
        repeated(&long, len)
    }),
];

/// Reads a stream in pieces; returns the work done.
fn work(stream: &[u8], piece: usize, rests: bool) -> u64 {
    let mut deframer = Deframer::new(LIMIT);
    let (mut start, mut end) = (0, 0);
    let mut ends = Vec::new();
    loop {
        end = (end + piece).min(stream.len());
        let more = match (end == stream.len(), rests) {
            (true, _) => More::Ended,
            (false, true) => More::Idle,
            (false, false) => More::Coming,
        };
        loop {
            start += deframer.next_run(&stream[start..end], 100, &mut ends);
            match deframer.next(&stream[start..end], more) {
                Step::Frame(done, _) | Step::Damage(done, _) => start += done,
                Step::Need(done, _) => {
                    start += done;
                    break;
                }
            }
        }
        if more == More::Ended {
            assert_eq!(start, stream.len());
            return deframer.work();
        }
    }
}

#[test]
fn work_grows_in_proportion_to_the_input() {
    const LEN: usize = 1 << 16;
    for (name, make) in HOSTILE {
        for (piece, rests) in [(usize::MAX / 2, false), (65_536, true), (4096, false), (100, true)]
        {
            let works = [LEN, 2 * LEN, 4 * LEN].map(|len| {
                let stream = make(len);
                let work = work(&stream, piece, rests);
                let most = STEPS_PER_BYTE * stream.len() as u64;
                assert!(work <= most, "{name}, {len} bytes in pieces of {piece}: {work} steps");
                work
            });
            // Quadratic work would be 16 times as much.
            assert!(works[2] <= 6 * works[0], "{name}, in pieces of {piece}: {works:?}");
        }
    }
}

#[test]
fn no_more_work_is_done_at_once_than_is_allowed() {
    const STEPS: u64 = 1000;
    for (name, make) in HOSTILE {
        let stream = make(1 << 17);
        let mut deframer = Deframer::new(LIMIT);
        let mut start = 0;
        while start < stream.len() {
            let before = deframer.work();
            deframer.allow(STEPS);
            match deframer.next(&stream[start..], More::Ended) {
                Step::Frame(done, _) | Step::Damage(done, _) => start += done,
                Step::Need(done, need) => {
                    start += done;
                    assert!(need == 0 || start == stream.len(), "{name}");
                }
            }
            let work = deframer.work() - before;
            // One message is followed as far as it is valid, or a search continues to the end.
            assert!((1..STEPS + stream.len() as u64).contains(&work), "{name}: {work} steps");
        }
    }
}
