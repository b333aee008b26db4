// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compares framings and limits with simple models, for all ways to cut a stream into pieces.

use std::cell::Cell;

use proptest::prelude::*;

use super::*;

thread_local! {
    static SEARCHED: Cell<usize> = const { Cell::new(0) };
}

/// Number of bytes searched.
pub(super) fn count_searched(len: usize) {
    SEARCHED.with(|searched| searched.set(searched.get() + len));
}

/// Returns the number of bytes searched by `work`.
pub(super) fn searched_by(work: impl FnOnce()) -> usize {
    SEARCHED.set(0);
    work();
    SEARCHED.get()
}

const LINES: Framing = Framing::Delimited(b'\n');
const FRAMINGS: [Framing; 10] = [
    LINES,
    Framing::Delimited(0),
    Framing::Counted(b'\n', 2),
    Framing::Length(Width::Bits16),
    Framing::Length(Width::Bits32),
    Framing::Length(Width::Bits64),
    Framing::LengthLe(Width::Bits32),
    Framing::Docker,
    Framing::OctetCount,
    Framing::Whole,
];
const OVERSIZES: [Oversize; 3] = [Oversize::Split, Oversize::Truncate, Oversize::Drop];

fn limit(size: usize, oversize: Oversize) -> Limit {
    Limit { size, oversize }
}

fn splitter(framing: Framing, size: usize, oversize: Oversize) -> Splitter {
    Splitter::new(framing, limit(size, oversize))
}

/// The result of a walk: records with ends and parts, and reported damage.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    records: Vec<(String, Part)>,
    texts: Vec<Vec<u8>>,
    complaints: Vec<String>,
    left: usize,
}

/// Feeds pieces one after the other; `last` follows the last one.
fn walk<'p>(
    splitter: &Splitter,
    pieces: impl IntoIterator<Item = &'p [u8]>,
    last: More,
) -> Outcome {
    let (mut held, mut progress, mut outcome) =
        (Vec::new(), Progress::default(), Outcome::default());
    let mut pieces = pieces.into_iter().peekable();
    while let Some(piece) = pieces.next() {
        held.extend_from_slice(piece);
        let more = if pieces.peek().is_some() { More::Coming } else { last };
        let mut records = splitter.records(&held, &mut progress, more);
        for found in records.by_ref() {
            match found {
                Found::Record(record) => {
                    let text = String::from_utf8_lossy(record.whole).into_owned();
                    outcome.records.push((text, record.part));
                    outcome.texts.push(record.text.to_vec());
                }
                Found::Frame(frame) => outcome.texts.push(frame.bytes.to_vec()),
                Found::Damage(damage) => outcome.complaints.push(damage.to_string()),
            }
        }
        let done = records.done();
        held.drain(..done);
    }
    outcome.left = held.len();
    if last == More::Ended {
        assert_eq!(held, b"");
    }
    outcome
}

/// Returns the records of one piece, with their delimiters.
fn whole(splitter: &Splitter, text: &str, last: More) -> Vec<String> {
    let outcome = walk(splitter, [text.as_bytes()], last);
    outcome.records.into_iter().map(|(text, _)| text).collect()
}

/// Returns the records of `bytes`, which must be the same in one piece and byte by byte, without
/// damage.
fn texts(framing: Framing, bytes: &[u8]) -> Vec<Vec<u8>> {
    let splitter = splitter(framing, 1 << 20, Oversize::Drop);
    let whole = walk(&splitter, [bytes], More::Ended);
    assert_eq!(whole.texts, walk(&splitter, bytes.chunks(1), More::Ended).texts);
    assert_eq!(whole.complaints, Vec::<String>::new());
    whole.texts
}

#[test]
fn lines_keep_their_ends() {
    let splitter = splitter(LINES, 100, Oversize::Split);
    assert_eq!(whole(&splitter, "a\n\nb", More::Coming), ["a\n", "\n"]);
    assert_eq!(whole(&splitter, "a\n\nb", More::Ended), ["a\n", "\n", "b"]);
}

#[test]
fn the_last_record_needs_no_delimiter() {
    assert_eq!(texts(LINES, b"alpha\n\nbeta"), [&b"alpha"[..], b"", b"beta"]);
    assert_eq!(texts(Framing::Delimited(b'|'), b"a|b|"), [b"a", b"b"]);
}

#[test]
fn a_count_makes_records_of_several_lines() {
    let splitter = splitter(Framing::Counted(b';', 2), 100, Oversize::Split);
    assert_eq!(whole(&splitter, "a;b;c;d", More::Ended), ["a;b;", "c;d"]);
}

#[test]
fn an_empty_last_record_is_one() {
    assert_eq!(
        texts(Framing::Length(Width::Bits64), b"\0\0\0\0\0\0\0\x05alpha\0\0\0\0\0\0\0\0"),
        [&b"alpha"[..], b""]
    );
    assert_eq!(texts(Framing::OctetCount, b"9 two\nlines0 1 x"), [&b"two\nlines"[..], b"", b"x"]);
}

#[test]
fn a_record_of_exactly_the_limit_is_one_record() {
    for oversize in OVERSIZES {
        for size in 1..9 {
            let outcome =
                walk(&splitter(LINES, 4, oversize), b"abcd\nab\nabcd".chunks(size), More::Ended);
            assert_eq!(outcome.texts, [&b"abcd"[..], b"ab", b"abcd"], "{size}");
            assert_eq!(outcome.complaints, Vec::<String>::new());
        }
        let framing = Framing::Counted(b';', 2);
        let outcome = walk(&splitter(framing, 4, oversize), [&b"ab;c;x"[..]], More::Ended);
        assert_eq!(
            (outcome.texts, outcome.complaints.len()),
            (vec![b"ab;c".to_vec(), b"x".to_vec()], 0)
        );
    }
}

#[test]
fn records_over_the_limit_are_split_truncated_or_dropped_in_any_pieces() {
    for size in 1..12 {
        let outcome = |oversize| {
            let text = b"ab\n\n123456789\ncd\nefghi";
            walk(&splitter(LINES, 4, oversize), text.chunks(size), More::Ended)
        };
        let split = outcome(Oversize::Split);
        assert_eq!(
            split.texts,
            [&b"ab"[..], b"", b"1234", b"5678", b"9", b"cd", b"efgh", b"i"],
            "{size}"
        );
        let pieces = |part| split.records.iter().filter(|(_, found)| *found == part).count();
        assert_eq!((pieces(Part::Piece), pieces(Part::Whole)), (3, 5));
        let truncated = outcome(Oversize::Truncate).texts;
        assert_eq!(truncated, [&b"ab"[..], b"", b"1234", b"cd", b"efgh"], "{size}");
        let dropped = outcome(Oversize::Drop);
        assert_eq!(dropped.texts, [&b"ab"[..], b"", b"cd"], "{size}");
        // Each is reported once, whatever the treatment.
        for (oversize, word) in OVERSIZES.into_iter().zip(["split", "truncated", "dropped"]) {
            let complaints = outcome(oversize).complaints;
            let starts = |text: &str, offset: u64| {
                text.starts_with(&format!(
                    "offset {offset}: record longer than 4 bytes, {word}: \""
                ))
            };
            assert_eq!(complaints.len(), 2, "{complaints:?}");
            assert!(starts(&complaints[0], 4) && starts(&complaints[1], 17), "{complaints:?}");
        }
    }
}

#[test]
fn a_whole_stream_is_a_record_within_the_limit() {
    for size in 1..6 {
        let outcome = |oversize| {
            walk(&splitter(Framing::Whole, 4, oversize), b"a\nb\nc".chunks(size), More::Ended).texts
        };
        assert_eq!(outcome(Oversize::Split), [&b"a\nb\n"[..], b"c"], "{size}");
        assert_eq!(outcome(Oversize::Truncate), [b"a\nb\n"], "{size}");
        assert_eq!(outcome(Oversize::Drop), Vec::<Vec<u8>>::new(), "{size}");
    }
    let splitter = splitter(Framing::Whole, 2, Oversize::Truncate);
    let mut progress = Progress::default();
    assert_eq!(splitter.records(b"abcde", &mut progress, More::Coming).count(), 2);
    assert!(splitter.has_all(&progress));
}

#[test]
fn characters_are_not_cut_in_two() {
    let text = |text: &str, oversize| {
        walk(&splitter(LINES, 4, oversize), [text.as_bytes()], More::Ended).texts
    };
    assert_eq!(text("äöü\n", Oversize::Split), ["äö".as_bytes(), "ü".as_bytes()]);
    assert_eq!(text("aäöü", Oversize::Truncate), ["aä".as_bytes()]);
}

#[test]
fn a_length_over_the_limit_costs_no_neighbour_and_no_memory() {
    for size in [1, 7, 100] {
        let narrow = splitter(Framing::Length(Width::Bits16), 3, Oversize::Split);
        let outcome = walk(&narrow, b"\0\x04abcd\0\x01x".chunks(size), More::Ended);
        assert_eq!((outcome.texts, outcome.complaints.len()), (vec![b"x".to_vec()], 1));
    }
    let wide = splitter(Framing::Length(Width::Bits64), 1 << 20, Oversize::Drop);
    let outcome = walk(&wide, [0xff; 4000].chunks(100), More::Ended);
    assert!(outcome.texts.is_empty());
    assert!(
        outcome.complaints[0].starts_with("offset 0: record longer than 1048576 bytes, dropped")
    );
    assert_eq!(outcome.complaints.len(), 1);
}

#[test]
fn what_is_cut_off_or_has_no_length_is_told() {
    let told = |framing, text: &[u8]| {
        let outcome = walk(&splitter(framing, 99, Oversize::Drop), text.chunks(2), More::Ended);
        assert!(outcome.texts.is_empty());
        outcome.complaints
    };
    let cut = told(Framing::Length(Width::Bits32), b"\0\0\0\x05abc");
    assert_eq!(cut, ["offset 0: cut off, 7 bytes of a record lost"]);
    for text in [&b"x"[..], b"12x", b" 5 alpha", b"123456789012345678901 "] {
        let complaints = told(Framing::OctetCount, text);
        assert!(!complaints.is_empty() && complaints[0].contains("length"), "{complaints:?}");
    }
}

#[test]
fn frames_are_found_and_damage_is_told() {
    let mut stream = b"junk".to_vec();
    crate::wire::put_frame(&mut stream, crate::wire::Header::default(), b"\x32\x01x").unwrap();
    let outcome = walk(&splitter(Framing::Heka, 99, Oversize::Drop), stream.chunks(3), More::Ended);
    assert_eq!(outcome.texts, [&stream[4..]]);
    assert_eq!(outcome.complaints, ["offset 0: not a frame, 4 bytes skipped"]);
}

#[test]
fn whole_records_are_taken_at_a_glance() {
    let lines = splitter(LINES, 8, Oversize::Drop);
    let mut progress = Progress::default();
    let mut glance = |data| {
        let mut records = lines.records(data, &mut progress, More::Coming);
        records.whole().map(<[u8]>::len)
    };
    assert_eq!(glance(b"a\nb\nc"), Some(4));
    assert_eq!(glance(b"c"), Some(0));
    assert_eq!(glance(b"cd\ne"), Some(3));
    assert_eq!(glance(b"123456789"), None);
}

#[test]
fn no_byte_of_a_long_record_is_searched_twice() {
    let line = vec![b'x'; 1 << 20];
    for framing in [LINES, Framing::Counted(b'\n', 3), Framing::Whole] {
        for (size, oversize) in
            [(usize::MAX, Oversize::Split), (1000, Oversize::Split), (1000, Oversize::Drop)]
        {
            SEARCHED.with(|searched| searched.set(0));
            let outcome = walk(&splitter(framing, size, oversize), line.chunks(4096), More::Ended);
            let searched = SEARCHED.with(Cell::get);
            assert!(searched <= line.len(), "{framing:?} {size} {oversize:?}: {searched}");
            let kept: usize = outcome.texts.iter().map(Vec::len).sum();
            assert!(oversize == Oversize::Drop || kept == line.len());
        }
    }
}

#[cfg(feature = "regex")]
mod patterns {
    use super::*;

    fn by(pattern: &str, at: At, size: usize) -> Splitter {
        Splitter::by_pattern(Pattern::new(pattern, at).unwrap(), limit(size, Oversize::Split))
    }

    fn lines(size: usize, oversize: Oversize, group: (Option<&str>, Option<&str>)) -> Splitter {
        let regex =
            |text: Option<&str>| text.map(|text| crate::codec::regular::compile(text).unwrap());
        let group = Group { start: regex(group.0), continuation: regex(group.1) };
        splitter(LINES, size, oversize).grouped(group)
    }

    fn arriving(splitter: &Splitter, pieces: &[&str], last: More) -> Vec<String> {
        let pieces = pieces.iter().map(|piece| piece.as_bytes());
        walk(splitter, pieces, last).records.into_iter().map(|(text, _)| text).collect()
    }

    #[test]
    fn a_regex_at_the_end_keeps_its_group_only() {
        assert_eq!(whole(&by("[;,]", At::End, 100), "a;b,c", More::Ended), ["a", "b", "c"]);
        assert_eq!(whole(&by("(;)\n", At::End, 100), "a;\nb;\n", More::Ended), ["a;", "b;"]);
    }

    #[test]
    fn a_delimiter_that_may_go_on_is_waited_for() {
        let several = by("\n+", At::End, 8);
        assert_eq!(arriving(&several, &["a\n", "\nb\n"], More::Coming), ["a"]);
        assert_eq!(arriving(&several, &["a\n", "\nb\n"], More::Idle), ["a", "b"]);
        assert_eq!(arriving(&several, &["a\n", "\n", "\n"], More::Ended), ["a"]);
        // But not beyond the limit, or memory would grow.
        assert_eq!(arriving(&several, &["12345678\n"], More::Coming), ["12345678"]);
        // A delimiter of known length is not waited for.
        let one = by("(\r)\n", At::End, 8);
        assert!(several.holds_back() && !one.holds_back());
        assert_eq!(whole(&one, "a\r\n", More::Coming), ["a\r"]);
    }

    #[test]
    fn a_delimiter_behind_a_record_of_exactly_the_limit_is_waited_for() {
        for size in 1..7 {
            let outcome =
                walk(&by("\r\n", At::End, 4), b"abcd\r\nabcde\r\n".chunks(size), More::Ended);
            assert_eq!(outcome.texts, [&b"abcd"[..], b"abcd", b"e"], "{size}");
            assert_eq!(outcome.complaints.len(), 1);
        }
    }

    #[test]
    fn a_cut_delimiter_ends_a_record_that_is_left_out() {
        for size in 1..9 {
            let pattern = Pattern::new("\r\n--", At::End).unwrap();
            let splitter = Splitter::by_pattern(pattern, limit(4, Oversize::Drop));
            let outcome = walk(&splitter, b"abcdefghijkl\r\n--ok\r\n--".chunks(size), More::Ended);
            assert_eq!(outcome.texts, [b"ok"], "{size}");
        }
    }

    #[test]
    fn a_regex_at_the_start_begins_the_next_record() {
        let text = "# a\nb\n# c\n";
        assert_eq!(whole(&by("(# )", At::Start, 100), text, More::Coming), ["# a\nb\n"]);
        assert_eq!(whole(&by("\n(# )", At::Start, 100), text, More::Ended), ["# a\nb", "# c\n"]);
    }

    #[test]
    fn groups_end_where_the_next_begins_or_time_is_up() {
        let splitter = lines(100, Oversize::Split, (Some("^[0-9]"), None));
        let text = "1 a\n at\n at\n2 b\n";
        assert_eq!(whole(&splitter, text, More::Coming), ["1 a\n at\n at\n"]);
        assert_eq!(whole(&splitter, text, More::Idle), ["1 a\n at\n at\n", "2 b\n"]);
        assert_eq!(whole(&splitter, "1 a\n at\n 2", More::Idle), ["1 a\n at\n"]);
        assert_eq!(whole(&splitter, "1 a\n at\n 2", More::Ended), ["1 a\n at\n 2"]);
        let splitter = lines(100, Oversize::Split, (None, Some("^ ")));
        assert_eq!(whole(&splitter, "a\n at\nb\n", More::Idle), ["a\n at\n", "b\n"]);
    }

    #[test]
    fn a_group_over_the_limit_is_split_between_its_lines_and_told_once() {
        let splitter = lines(6, Oversize::Drop, (Some("^S"), None));
        for size in 1..17 {
            let text = b"S1\nab\ncd\nef\ngh\nS2\n";
            let outcome = walk(&splitter, text.chunks(size), More::Idle);
            let records: Vec<&str> =
                outcome.records.iter().map(|(text, _)| text.as_str()).collect();
            assert_eq!(records, ["S1\nab\n", "cd\nef\n", "gh\n", "S2\n"], "{size}");
            assert_eq!(outcome.complaints.len(), 1, "{size}: {:?}", outcome.complaints);
        }
    }

    #[test]
    fn the_work_on_a_long_record_is_in_proportion() {
        let line = "x".repeat(1 << 20);
        let grouped = "x\n".repeat(1 << 19);
        let blank = " ".repeat(1 << 20) + "{}";
        for (splitter, text) in [
            (by("\r?\n", At::End, usize::MAX), &line),
            (by("(;)\r\n", At::End, usize::MAX), &line),
            (by("\n+", At::End, usize::MAX), &line),
            (by("\n(# )", At::Start, usize::MAX), &line),
            (by("\n(#+ )", At::Start, usize::MAX), &line),
            (lines(usize::MAX, Oversize::Split, (Some("^S"), None)), &grouped),
            (Splitter::json(Limit { size: usize::MAX, oversize: Oversize::Split }), &blank),
        ] {
            SEARCHED.with(|searched| searched.set(0));
            let outcome = walk(&splitter, text.as_bytes().chunks(4096), More::Ended);
            let searched = SEARCHED.with(Cell::get);
            assert!(searched <= 5 * text.len(), "{splitter:?}: {searched}");
            assert_eq!(outcome.texts.concat().len(), text.trim_end().len());
        }
    }

    proptest! {
        #[test]
        fn patterns_are_found_in_any_pieces(
            text in "[ab\\r\\n#]{0,60}",
            piece in 1..20usize,
            size in 1..30usize,
            which in 0..4usize,
            oversize in 0..3usize,
        ) {
            let (pattern, at) = [
                ("\r?\n", At::End), ("(#)\n", At::End), ("\n(#)", At::Start), ("a|ab", At::End)
            ][which];
            let pattern = Pattern::new(pattern, at).unwrap();
            let splitter = Splitter::by_pattern(pattern, limit(size, OVERSIZES[oversize]));
            let whole = walk(&splitter, [text.as_bytes()], More::Ended);
            let pieces = walk(&splitter, text.as_bytes().chunks(piece), More::Ended);
            prop_assert_eq!(whole.texts, pieces.texts);
        }
    }
}

/// A simple model of lines and the treatment of those over the limit.
fn model(text: &[u8], size: usize, oversize: Oversize) -> Vec<Vec<u8>> {
    let mut lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
    if lines.last() == Some(&&b""[..]) {
        lines.pop();
    }
    let mut records = Vec::new();
    for mut line in lines {
        if line.len() > size && oversize == Oversize::Drop {
            continue;
        }
        while line.len() > size {
            let (piece, rest) = line.split_at(cut(line, size));
            records.push(piece.to_vec());
            line = rest;
            if oversize == Oversize::Truncate {
                break;
            }
        }
        if oversize == Oversize::Split || line.len() <= size && records.last().is_none_or(|_| true)
        {
            records.push(line.to_vec());
        }
    }
    records
}

proptest! {
    #[test]
    fn lines_are_those_of_the_model(
        text in prop::collection::vec(prop::sample::select(&b"ab\n\xc3\xa4"[..]), 0..80),
        piece in 1..30usize,
        size in 1..20usize,
    ) {
        let found = walk(&splitter(LINES, size, Oversize::Split), text.chunks(piece), More::Ended);
        prop_assert_eq!(found.texts, model(&text, size, Oversize::Split));
        let found = walk(&splitter(LINES, size, Oversize::Drop), text.chunks(piece), More::Ended);
        prop_assert_eq!(found.texts, model(&text, size, Oversize::Drop));
    }

    #[test]
    fn what_was_put_is_found(
        wanted in prop::collection::vec(prop::collection::vec(1..=255u8, 0..40), 0..20),
        piece in 1..60usize,
        which in prop::sample::select(&[0, 1, 3, 4, 5, 6, 7, 8][..]),
    ) {
        let framing = FRAMINGS[which];
        let mut wanted = wanted;
        if framing == LINES {
            wanted.iter_mut().flatten().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b' ');
        }
        let mut bytes = Vec::new();
        for record in &wanted {
            framing.put(&mut bytes, record).unwrap();
        }
        let found = walk(&splitter(framing, 1000, Oversize::Drop), bytes.chunks(piece), More::Ended);
        prop_assert_eq!(found.texts, wanted);
        prop_assert_eq!(found.complaints.len(), 0);
    }

    #[test]
    fn any_bytes_in_any_pieces_are_read_alike(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        piece in 1..60usize,
        which in 0..FRAMINGS.len(),
        oversize in 0..3usize,
    ) {
        let splitter = splitter(FRAMINGS[which], 20, OVERSIZES[oversize]);
        let found = walk(&splitter, bytes.chunks(piece), More::Ended);
        let whole = walk(&splitter, [&bytes[..]], More::Ended);
        prop_assert_eq!(found.texts, whole.texts);
        prop_assert_eq!(found.complaints.len(), whole.complaints.len());
    }
}

#[test]
fn each_syslog_message_is_framed_as_its_sender_chose() {
    let stream = b"<34>one\n8 <34>a\nb\n<34>two\n7 <34>x\ny10 years\n3 <1";
    for len in 1..=stream.len() {
        let splitter =
            Splitter::new(Framing::Syslog, Limit { size: 100, oversize: Oversize::Split });
        let mut progress = Progress::default();
        let (mut found, mut start, mut end) = (Vec::new(), 0, 0);
        while start < stream.len() {
            end = (end + len).min(stream.len());
            let more = if end == stream.len() { More::Ended } else { More::Coming };
            let mut records = splitter.records(&stream[start..end], &mut progress, more);
            for what in records.by_ref() {
                found.push(match what {
                    Found::Record(record) => String::from_utf8_lossy(record.text).into_owned(),
                    other => format!("{other:?}").split('(').next().unwrap().to_owned(),
                });
            }
            start += records.done();
        }
        let expected = ["<34>one", "<34>a\nb\n", "<34>two", "<34>x\ny", "10 years", "Damage"];
        assert_eq!(found, expected, "by {len}");
    }
}
