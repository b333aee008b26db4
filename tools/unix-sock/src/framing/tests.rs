// SPDX-License-Identifier: MIT OR Apache-2.0
//! Framings against what tremor reads, and against any cutting.

use proptest::prelude::*;

use super::*;

const LINES: Framing = Framing::Delimited(b'\n');
const ALL: [Framing; 6] = [
    LINES,
    Framing::Delimited(0),
    Framing::Length(2),
    Framing::Length(4),
    Framing::Length(8),
    Framing::OctetCount,
];

/// Records and complaints of a stream that arrives in pieces of `piece` bytes.
fn split(
    framing: Framing,
    limit: usize,
    bytes: &[u8],
    piece: usize,
) -> (Vec<Vec<u8>>, Vec<String>) {
    let mut splitter = Splitter::new(framing, limit);
    let (mut records, mut complaints, mut buffer) = (Vec::new(), Vec::new(), Vec::new());
    let pieces = bytes.chunks(piece.max(1)).map(|piece| (piece, More::Coming));
    for (piece, more) in pieces.chain([(&[][..], More::Ended)]) {
        buffer.extend_from_slice(piece);
        loop {
            let done = match splitter.next(&buffer, more) {
                Found::Record(done, record) => {
                    records.push(record.to_vec());
                    done
                }
                Found::Lost(done, cause) => {
                    complaints.push(cause);
                    done
                }
                Found::Broken(cause) => {
                    complaints.push(cause);
                    return (records, complaints);
                }
                Found::Partial(done) => {
                    buffer.drain(..done);
                    break;
                }
            };
            buffer.drain(..done);
        }
    }
    assert!(buffer.is_empty(), "{buffer:?} left");
    (records, complaints)
}

/// The same for one piece and for single bytes.
fn records(framing: Framing, bytes: &[u8]) -> Vec<Vec<u8>> {
    let whole = split(framing, 1 << 20, bytes, bytes.len());
    assert_eq!(whole, split(framing, 1 << 20, bytes, 1));
    assert_eq!(whole.1, Vec::<String>::new());
    whole.0
}

#[test]
fn the_last_record_needs_no_delimiter() {
    assert_eq!(records(LINES, b"alpha\n\nbeta"), [&b"alpha"[..], b"", b"beta"]);
    assert_eq!(records(Framing::Delimited(b'|'), b"a|b|"), [b"a", b"b"]);
}

#[test]
fn an_empty_last_record_is_one() {
    assert_eq!(
        records(Framing::Length(8), b"\0\0\0\0\0\0\0\x05alpha\0\0\0\0\0\0\0\0"),
        [&b"alpha"[..], b""]
    );
    assert_eq!(records(Framing::OctetCount, b"9 two\nlines0 1 x"), [&b"two\nlines"[..], b"", b"x"]);
}

#[test]
fn a_record_over_the_limit_costs_no_neighbour() {
    for piece in [1, 7, 100] {
        let (good, complaints) = split(LINES, 10, b"ok\n012345678901234\nshort\n", piece);
        assert_eq!(good, [&b"ok"[..], b"short"]);
        assert_eq!(complaints, ["offset 3: record over 10 bytes skipped"]);
        let (good, complaints) = split(Framing::Length(2), 3, b"\0\x04abcd\0\x01x", piece);
        assert_eq!(good, [b"x"]);
        assert_eq!(complaints.len(), 1);
    }
}

#[test]
fn a_length_of_two_to_the_64_costs_no_memory() {
    let (good, complaints) = split(Framing::Length(8), 1 << 20, &[0xff; 4000], 100);
    assert!(good.is_empty());
    assert_eq!(complaints, ["offset 0: record over 1048576 bytes skipped"]);
}

#[test]
fn what_is_cut_off_is_told() {
    let (good, complaints) = split(Framing::Length(4), 99, b"\0\0\0\x05abc", 2);
    assert!(good.is_empty());
    assert_eq!(complaints, ["offset 0: cut off, 7 bytes of a record lost"]);
}

#[test]
fn no_digits_are_no_octet_count() {
    for text in [&b"x"[..], b"12x", b" 5 alpha", b"123456789012345678901 "] {
        let (good, complaints) = split(Framing::OctetCount, 99, text, 3);
        assert!(good.is_empty() && complaints.len() == 1, "{text:?}: {complaints:?}");
    }
}

#[test]
fn a_length_must_fit() {
    assert!(Framing::Length(2).put(&mut Vec::new(), &[0; 65_535]).is_ok());
    assert!(Framing::Length(2).put(&mut Vec::new(), &[0; 65_536]).is_err());
}

#[test]
fn a_lost_connection_begins_the_cut_record_again() {
    assert_eq!(LINES.record_start(b"one\ntwo\nthree\n", 6), 4);
    assert_eq!(LINES.record_start(b"one\n", 2), 0);
    assert_eq!(Framing::Length(4).record_start(b"\0\0\0\x01x", 3), 0);
    assert_eq!(Framing::None.record_start(b"abc", 2), 2);
}

proptest! {
    #[test]
    fn what_was_put_is_found(
        wanted in prop::collection::vec(prop::collection::vec(1..=255u8, 0..40), 0..20),
        piece in 1..60usize,
        which in 0..ALL.len(),
    ) {
        let framing = ALL[which];
        let mut wanted = wanted;
        if framing == LINES {
            wanted.iter_mut().flatten().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b' ');
        }
        let mut bytes = Vec::new();
        for record in &wanted {
            framing.put(&mut bytes, record).unwrap();
        }
        prop_assert_eq!(split(framing, 1000, &bytes, piece), (wanted, Vec::new()));
    }

    #[test]
    fn any_bytes_in_any_pieces_are_read_alike(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        piece in 1..60usize,
        which in 0..ALL.len(),
    ) {
        let found = split(ALL[which], 20, &bytes, piece);
        let whole = split(ALL[which], 20, &bytes, bytes.len());
        prop_assert_eq!(found.0, whole.0);
        prop_assert_eq!(found.1.len(), whole.1.len());
    }
}
