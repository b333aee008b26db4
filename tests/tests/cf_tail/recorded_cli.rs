// SPDX-License-Identifier: MIT OR Apache-2.0
//! The lines of cf 7 and of `cf tail` (log-cache-cli), byte for byte; each difference is listed
//! with its reason.

use heka_tests::playback::{Playback, Recording, Turn, recordings};
use heka_tests::{Outcome, Pty, Tool};

use crate::platform::{EXPIRED, FRESH, GUID, Home, TOKEN, grant, http};
use crate::recorded::ours;

/// Runs against a log-cache that answers as recorded.
pub(crate) fn log_cache(recording: &Recording, args: &[&str]) -> Outcome {
    let server = Playback::new(once(recording));
    Tool::new("cf-tail")
        .args(["--via", "log-cache", "-a", &format!("http://{}", server.addr), "--recent"])
        .args(args)
        .env("CF_ACCESS_TOKEN", TOKEN)
        .run()
}

/// Returns the server's answers. cf tail asked for the version twice; once is enough.
fn once(recording: &Recording) -> Vec<Turn> {
    let mut turns = recording.turns.clone();
    if recording.client == "cf-tail-ref" {
        turns.remove(0);
    }
    turns
}

/// The time zone of the recording.
fn zone(case: &str, printed: &[u8]) -> &'static str {
    match (case.contains("tz"), String::from_utf8_lossy(printed).contains("+0530")) {
        (false, _) => "UTC",
        (true, true) => "Asia/Kolkata",
        (true, false) => "America/Los_Angeles",
    }
}

fn answer(json: &str) -> Turn {
    Turn::http("200 OK", "", json).open()
}

#[test]
fn cf_7_s_runs_give_its_lines_to_the_byte() {
    for recording in &recordings("cf/cfcli7.jsonl") {
        let case = recording.case.as_str();
        let found = answer(r#"{"resources":[{"guid":"11111111-2222-3333-4444-555555555555"}]}"#);
        let mut turns = vec![found];
        turns.extend(recording.turns.clone());
        let token = if case == "recent-expired-token" { EXPIRED } else { FRESH };
        if case == "recent-expired-token" {
            turns.insert(0, grant());
        }
        let server = Playback::new(turns);
        let home = Home::of(&server, token);
        let tool = home.tool(&["--recent", "--cf-style", "--trace", "dora"]);
        let lines = tool.env("TZ", zone(case, &recording.printed));
        match case {
            "recent" | "recent-tz" | "recent-expired-token" | "trace" => {
                // cf writes a banner to stdout, and with -v all requests and answers; here stdout
                // has messages only.
                let marker: &[u8] = b"\n\n   2026-";
                let at = recording.printed.windows(marker.len()).rposition(|part| part == marker);
                let outcome = lines.run();
                outcome.succeeds().stdout_is(&recording.printed[at.expect("lines") + 2..]);
                outcome.stderr_has("authorization: [PRIVATE DATA HIDDEN]");
            }
            "recent-no-such-app" => {
                server.play(vec![answer(r#"{"resources":[]}"#)]);
                let outcome = home.tool(&["--recent", "--cf-style", "nosuch"]).run();
                // cf had status 1, "FAILED" on stdout and a banner; the text is the same.
                outcome.exits(6).stdout_is("").stderr_has("App 'nosuch' not found.\n");
                assert_eq!(
                    server.requests(),
                    ["GET /v3/apps?names=nosuch&space_guids=space HTTP/1.1"]
                );
            }
            "oauth-token" => as_a_token_command(recording),
            other => panic!("{other} is new"),
        }
        let question = "GET /api/v1/read/11111111-2222-3333-4444-555555555555?descending=true\
            &envelope_types=LOG&limit=1000&start_time=-6795364578871345152 HTTP/1.1";
        if case == "trace" {
            let printed = String::from_utf8_lossy(&recording.printed).into_owned();
            assert!(printed.contains(question), "cf's question");
            assert_eq!(server.requests().last().map(String::as_str), Some(question));
        }
        if case == "recent-expired-token" {
            assert_eq!(server.requests()[0], "POST /oauth/token HTTP/1.1");
        }
    }
}

/// --token-command accepts the output of `cf oauth-token`, which is never shown.
fn as_a_token_command(recording: &Recording) {
    let token = String::from_utf8_lossy(&recording.printed).trim_end().to_owned();
    let refusal = Turn::http("401 Unauthorized", "", format!("no good: {token}"));
    let server = Playback::new(vec![refusal]);
    let outcome = Tool::new("cf-tail")
        .args(["--via", "legacy", "--recent", "--trace", "-vvv", GUID, "-a", &http(&server)])
        .args(["--token-command", &format!("echo {token}")])
        .run();
    outcome.exits(5).stderr_has("no good: bearer [concealed]");
    let sent = String::from_utf8_lossy(&server.heard()[0]).into_owned();
    assert!(sent.contains(&format!("authorization: {token}\r\n")), "{sent}");
    let secret = token.rsplit('.').next().expect("its signature");
    assert!(!outcome.err().contains(secret) && !outcome.out().contains(secret), "{outcome}");
}

/// Returns `cf tail`'s lines as cf-tail prints them: not indented, with the header repeated on each
/// line of a message, and nothing for a source without a name.
fn in_our_manner(printed: &[u8]) -> Vec<u8> {
    let mut ours = Vec::new();
    let mut header: &[u8] = b"";
    for line in printed.strip_suffix(b"\n").unwrap_or(printed).split(|byte| *byte == b'\n') {
        let text = if let Some(line) = line.strip_prefix(b"   ") {
            let end = line.windows(5).position(|part| part == b" OUT " || part == b" ERR ");
            let (head, text) = line.split_at(end.map_or(0, |end| end + 5));
            header = head;
            text
        } else {
            line
        };
        ours.extend_from_slice(header);
        ours.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
        ours.push(b'\n');
    }
    replace(&ours, b" [unknown] ", b" [/] ")
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    match bytes.windows(from.len()).position(|part| part == from) {
        Some(at) => [&bytes[..at], to, &bytes[at + from.len()..]].concat(),
        None => bytes.to_vec(),
    }
}

/// Removes what none of our forms has: cf tail prints all fields of an envelope without content.
fn without_the_empty_envelope(printed: &[u8]) -> String {
    String::from_utf8_lossy(printed)
        .lines()
        .map(|line| format!("{}\n", line.trim_start_matches(' ')))
        .filter(|line| !line.starts_with("timestamp:") && line != "\n")
        .collect()
}

fn check_kinds(recording: &Recording, kinds: &str) {
    let outcome = log_cache(recording, &["--type", kinds, "types-src"]);
    let found: String = outcome
        .succeeds()
        .out()
        .lines()
        .filter(|line| !line.ends_with("NOTHING"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(found, without_the_empty_envelope(&recording.printed), "{}", recording.case);
}

#[test]
fn cf_tail_s_runs_give_its_lines_but_for_what_is_told_here() {
    for recording in &recordings("cf/cftail.jsonl") {
        let case = recording.case.as_str();
        match case {
            "default" | "tz" => {
                let server = Playback::new(once(recording));
                let outcome = Tool::new("cf-tail")
                    .args(["--via", "log-cache", "--recent", "dora", "-a", &http(&server)])
                    .env("CF_ACCESS_TOKEN", TOKEN)
                    .env("TZ", zone(case, &recording.printed))
                    .run();
                outcome.succeeds().stdout_is(in_our_manner(&recording.printed));
            }
            "tty" => on_a_terminal(recording),
            "types" | "class-any" | "class-bogus" => check_kinds(recording, "any"),
            "class-logs" => check_kinds(recording, "log,event"),
            "class-metrics" => check_kinds(recording, "counter,gauge,timer"),
            "type-log" => check_kinds(recording, "log"),
            // Its -c took an unknown type for "any"; here, as with its -t, it is an error.
            "type-bogus" => {
                let outcome = Tool::new("cf-tail").args(["--type", "bogus", "types-src"]).run();
                outcome.exits(2).stderr_has("invalid value 'bogus' for '--type <KIND>'");
            }
            // Reported before a request is sent.
            "name-filter-bad" | "start-after-end" => {
                let words = match case {
                    "name-filter-bad" => "--name-filter: ",
                    _ => "--end-time is not after --start-time",
                };
                Tool::new("cf-tail").args(&recording.args).run().exits(2).stderr_has(words);
            }
            "json-lines-2" => {
                let printed: serde_json::Value =
                    serde_json::from_slice(&recording.printed).expect("JSON");
                let batch = printed["batch"].as_array().expect("a batch");
                let outcome = log_cache(recording, &["-j", "-n", "2", "dora"]);
                let lines: Vec<serde_json::Value> = outcome
                    .succeeds()
                    .out()
                    .lines()
                    .map(|line| serde_json::from_str(line).expect("JSON"))
                    .collect();
                assert_eq!(lines.len(), batch.len());
                // One object per line, not one for all, and with the stream, which was missing
                // there.
                for (line, told) in lines.iter().zip(batch) {
                    assert_eq!(line["timestamp"], told["timestamp"]);
                    assert_eq!(line["message"], told["log"]["payload"]);
                    assert_eq!(line["app_id"], told["source_id"]);
                    assert!(line["message_type"].is_string());
                }
            }
            // A Go template; here jq does the same with JSON.
            "output-format" => {
                let outcome = log_cache(recording, &["-j", "dora"]);
                let lines =
                    ours(&outcome.succeeds().stdout).into_iter().flat_map(|(time, payload)| {
                        let end: &[u8] = if payload.ends_with(b"\n") { b"" } else { b"\n" };
                        [time.as_bytes(), b" ", &payload, end].concat()
                    });
                assert_eq!(
                    String::from_utf8_lossy(&lines.collect::<Vec<u8>>()),
                    String::from_utf8_lossy(&recording.printed)
                );
            }
            "follow" | "follow-json" => follow(recording),
            other => panic!("{other} is new"),
        }
    }
}

/// Both clients print the same on a terminal and in a pipe. Here there is no banner on it, and
/// control characters are not obeyed.
fn on_a_terminal(recording: &Recording) {
    let server = Playback::new(once(recording));
    let pty = Pty::open();
    Tool::new("cf-tail")
        .args(["--via", "log-cache", "--recent", "dora", "-a", &http(&server)])
        .args(["--color", "never"])
        .env("CF_ACCESS_TOKEN", TOKEN)
        .stdout_file(pty.end())
        .run()
        .succeeds();
    let banner = recording.printed.windows(2).position(|part| part == b"\n\n").expect("a banner");
    let expected = in_our_manner(&recording.printed[banner + 2..]);
    let count = expected.iter().filter(|byte| **byte == b'\n').count();
    let screen = pty.wait_screen("all lines", |screen| screen.matches('\n').count() >= count);
    assert!(!screen.contains('\x1b'), "{screen:?}");
    let lines = String::from_utf8_lossy(&expected).into_owned();
    for (shown, line) in screen.lines().zip(lines.lines()) {
        let is_plain = line.chars().all(|c| !c.is_control() && c != '\u{fffd}' && c != '\u{2028}');
        assert!(!is_plain || shown == line, "{shown:?} {line:?}");
    }
}

/// The recorded pages, polled again: each line is printed once.
fn follow(recording: &Recording) {
    let server = Playback::new(once(recording));
    let is_json = recording.case.ends_with("json");
    let count = recording.printed.iter().filter(|byte| **byte == b'\n').count().to_string();
    let outcome = Tool::new("cf-tail")
        .args(["--via", "log-cache", "--type", "any", "--max-count", &count, "src"])
        .args(["-o", if is_json { "json" } else { "text" }, "-a", &http(&server)])
        .env("CF_ACCESS_TOKEN", TOKEN)
        .run();
    if !is_json {
        outcome.succeeds().stdout_is(in_our_manner(&recording.printed));
        return;
    }
    let told = recording.events().into_iter().map(|envelope| {
        let text = |json: &serde_json::Value| json.as_str().unwrap_or_default().to_owned();
        (text(&envelope["timestamp"]), text(&envelope["log"]["payload"]).into_bytes())
    });
    assert_eq!(ours(&outcome.succeeds().stdout), told.collect::<Vec<_>>());
}
