// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each row of the page's table of cf's flags is run.

use heka_tests::playback::{Playback, Turn, frame, web_socket};
use heka_tests::require;

use crate::platform::{FRESH, GUID, Home, info, page, v1_counter, v2, v2_counter, v2_from};

/// Returns the commands of cf-tail in the table, without the text after them.
fn rows() -> Vec<String> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../man/cf-tail.1"));
    let page = page.expect("the page");
    let section = page.split(".Sh FLAGS OF CF\n").nth(1).expect("the table");
    let section = section.split("\n.Sh ").next().expect("its end");
    let commands = section.lines().filter_map(|line| line.split(" Ta Li \"").nth(1));
    commands.map(|command| command.split('"').next().unwrap_or(command).to_owned()).collect()
}

/// A row, the flags to run for it, and the platform's answer.
struct Row {
    text: &'static str,
    /// Placeholders and their values.
    values: &'static [(&'static str, &'static str)],
    turns: Vec<Turn>,
    /// Part of the last request.
    asked: &'static str,
    /// The whole output.
    expected: &'static str,
}

const A: &[(&str, &str)] = &[(" A", " dora")];
const HELLO: &str = "1970-01-01T00:00:01.00+0000 [APP/0] OUT hello\n";
const COUNTER: &str = "COUNTER requests:105\n";

fn found() -> Turn {
    Turn::http("200 OK", "", format!(r#"{{"resources":[{{"guid":"{GUID}"}}]}}"#)).open()
}

fn success() -> Turn {
    Turn::http("200 OK", "", r#"{"status":"success"}"#).open()
}

fn hello() -> String {
    v2("hello", 1_000_000_000)
}

/// Returns log-cache's answer for an app.
fn kept(envelopes: &[String]) -> Vec<Turn> {
    vec![found(), info(), page(envelopes)]
}

fn rows_of_logs() -> Vec<Row> {
    let both = |text, values, asked, expected| Row {
        text,
        values,
        turns: kept(&[hello()]),
        asked,
        expected,
    };
    vec![
        Row {
            text: "cf-tail A",
            values: &[(" A", " --max-count 1 dora")],
            turns: [kept(&[]), vec![page(&[hello()])]].concat(),
            asked: "start_time=",
            expected: HELLO,
        },
        both("cf-tail --recent A", A, "descending=true&", HELLO),
        both("cf-tail -n 10 --json A", &[(" A", " dora | jq -r .message")], "limit=10&", "hello\n"),
        both("cf-tail -j | jq", &[("-j | jq", "--recent -j dora | jq -r .message")], "", "hello\n"),
        both("cf-tail --start-time N", &[(" N", " 9 dora")], "start_time=9", HELLO),
        both("cf-tail --end-time N", &[(" N", " 2000000000 dora")], "end_time=2000000000", HELLO),
        Row {
            turns: kept(&[v2_from("at a\u{2028}at b", 1_000_000_000, (1, "APP"))]),
            ..both(
                "cf-tail --new-line=X",
                &[("=X", "=\\\\u2028 --recent -o payload dora")],
                "",
                "at a\nat b\n",
            )
        },
        Row {
            turns: [vec![found(), found()], kept(&[hello()])].concat(),
            ..both(
                "cf-tail --org O --space S A",
                &[("O", "o"), ("S A", "s --recent dora")],
                "",
                HELLO,
            )
        },
        Row {
            turns: [kept(&[hello()]), vec![page(&[hello(), v2("again", 2_000_000_000)])]].concat(),
            ..both(
                "cf-tail -n 10 -f -t any A",
                &[(" A", " --max-count 2 dora")],
                "start_time=",
                "1970-01-01T00:00:01.00+0000 [APP/0] OUT hello\n\
                 1970-01-01T00:00:02.00+0000 [APP/0] OUT again\n",
            )
        },
    ]
}

fn rows_of_metrics() -> Vec<Row> {
    let counter = |text, values, asked| Row {
        text,
        values,
        turns: kept(&[v2_counter()]),
        asked,
        expected: COUNTER,
    };
    let nothing = Turn::http("200 OK", "", r#"{"resources":[]}"#).open();
    let meta = Turn::http("200 OK", "", r#"{"meta":{"doppler":{"count":"7"}}}"#).open();
    let query = |text, values, asked| Row {
        text,
        values,
        turns: vec![info(), success()],
        asked,
        expected: "{\"status\":\"success\"}\n",
    };
    let stream = [frame(2, &v1_counter()), frame(8, b"\x03\xe8")].concat();
    vec![
        counter("cf-tail -n 10 -t any A", A, "descending=true&limit=10&"),
        counter(
            "cf-tail -n 10 -c metrics A",
            A,
            "envelope_types=COUNTER&envelope_types=GAUGE&envelope_types=TIMER&",
        ),
        Row {
            turns: kept(&[]),
            expected: "",
            ..counter("cf-tail -n 10 -t gauge A", A, "envelope_types=GAUGE&")
        },
        counter(
            "cf-tail --name-filter RE",
            &[("RE", "^req -n 10 -t any dora")],
            "name_filter=%5Ereq",
        ),
        Row {
            turns: vec![nothing, info(), page(&[v2_counter()])],
            ..counter("cf-tail --via log-cache -n 10 -t any doppler", &[], "/read/doppler?")
        },
        Row {
            turns: vec![info(), meta],
            expected: "doppler\t7\t0\t1970-01-01T00:00:00.000000000Z\t\
                       1970-01-01T00:00:00.000000000Z\t0.0\t\n",
            ..counter("cf-tail --meta", &[], "/meta")
        },
        query("cf-tail --query E", &[(" E", " up")], "/query?query=up"),
        query(
            "cf-tail --query E --start-time N --end-time N --step S",
            &[
                (" E", " up"),
                ("start-time N", "start-time 1500000000"),
                ("time N", "time 5000000000"),
                ("step S", "step 1s"),
            ],
            "/query_range?query=up&start=1.500&end=5.000&step=1s",
        ),
        Row {
            turns: vec![web_socket(stream)],
            ..counter("cf-tail --firehose ID", &[], "/firehose/ID")
        },
    ]
}

#[test]
fn each_row_does_what_it_says() {
    if !require("jq") {
        return;
    }
    let all: Vec<Row> = rows_of_logs().into_iter().chain(rows_of_metrics()).collect();
    let mut known: Vec<_> = all.iter().map(|row| row.text.to_owned()).collect();
    let mut told = rows();
    told.sort();
    known.sort();
    assert_eq!(told, known, "the page's rows and the ones that are run");
    let mut wrong = Vec::new();
    for Row { text, values, turns, asked, expected } in all {
        let typed =
            values.iter().fold(text.to_owned(), |line, (word, value)| line.replace(word, value));
        let server = Playback::new(turns);
        let outcome = Home::of(&server, FRESH).sh(&typed).run();
        let out = outcome.out();
        // Metrics begin with the time and the source.
        let is_right = if expected == COUNTER { out.ends_with(COUNTER) } else { out == expected };
        let requests = server.requests();
        let is_asked = requests.last().is_some_and(|last| last.contains(asked));
        if !(is_right && is_asked && outcome.status.success()) {
            wrong.push(format!("{text}: {requests:?}\n{outcome}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
