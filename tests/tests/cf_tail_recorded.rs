// SPDX-License-Identifier: MIT OR Apache-2.0
//! cf-tail against everything that real servers of five generations once sent, beside what the
//! real clients made of it (tests/vectors/cf). Where cf-tail differs, the difference and its reason
//! stand in [`DIFFERENCES`].

use data_encoding::BASE64;
use heka_tests::playback::{End, Playback, Recording, recordings};
use heka_tests::{Outcome, Running, Signal, Tool, eventually};
use serde_json::Value;

const TOKEN: &str = "bearer good-s3cr3t";

/// What cf-tail does otherwise than the recorded client: group, case, exit status, words on stderr,
/// number of messages, and why.
type Difference = (&'static str, &'static str, i32, &'static str, usize, &'static str);

const DIFFERENCES: &[Difference] = &[
    // A part that is no message was handed on all the same, and could crash the caller.
    (
        "legacy-recent",
        "recent-badpart",
        1,
        "skipped",
        3,
        "what is no message is counted, not passed on",
    ),
    ("legacy-recent", "recent-emptypart", 1, "skipped", 2, "the same"),
    ("legacy-recent", "recent-partial", 1, "skipped", 2, "the same"),
    ("legacy-recent", "recent-partial.sorted", 1, "skipped", 2, "sorting it ended in a panic"),
    ("legacy-recent", "recent-boundary-in-data", 1, "skipped", 1, "both halves of a split message"),
    // An answer that broke off looked like a whole one.
    ("legacy-recent", "recent-chunkabort", 1, "ended early", 1, "a cut answer is told"),
    ("legacy-recent", "recent-nofinal", 1, "ended early", 2, "the same"),
    ("legacy-recent", "recent-emptybody", 1, "ended early", 0, "the same"),
    ("v1-recentlogs", "recent-truncated", 1, "ended early", 2, "the same"),
    // Boundaries are read as RFC 2045 has them.
    ("legacy-recent", "recent-quotedboundary", 0, "", 3, "a quoted boundary is one"),
    ("legacy-recent", "recent-boundaryparam", 0, "", 3, "a boundary ends at a semicolon"),
    ("legacy-recent", "recent-upperboundary", 0, "", 3, "parameters have no case"),
    ("v1-recentlogs", "recent-quotedboundary", 0, "", 3, "a quoted boundary is one"),
    ("v1-recentlogs", "recent-boundaryparam", 0, "", 3, "a boundary ends at a semicolon"),
    ("v1-recentlogs", "recent-upperboundary", 0, "", 3, "parameters have no case"),
    // The reasons of an end were lost.
    ("legacy-tail", "tail-bad", 1, "skipped", 1, "what is no message is counted"),
];

/// What a client printed: messages as (time, payload), and its error.
fn recorded(recording: &Recording) -> (Vec<(String, Vec<u8>)>, Option<String>) {
    let events = recording.events();
    let payload =
        |text: &Value| BASE64.decode(text.as_str().unwrap_or_default().as_bytes()).expect("base64");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let messages = events.iter().filter_map(|event| {
        // A message of its own, in an envelope of v1, or in one of v2.
        let message =
            [event, &event["m"]].into_iter().find(|message| message["message_type"].is_string());
        match message {
            // A long one was recorded by its length.
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

/// The same of our JSON.
fn ours(stdout: &[u8]) -> Vec<(String, Vec<u8>)> {
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

/// Whether the server left the stream open, and it was the recorded client that ended it.
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

/// Runs until it ends, or until all that is expected is there and the server would go on for ever.
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

/// What of a recorded error must be in ours.
fn words(error: &str) -> &'static str {
    if error.starts_with("Unauthorized error") || error.contains("Unauthorized error") {
        "Unauthorized error"
    } else if error.contains("/recent path") {
        "/recent path not found or has issues"
    } else if error.starts_with("bad server response") {
        "bad server response"
    } else if error.contains("Upstream error") {
        "Upstream error"
    } else {
        // The cause, which the clients mostly kept to themselves, is in the line.
        "cf-tail: ws://127.0.0.1:"
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
        // Whether a stream ended in order is told by no recorded client.
        (None, Some(error)) if error.contains("close 1000") || error.is_empty() => (None, ""),
        (None, Some(error)) => (Some(3), words(error)),
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

/// Runs against a log-cache that answers as recorded.
fn log_cache(recording: &Recording, args: &[&str]) -> Outcome {
    let mut turns = recording.turns.clone();
    // cf tail asks for the version twice; once is enough.
    while turns.len() > 2 {
        turns.remove(0);
    }
    let server = Playback::new(turns);
    let zone = if recording.case.contains("tz") { "Asia/Kolkata" } else { "UTC" };
    Tool::new("cf-tail")
        .args(["--via", "log-cache", "-a", &format!("http://{}", server.addr), "--recent"])
        .args(args)
        .env("CF_ACCESS_TOKEN", TOKEN)
        .env("TZ", zone)
        .run()
}

#[test]
fn lines_are_those_of_cf_7_to_the_byte() {
    for recording in recordings("cf/cfcli7.jsonl").iter().filter(|recording| recording.exit == 0) {
        let outcome = log_cache(recording, &["--cf-style", "11111111-2222-3333-4444-555555555555"]);
        // cf writes a banner and an empty line to stdout; here nothing but messages goes there.
        let banner =
            recording.printed.windows(2).position(|bytes| bytes == b"\n\n").expect("banner");
        outcome.succeeds().stdout_is(&recording.printed[banner + 2..]);
    }
}

#[test]
fn metrics_read_as_in_cf_tail() {
    let recordings = recordings("cf/cftail.jsonl");
    for (case, kinds) in [
        ("types", "any"),
        ("class-logs", "log,event"),
        ("class-metrics", "counter,gauge,timer"),
        ("class-any", "any"),
        ("type-log", "log"),
    ] {
        let recording = recordings.iter().find(|recording| recording.case == case).expect(case);
        let outcome = log_cache(recording, &["--type", kinds, "types-src"]);
        // cf tail indents, and tells of an envelope without content that it is of no known kind.
        let expected: String = String::from_utf8_lossy(&recording.printed)
            .lines()
            .map(|line| format!("{}\n", line.trim_start_matches(' ')))
            .filter(|line| !line.starts_with("timestamp:") && !line.is_empty())
            .collect();
        let found: String = outcome
            .succeeds()
            .out()
            .lines()
            .filter(|line| !line.ends_with("NOTHING"))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(found, expected, "{case}");
    }
}

#[test]
fn log_cache_reads_as_recorded() {
    for file in ["cf/v2-logcache.jsonl", "cf/v2-fault-logcache.jsonl"] {
        for recording in recordings(file).iter().filter(|one| one.args[0] == "read") {
            let outcome = log_cache(recording, &["-j", "source"]);
            let (mut messages, error) = recorded(recording);
            let mut found = ours(&outcome.stdout);
            messages.sort();
            found.sort();
            assert_eq!(found, messages, "{file} {}\n{outcome}", recording.case);
            match recording.case.as_str() {
                // The other envelopes of the batch, of which there are none here, would be kept.
                "lc-twomessages" => outcome.exits(1).stderr_has("skipped"),
                // Asked again; the recorded server had no second answer.
                "lc-429-once" => outcome.exits(3),
                _ if error.is_some() => outcome.exits(3).stderr_has("cf-tail: http://127.0.0.1"),
                _ => outcome.succeeds(),
            };
        }
    }
}

#[test]
fn the_gateway_s_streams_read_as_recorded() {
    for file in ["cf/v2-fault-rlp.jsonl", "cf/v2-rlp.jsonl"] {
        for recording in &recordings(file) {
            let server = Playback::new(recording.turns.clone());
            let (messages, _) = recorded(recording);
            let refused = recording.case == "expired";
            let count = match recording.case.as_str() {
                // Data without a space behind the colon is data all the same.
                "rlp-nospace" => 1,
                // An empty batch is no end.
                "rlp-emptybatch" => 1,
                _ => messages.len(),
            };
            let mut running = Tool::new("cf-tail")
                .args(["--via", "rlp", "-a", &format!("http://{}", server.addr), "-j", "source"])
                .env("CF_ACCESS_TOKEN", TOKEN)
                .spawn();
            eventually(&format!("all messages of {}", recording.case), || {
                let lines = running.stdout().iter().filter(|byte| **byte == b'\n').count();
                (lines >= count
                    && !server.heard().is_empty()
                    && (!refused || !running.is_running()))
                .then_some(())
            });
            let outcome = if running.is_running() {
                running.end_by(Signal::SIGTERM)
            } else {
                running.finish()
            };
            let found = ours(&outcome.stdout);
            assert!(
                messages.iter().all(|message| found.contains(message)),
                "{}\n{outcome}",
                recording.case
            );
            assert_eq!(found.len(), count, "{}\n{outcome}", recording.case);
            if refused {
                outcome.exits(3).stderr_has("not found: {\"message\":\"resource not found\"");
            }
        }
    }
}

/// What a server sent, as curl printed it: how many log messages are in it.
fn logs_in(recording: &Recording) -> usize {
    String::from_utf8_lossy(&recording.printed).matches("\"payload\"").count()
}

#[test]
fn answers_of_the_real_gateways_are_understood() {
    for recording in &recordings("cf/v2-rlp-raw.jsonl") {
        let server = Playback::new(recording.turns.clone());
        let mut running = Tool::new("cf-tail")
            .args([
                "--via",
                "rlp",
                "-a",
                &format!("http://{}", server.addr),
                "-j",
                "--type",
                "any",
                "s",
            ])
            .env("CF_ACCESS_TOKEN", TOKEN)
            .spawn();
        // curl was stopped by its time limit (28) where the gateway goes on for ever.
        if recording.exit == 28 {
            let count = logs_in(recording);
            eventually(&format!("all messages of {}", recording.case), || {
                let out = String::from_utf8_lossy(&running.stdout()).into_owned();
                (out.matches("\"event_type\":\"log\"").count() >= count
                    && running.is_running()
                    && running.stderr().contains("connected"))
                .then_some(())
            });
            running.end_by(Signal::SIGINT).killed_by(Signal::SIGINT);
            continue;
        }
        let outcome = running.finish();
        let words = match recording.case.as_str() {
            "admin-missing-type" => {
                "bad client request: {\"message\":\"query must provide at least one envelope type\""
            }
            "post" => "status 405",
            _ => "not found",
        };
        outcome.exits(3).stdout_is("").stderr_has(words);
    }
}

#[test]
fn answers_of_the_real_log_cache_are_understood() {
    for file in ["cf/v2-logcache-raw.jsonl", "cf/v2-authproxy-raw.jsonl"] {
        for recording in &recordings(file) {
            let is_page = !["info", "meta", "info-no-token"].contains(&recording.case.as_str());
            if !is_page {
                continue;
            }
            let mut version = recording.turns.clone();
            version.insert(
                0,
                heka_tests::playback::Turn::http("200 OK", "", "{\"version\":\"3.0.11\"}").open(),
            );
            let server = Playback::new(version);
            let outcome = Tool::new("cf-tail")
                .args(["--via", "log-cache", "--recent", "-j", "--type", "any", "s", "-a"])
                .arg(format!("http://{}", server.addr))
                .env("CF_ACCESS_TOKEN", TOKEN)
                .run();
            let ok = String::from_utf8_lossy(&recording.printed).starts_with("HTTP/1.1 200");
            outcome.exits(if ok { 0 } else { 3 });
            let logs = outcome.out().matches("\"event_type\":\"log\"").count();
            assert_eq!(
                logs,
                if ok { logs_in(recording) } else { 0 },
                "{}\n{outcome}",
                recording.case
            );
        }
    }
}

#[test]
fn what_log_cache_keeps_is_a_table() {
    let recordings = recordings("cf/v2-logcache-raw.jsonl");
    let mut turns = recordings.iter().find(|one| one.case == "meta").expect("meta").turns.clone();
    turns.insert(
        0,
        heka_tests::playback::Turn::http("200 OK", "", "{\"version\":\"3.0.11\"}").open(),
    );
    let server = Playback::new(turns);
    let outcome = Tool::new("cf-tail")
        .args(["--meta", "--via", "log-cache", "-a", &format!("http://{}", server.addr)])
        .env("CF_ACCESS_TOKEN", TOKEN)
        .run();
    let line = outcome.succeeds().out().lines().next().expect("a line").to_owned();
    let fields: Vec<&str> = line.split('\t').collect();
    assert_eq!(fields.len(), 5, "{line}");
    assert!(fields[1].parse::<u64>().is_ok() && fields[3].ends_with('Z'), "{line}");
}

#[test]
fn endpoints_that_the_old_client_stumbled_over() {
    for recording in &recordings("cf/legacy-endpoint.jsonl") {
        let case = recording.case.as_str();
        let token = recording.flag("-token").expect("a token").replace("good", "good-s3cr3t");
        let server = Playback::new(recording.turns.clone());
        let endpoint = recording.flag("-endpoint").expect("it").replace("@TAP@", &server.addr);
        let app = recording.flag("-app").expect("an app");
        let mut tool = Tool::new("cf-tail")
            .args(["--via", "legacy", "-a", &endpoint, "-j", app])
            .env("CF_ACCESS_TOKEN", token);
        if case.ends_with(".recent") {
            tool = tool.arg("--recent");
        }
        let outcome = tool.run();
        let requests = server.requests();
        match case {
            "bad.recent" => outcome.exits(2).stderr_has("expected a URL"),
            "refused.tail" => {
                outcome.exits(3).stderr_has("error dialing loggregator server: Connection refused")
            }
            // A line end in a token ends the matter; the old client sent what was left of it.
            _ if case.starts_with("token-newline") => {
                outcome.exits(2).stderr_has("control characters")
            }
            // The slash is not doubled, and the GUID is escaped; the server, played back, refuses all the same.
            "trailing-slash.tail" => {
                assert_eq!(requests, [format!("GET /tail/?app={app} HTTP/1.1")]);
                outcome.exits(3)
            }
            _ if case.starts_with("guid-needs-escaping") => {
                assert!(
                    requests[0].contains("?app=tail-ok%26x%3D1+2")
                        || requests[0].contains("?app=recent-ok%26x%3D1+2"),
                    "{requests:?}"
                );
                outcome.exits(3)
            }
            "path.recent" => {
                assert_eq!(requests, ["GET /prefix/recent?app=recent-ok HTTP/1.1"]);
                outcome.exits(0)
            }
            other => panic!("{other} is new"),
        };
    }
}
