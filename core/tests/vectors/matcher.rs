// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compares the matcher with Go Heka's and `lua_sandbox`'s (tests/vectors/ORIGIN.md): every
//! recorded expression, and the reason for each difference.

use std::path::Path;

use heka_core::codec::Matcher;
use heka_core::wire::{Deframer, MessageView, More, Step};

fn vector(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors").join(name);
    std::fs::read(path).unwrap()
}

fn rows(name: &str) -> Vec<Vec<String>> {
    let text = String::from_utf8(vector(name)).unwrap();
    let split = |line: &str| line.split('\t').map(str::to_owned).collect();
    text.lines().map(split).collect()
}

fn each_message(stream: &[u8], mut look: impl FnMut(&MessageView<'_>)) {
    let mut deframer = Deframer::new(1 << 22);
    let mut at = 0;
    loop {
        match deframer.next(&stream[at..], More::Ended) {
            Step::Frame(done, frame) => {
                at += done;
                look(&frame.view);
            }
            Step::Damage(_, damage) => panic!("{damage}"),
            Step::Need(..) => return,
        }
    }
}

/// Returns how many messages satisfy an expression; `None` if it is rejected.
fn count(text: &str, stream: &[u8]) -> Option<u64> {
    let matcher = Matcher::new(text).ok()?;
    let mut count = 0;
    each_message(stream, |message| count += u64::from(matcher.is_match(message)));
    Some(count)
}

/// An expression, Go's count and ours (`None`: rejected), and the reason for the difference.
type Difference = (&'static str, Option<u64>, Option<u64>, &'static str);

const ABSENT: &str = "an absent header is not an empty one: == NIL asks for it";
const TWO: &str = "two expressions side by side: Heka obeys the last alone";

const DIFFERENCES_FROM_GO: [Difference; 25] = [
    ("Type == NIL", None, Some(125), "headers can be NIL"),
    ("Type != NIL", None, Some(875), "headers can be NIL"),
    ("<NL>TRUE", None, Some(1000), "a newline is white space"),
    ("FALSE TRUE", Some(1000), None, TWO),
    ("Type == 'TEST' Severity == 4", Some(112), None, TWO),
    ("TRUE(TRUE)", Some(1000), None, TWO),
    ("TRUE 'unterminated", Some(1000), None, "Heka ends at what it cannot read"),
    ("TRUE Fields", Some(1000), None, "Heka ends at what it cannot read"),
    ("!TRUE", None, Some(0), "! negates"),
    ("!(Type == 'TEST')", Some(125), Some(875), "Heka drops the !"),
    ("Type == \"\"", Some(250), Some(125), ABSENT),
    ("Type =~ //", Some(1000), Some(875), ABSENT),
    ("Type =~ /$/", Some(1000), Some(875), ABSENT),
    ("Type == ''", Some(250), Some(125), ABSENT),
    ("Hostname == ''", Some(222), Some(111), ABSENT),
    ("Payload == ''", Some(98), Some(49), ABSENT),
    ("Pid != 0", Some(714), Some(857), "an absent pid is not 0"),
    ("Severity == -1", None, Some(10), "numbers have signs"),
    ("Severity == 7-0", Some(112), None, "Heka reads a bad number as 0"),
    ("Severity == 1.2.3", Some(112), None, "Heka reads a bad number as 0"),
    ("Severity == 4e400", Some(112), Some(0), "a number too large is infinite, not 0"),
    ("Fields[bool] != TRUE", None, Some(40), "truth can be compared by !="),
    ("Fields[boolstr] == TRUE", Some(40), Some(0), "the text TRUE is no truth value"),
    ("Fields[bool] == 'x'", Some(40), Some(0), "in Heka FALSE is equal to any text"),
    ("Fields[bool] > 5", Some(40), Some(0), "in Heka FALSE is anything to any number"),
];

#[test]
fn expressions_of_heka_mean_what_they_mean_there() {
    let stream = vector("small.heka");
    let recorded =
        rows("matcher/heka-syntax.tsv").into_iter().chain(rows("matcher/heka-counts.tsv"));
    let mut differences = 0;
    for row in recorded {
        let theirs = (row[0] == "ACCEPT").then(|| row[1].parse::<u64>().unwrap());
        let ours = count(&row[2].replace("<NL>", "\n").replace("<TAB>", "\t"), &stream);
        match DIFFERENCES_FROM_GO.iter().find(|(text, ..)| *text == row[2]) {
            Some((text, go, expected, why)) => {
                assert_eq!((&ours, &theirs), (expected, go), "{text}: {why}");
                differences += 1;
            }
            None => assert_eq!(ours, theirs, "{}", row[2]),
        }
    }
    assert_eq!(differences, DIFFERENCES_FROM_GO.len());
}

/// Number of the row, our results for the five messages (`-`: rejected), and the reason for the
/// difference.
const DIFFERENCES_FROM_SANDBOX: [(&str, &str, &str); 15] = [
    ("190", "TTTTT", "a ) forgets what stood before the (: mended"),
    ("194", "TTTTT", "a ) forgets what stood before the (: mended"),
    ("208", "FFFFF", "! negates"),
    ("288", "TFFFF", "numbers are read as in Heka"),
    ("290", "FFFFF", "numbers are read as in Heka"),
    ("322", "FFFTT", "the sign of an offset was applied the wrong way round: mended"),
    ("324", "FFFTT", "RFC 3339 offsets have a colon"),
    ("352", "FFFFF", "indices leaked from one test into the next: mended"),
    ("358", "TFFFF", "indices leaked from one test into the next: mended"),
    ("364", "TFFFF", "indices leaked from one test into the next: mended"),
    ("412", "TTTTT", "indices have no limit, as in Heka"),
    ("414", "TTTTT", "some indices were refused by a slip: mended"),
    ("418", "FTFTT", "indices may begin with 0, as in Heka"),
    ("422", "FFFFT", "values that are not packed were misread: mended"),
    ("434", "FFFFF", "long field names wrapped round: mended"),
];

#[test]
fn expressions_of_the_sandbox_mean_what_they_mean_there() {
    let stream = vector("matcher/sandbox-messages.heka");
    let mut differences = 0;
    for row in rows("matcher/sandbox-outcomes.tsv").into_iter().skip(1) {
        let letter = |truth: &str| match truth {
            "true" => 'T',
            "false" => 'F',
            _ => '-',
        };
        let theirs: String = row[2..7].iter().map(|truth| letter(truth)).collect();
        let mut ours = String::new();
        match Matcher::new(&row[7].replace("\\t", "\t")) {
            Ok(matcher) => each_message(&stream, |message| {
                ours.push(if matcher.is_match(message) { 'T' } else { 'F' });
            }),
            Err(_) => ours.push_str("-----"),
        }
        match DIFFERENCES_FROM_SANDBOX.iter().find(|(number, ..)| *number == row[0]) {
            Some((number, expected, why)) => {
                assert_eq!(ours, *expected, "{number}: {why}");
                assert_ne!(ours, theirs, "{number} is no difference");
                differences += 1;
            }
            None => assert_eq!(ours, theirs, "row {}: {}", row[0], row[7]),
        }
    }
    assert_eq!(differences, DIFFERENCES_FROM_SANDBOX.len());
}

#[test]
fn operators_bind_as_in_logic() {
    for row in rows("matcher/sandbox-precedence.tsv").into_iter().skip(1) {
        let matcher = Matcher::new(&row[0]).unwrap();
        assert_eq!(matcher.is_match(&MessageView::default()).to_string(), row[2], "{}", row[0]);
    }
}
