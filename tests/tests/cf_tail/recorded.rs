// SPDX-License-Identifier: MIT OR Apache-2.0
//! cf-tail with everything that real servers of five generations once sent, compared with what the
//! real clients made of it (tests/vectors/cf). [`DIFFERENCES`] lists each difference with its
//! reason.

use data_encoding::BASE64;
use heka_tests::playback::{End, Playback, Recording, recordings};
use heka_tests::{Outcome, Running, Signal, Tool, eventually};
use serde_json::Value;

use crate::platform::TOKEN;

/// Differences from the recorded client: group, case, exit status, text on stderr, number of
/// messages, and the reason.
type Difference = (&'static str, &'static str, i32, &'static str, usize, &'static str);

const DIFFERENCES: &[Difference] = &[
    // A part that is not a message was returned all the same, and could crash the caller.
    (
        "legacy-recent",
        "recent-badpart",
        1,
        "skipped",
        3,
        "what is not a message is counted, not passed on",
    ),
    ("legacy-recent", "recent-emptypart", 1, "skipped", 2, "the same"),
    ("legacy-recent", "recent-partial", 1, "skipped", 2, "the same"),
    ("legacy-recent", "recent-partial.sorted", 1, "skipped", 2, "sorting it ended in a panic"),
    ("legacy-recent", "recent-boundary-in-data", 1, "skipped", 1, "both halves of a split message"),
    // A truncated answer looked like a complete one.
    ("legacy-recent", "recent-chunkabort", 1, "ended early", 1, "a cut answer is told"),
    ("legacy-recent", "recent-nofinal", 1, "ended early", 2, "the same"),
    ("legacy-recent", "recent-emptybody", 1, "ended early", 0, "the same"),
    ("v1-recentlogs", "recent-truncated", 1, "ended early", 2, "the same"),
    // Boundaries are parsed as RFC 2045 defines them.
    ("legacy-recent", "recent-quotedboundary", 0, "", 3, "a quoted boundary is one"),
    ("legacy-recent", "recent-boundaryparam", 0, "", 3, "a boundary ends at a semicolon"),
    ("legacy-recent", "recent-upperboundary", 0, "", 3, "parameters have no case"),
    ("v1-recentlogs", "recent-quotedboundary", 0, "", 3, "a quoted boundary is one"),
    ("v1-recentlogs", "recent-boundaryparam", 0, "", 3, "a boundary ends at a semicolon"),
    ("v1-recentlogs", "recent-upperboundary", 0, "", 3, "parameters have no case"),
    // A server error justifies a retry; an absent path does not.
    (
        "legacy-recent",
        "recent-500",
        3,
        "status 500: /recent path not found or has issues",
        0,
        "5xx",
    ),
    (
        "legacy-recent",
        "recent-503",
        3,
        "status 503: /recent path not found or has issues",
        0,
        "5xx",
    ),
    ("v1-recentlogs", "recent-500", 3, "status 500: /recentlogs path", 0, "5xx"),
    ("v1-recentlogs", "recent-503", 3, "status 503: /recentlogs path", 0, "5xx"),
    // The server's answer to the handshake was replaced by "bad handshake".
    (
        "legacy-tail",
        "tail-400",
        8,
        "bad client request: HTTP 400 Bad Request",
        0,
        "the status counts",
    ),
    ("legacy-tail", "tail-403", 6, "not found: HTTP 403 Forbidden", 0, "the status counts"),
    ("legacy-2014client", "tail-404", 6, "not found: HTTP 404 Not Found", 0, "the status counts"),
    ("legacy-recent", "recent-400-dump-404", 6, "not found: HTTP 404", 0, "the status counts"),
    ("v1-stream", "tail-404", 6, "not found: HTTP 404 Not Found", 0, "the status counts"),
    ("v1-realtc", "stream-other-app", 6, "not found: HTTP 404 Not Found", 0, "the status counts"),
    // The reason for the end was lost.
    ("legacy-tail", "tail-bad", 1, "skipped", 1, "what is not a message is counted"),
];

/// The output of a client: messages as (time, payload), and its error.
pub(crate) fn recorded(recording: &Recording) -> (Vec<(String, Vec<u8>)>, Option<String>) {
    let events = recording.events();
    let payload =
        |text: &Value| BASE64.decode(text.as_str().unwrap_or_default().as_bytes()).expect("base64");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let messages = events.iter().filter_map(|event| {
        // A message by itself, in a v1 envelope, or in a v2 envelope.
        let message =
            [event, &event["m"]].into_iter().find(|message| message["message_type"].is_string());
        match message {
            // Of a long message, only the length was recorded.
            Some(message) if message["message"].is_null() => {
                let len = message["message_len"].as_u64().unwrap_or_default();
                Some((
                    text(&message["timestamp"]),
                    vec![b'x'; usize::try_from(len).expect("len") - 9],
                ))
            }
            Some(message) => Some((text(&message["timestamp"]), payload(&message["message"]))),
            None if event["e"]["log"].is_object() => {
                Some((text(&event["e"]["timestamp"]), payload(&event["e"]["log"]["payload"])))
            }
            None => None,
        }
    });
    let error = events.iter().find(|event| event["event"] == "error");
    (messages.collect(), error.map(|error| text(&error["text"])))
}

/// Returns the same for our JSON.
pub(crate) fn ours(stdout: &[u8]) -> Vec<(String, Vec<u8>)> {
    let text = String::from_utf8_lossy(stdout);
    let lines = text.lines().map(|line| {
        let json: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let payload = match json["message_base64"].as_str() {
            Some(base64) => BASE64.decode(base64.as_bytes()).expect("base64"),
            None => json["message"].as_str().unwrap_or_default().as_bytes().to_vec(),
        };
        let payload = payload.strip_suffix(b"TRUNCATED").map_or(payload.clone(), <[u8]>::to_vec);
        (json["timestamp"].as_str().unwrap_or_default().to_owned(), payload)
    });
    lines.collect()
}

fn start(recording: &Recording, via: &str, server: &Playback) -> Running {
    let endpoint =
        recording.flag("-endpoint").unwrap_or("ws://@TAP@").replace("@TAP@", &server.addr);
    let app = recording.flag("-app").unwrap_or_default();
    let mut tool = Tool::new("cf-tail").args(["--via", via, "-a", &endpoint, "-j", "-w", "2s"]);
    tool = match recording.flag("-refresh") {
        None => tool.env("CF_ACCESS_TOKEN", TOKEN),
        Some(_) => tool.args([
            "--token-command",
            "[ -e used ] && echo bearer fresh-s3cr3t || { : >used; echo bearer stale-s3cr3t; }",
        ]),
    };
    match recording.flag("-mode").unwrap_or_default() {
        "recent" | "recentlogs" => tool.args(["--recent", "--no-sort", app]),
        "recent-sorted" | "recentlogs-sorted" => tool.args(["--recent", app]),
        "containermetrics" | "containerenvelopes" => tool.args(["--container-metrics", app]),
        "firehose" => tool.args(["--type", "log", "--firehose", app]),
        "firehose-logs" => tool.args(["--firehose", app, "--type", "log"]),
        _ => tool.arg(app),
    }
    .spawn()
}

/// Whether the server left the stream open, so that the recorded client ended it.
fn never_ends(recording: &Recording) -> bool {
    let Some(turn) = recording.turns.last() else { return false };
    let last = turn.pieces.last().map_or(b"".as_slice(), |(_, bytes)| bytes);
    let is_close = |at: usize| {
        last[at] == 0x88
            && last.get(at + 1).is_some_and(|len| at + 2 + usize::from(*len) == last.len())
    };
    let opened = turn.pieces.first().is_some_and(|(_, bytes)| bytes.starts_with(b"HTTP/1.1 101"));
    let (_, error) = recorded(recording);
    opened
        && turn.end == End::Open
        && error.is_none_or(|error| error.is_empty())
        && !(0..last.len()).any(is_close)
}

/// Runs until cf-tail exits, or until everything expected has arrived and the server would go on
/// forever.
fn run(recording: &Recording, via: &str, expected: usize) -> Outcome {
    let server = Playback::new(recording.turns.clone());
    let mut running = start(recording, via, &server);
    if !never_ends(recording) {
        return running.finish();
    }
    eventually("all messages", || {
        let count = running.stdout().iter().filter(|byte| **byte == b'\n').count();
        (!running.is_running() || (count >= expected && !server.heard().is_empty())).then_some(())
    });
    let outcome = running.end_by(Signal::SIGINT);
    outcome.killed_by(Signal::SIGINT);
    outcome
}

/// Translates a recorded error into a status, and a part of our message.
pub(crate) fn verdict(error: &str) -> (i32, &'static str) {
    if error.contains("Unauthorized error") {
        (5, "Unauthorized error")
    } else if error.contains("/recent path") {
        (6, "/recent path not found or has issues")
    } else if error.contains("unknown issue when making HTTP request") {
        (6, "path not found or has issues")
    } else if error.starts_with("bad server response") {
        (7, "bad server response")
    } else if error.contains("Upstream error") {
        (7, "Upstream error")
    } else {
        // The cause, which most clients did not print, is in the line.
        (3, "cf-tail: ws://127.0.0.1:")
    }
}

fn complaint(group: &str, via: &str, recording: &Recording) -> Option<String> {
    let case = recording.case.as_str();
    let (messages, error) = recorded(recording);
    let difference = DIFFERENCES.iter().find(|known| (known.0, known.1) == (group, case));
    let count = difference.map_or(messages.len(), |known| known.4);
    let outcome = run(recording, via, count);
    let found = ours(&outcome.stdout);
    let (status, words) = match (&difference, &error) {
        (Some(known), _) => (Some(known.2), known.3),
        // No recorded client reports whether a stream ended in order.
        (None, Some(error)) if error.contains("close 1000") || error.is_empty() => (None, ""),
        (None, Some(error)) => {
            let (status, words) = verdict(error);
            (Some(status), words)
        }
        (None, None) => (None, ""),
    };
    let same = match difference {
        None => found == messages,
        Some(_) => found.len() == count,
    };
    let ended = status.is_none_or(|status| outcome.status.code() == Some(status));
    (!same || !ended || !outcome.err().contains(words)).then(|| {
        let recorded = messages.len();
        format!("{group}/{case}: {recorded} messages and {error:?} were recorded\n{outcome}\n")
    })
}

#[track_caller]
fn compare(group: &str, via: &str) {
    let recordings = recordings(&format!("cf/{group}.jsonl"));
    assert!(!recordings.is_empty());
    let complaints: String =
        recordings.iter().filter_map(|recording| complaint(group, via, recording)).collect();
    assert!(complaints.is_empty(), "{complaints}");
}

#[test]
fn legacy_recent() {
    compare("legacy-recent", "legacy");
}

#[test]
fn legacy_tail() {
    compare("legacy-tail", "legacy");
}

#[test]
fn legacy_2014() {
    compare("legacy-2014client", "legacy");
    compare("real2014", "legacy");
}

#[test]
fn v1_stream() {
    compare("v1-stream", "v1");
}

#[test]
fn v1_recentlogs() {
    compare("v1-recentlogs", "v1");
    compare("v1-containermetrics", "v1");
}

#[test]
fn v1_of_2026() {
    compare("v1-realtc", "v1");
}
